import { RunError } from '../../errors.ts';
import { parseBaseUrl, parseInteger, parsePath } from '../../manifest/schema/checks.ts';
import type { SettingsLayer } from '../../manifest/resolve/layers.ts';
import type { OptionKind, OptionValues } from '../../manifest/schema/options.ts';
import { didYouMean } from '../../manifest/read/suggest.ts';
import { parseDuration, parseSize, type Parsed } from '../../manifest/schema/units.ts';
import type { SettingOption } from './option-types.ts';
import { COMPANION_OPTIONS, LAUNCH_OPTIONS, SETTING_OPTIONS } from './options.generated.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** What to serve and how to start it, as the command line and the variables say. */
export interface Launch {
  readonly config: readonly string[];
  readonly server: readonly string[];
  readonly strict: boolean;
  readonly demo: boolean;
  readonly name: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly envFile: readonly string[];
  readonly passEnv: readonly string[];
  readonly cwd: string | undefined;
  readonly ignoreTools: readonly string[];
}

/**
 * The settings that flags name.
 * @param flags commander's values, by key.
 * @throws RunError `USAGE`.
 */
export function settingsFromFlags(flags: Readonly<Record<string, unknown>>): SettingsLayer {
  const layer: SettingsLayer = {};
  for (const option of SETTING_OPTIONS) {
    const value = option.kind === 'switches' ? chosenOf(option, flags) : flags[option.key];
    if (value !== undefined) assign(layer, option, value, flagOf(option));
  }
  return layer;
}

function chosenOf({ choices = [] }: SettingOption, flags: Readonly<Record<string, unknown>>): unknown {
  const chosen = choices.filter((choice) => flags[choice] === true);
  return chosen.length > 0 ? chosen : undefined;
}

function flagOf({ flag, key }: SettingOption): string {
  return (flag ?? key).split(' ', 1)[0] ?? '';
}

/**
 * The settings that variables name; an empty variable says nothing.
 * @throws RunError `USAGE`.
 */
export function settingsFromVariables(env: Variables): SettingsLayer {
  const layer: SettingsLayer = {};
  for (const option of SETTING_OPTIONS) {
    const name = [option.env, option.fallbackEnv].find((candidate) => (env[candidate ?? ''] ?? '') !== '');
    if (typeof name !== 'string') continue;
    const text = env[name] ?? '';
    const isList = option.kind === 'list' || option.kind === 'switches';
    assign(layer, option, isList ? splitList(text) : text, name);
  }
  return layer;
}

/**
 * What is said about the launch: flags, and where there is none the variable, as texts, lists of texts and booleans.
 * @throws RunError `USAGE`.
 */
export function launchValues(
  flags: Readonly<Record<string, unknown>>,
  env: Variables,
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const { key, kind, env: name, flag } of LAUNCH_OPTIONS) {
    // Discovery reads this one itself: it ranks behind a file that is named.
    const variable = key === 'config' || name === null ? '' : (env[name] ?? '');
    const fromVariable = kind === 'list' ? splitList(variable) : variable;
    const isNegative = flag?.startsWith('--no-') === true;
    // commander says true where a --no-… is absent, and its variable says the opposite of the key.
    const given = isNegative ? (flags[key] === false ? true : undefined) : flags[key];
    const value = given ?? (variable === '' ? undefined : fromVariable);
    if (value === undefined) continue;
    values.set(key, kind === 'boolean' ? toBoolean(value, name ?? key) !== isNegative : value);
  }
  return values;
}

/** Flags, and where there is none the variable. */
export function readLaunch(flags: Readonly<Record<string, unknown>>, env: Variables): Launch {
  const values = launchValues(flags, env);
  return {
    config: textsOf(values.get('config')),
    server: textsOf(values.get('server')),
    strict: values.get('strict') === true,
    demo: values.get('demo') === true,
    name: textOf(values.get('name')),
    env: toPairs(textsOf(values.get('env'))),
    envFile: textsOf(values.get('envFile')),
    passEnv: textsOf(values.get('passEnv')),
    cwd: textOf(values.get('cwd')),
    ignoreTools: textsOf(values.get('ignoreTool')),
  };
}

/**
 * The deadline of `check`.
 * @throws RunError `USAGE`.
 */
export function readTimeout(flags: Readonly<Record<string, unknown>>, env: Variables): number {
  const flag = flags['timeout'];
  const variable = env['MCP_RUN_TIMEOUT'] ?? '';
  if (flag !== undefined) return must(parseDuration(String(flag)), '--timeout');
  if (variable !== '') return must(parseDuration(variable), 'MCP_RUN_TIMEOUT');
  const row = COMPANION_OPTIONS.find(({ key }) => key === 'timeout');
  return must(parseDuration(row?.default ?? ''), '--timeout');
}

const PARSERS: Parsers = {
  boolean: toBoolean,
  string: String,
  path: (value, where) => must(parsePath(String(value)), where),
  url: (value, where) => must(parseBaseUrl(String(value)), where),
  file: String,
  integer: (value, where, { min = 0, max = Number.MAX_SAFE_INTEGER }) =>
    must(parseInteger(String(value), min, max), where),
  duration: (value, where, { min }) => must(parseDuration(String(value), min), where),
  size: (value, where, { min }) => must(parseSize(String(value), min), where),
  list: textsOf,
  enum: (value, where, { choices = [] }) => oneOf(choices, String(value), where),
  switches: (value, where, { choices = [] }) => textsOf(value).map((name) => oneOf(choices, name, where)),
};

function assign(layer: SettingsLayer, option: SettingOption, value: unknown, where: string): void {
  if (option.isAlias === true && layer[option.setting] !== undefined) return;
  // The schema demands that a key's values are of its kind, and generates the rows.
  Object.assign(layer, { [option.setting]: PARSERS[option.kind](value, where, option) });
}

type Parsers = {
  readonly [Kind in OptionKind]: (value: unknown, where: string, option: SettingOption) => OptionValues[Kind];
};

export function must<T>(parsed: Parsed<T>, where: string): T {
  if ('value' in parsed) return parsed.value;
  throw new RunError('USAGE', { detail: `${where}: ${parsed.fault}` });
}

export function oneOf<T extends string>(choices: readonly T[], value: string, where: string): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const detail = `${where}: "${value}" is not one of ${choices.join(', ')}${didYouMean(value, choices)}`;
  throw new RunError('USAGE', { detail });
}

function toBoolean(value: unknown, where: string): boolean {
  if (typeof value === 'boolean') return value;
  const text = String(value).toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(text)) return true;
  if (['0', 'false', 'no', 'off'].includes(text)) return false;
  throw new RunError('USAGE', { detail: `${where}: ${JSON.stringify(value)} is neither true nor false` });
}

function toPairs(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs: Record<string, string> = Object.create(null);
  for (const text of texts) {
    const at = text.indexOf('=');
    // Not repeated: it may be the value alone.
    if (at < 1) throw new RunError('USAGE', { detail: '--env takes NAME=VALUE' });
    pairs[text.slice(0, at)] = text.slice(at + 1);
  }
  return pairs;
}

function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
