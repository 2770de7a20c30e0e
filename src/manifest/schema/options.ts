/** What an option is, for the command line, the environment and the docs: plain data, cheap to load. */

/** The values of each kind of option, in base units: milliseconds and bytes. */
export interface OptionValues {
  readonly boolean: boolean;
  readonly string: string;
  /** The path of a URL. */
  readonly path: string;
  readonly url: string;
  /** Absolute path; relative to the manifest, or on the command line to the working directory, until it is resolved. */
  readonly file: string;
  readonly integer: number;
  readonly duration: number;
  readonly size: number;
  readonly list: readonly string[];
  readonly enum: string;
  /** A set of choices, each with a flag of its own. */
  readonly switches: readonly string[];
}

export type OptionKind = keyof OptionValues;

/** Units that names of settings end in. Manifest keys have none: their values are written with a unit. */
interface Units {
  readonly duration: 'Ms';
  readonly size: 'Bytes';
}

const UNITS: Units = { duration: 'Ms', size: 'Bytes' };

/** The name of the setting that a key of the manifest holds: `bodyLimit`, a size, is `bodyLimitBytes`. */
export type SettingName<Key extends string, Kind> = Kind extends keyof Units ? `${Key}${Units[Kind]}` : Key;

export function settingName(key: string, kind: OptionKind): string {
  return kind === 'duration' || kind === 'size' ? `${key}${UNITS[kind]}` : key;
}

export type OptionGroup =
  | 'What to serve'
  | 'The server process'
  | 'The remote server'
  | 'Listening'
  | 'Access'
  | 'Sharing'
  | 'Limits'
  | 'Log'
  | 'Output';

export type CommandName = 'serve' | 'check' | 'list' | 'init' | 'schema' | 'login' | 'logout' | 'tokens';

export type OptionDefault = string | number | boolean | readonly string[];

export interface OptionMeta {
  /** As commander takes it (`--port <number>`), or null when the command line has no such option. */
  readonly flag: string | null;
  /** The variable, or null when there is none. */
  readonly env: `MCP_RUN_${string}` | null;
  /** A variable that counts where `env` is absent. */
  readonly fallbackEnv?: string;
  readonly group: OptionGroup;
  readonly kind: OptionKind;
  readonly description: string;
  /** As a person would write it in the manifest; absent: none. */
  readonly default?: OptionDefault;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** The commands that have it; without it `serve` alone. */
  readonly commands?: readonly CommandName[];
}
