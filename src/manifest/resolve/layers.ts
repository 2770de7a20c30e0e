import { RunError } from '../../errors.ts';
import { isLoopback } from '../schema/checks.ts';
import { DEFAULT_SETTINGS } from '../schema/defaults.generated.ts';
import { findCollision, type Collision } from './server-name.ts';
import type { Settings } from '../settings.ts';
import { readTokens, TOKEN_VARIABLE, type Tokens } from './tokens.ts';

/** Settings from one place: flags, variables, or a file. */
export type SettingsLayer = { readonly [Key in keyof Settings]?: Settings[Key] | undefined };

/**
 * Lays settings over each other, the first one that says something wins, and checks what they say together.
 * @throws RunError `USAGE` for paths that collide.
 */
export function mergeSettings(layers: readonly SettingsLayer[]): Settings {
  const merged: Settings = { ...DEFAULT_SETTINGS };
  for (const layer of layers.toReversed()) Object.assign(merged, withoutGaps(layer));
  const settings = { ...merged, transports: transportsOf(merged) };
  checkPaths(settings);
  return settings;
}

function withoutGaps(layer: SettingsLayer): object {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}

function transportsOf({ transports }: Settings): Settings['transports'] {
  return transports.length === 0 ? DEFAULT_SETTINGS.transports : [...new Set(transports)];
}

/** A name whose URLs are those of another endpoint, if anything listens. */
export function collisionOf(names: readonly string[], settings: Settings): Collision | undefined {
  const { transports, httpPath, ssePath, messagesPath } = settings;
  const paths = [
    ...(transports.includes('http') ? [httpPath] : []),
    ...(transports.includes('sse') ? [ssePath, messagesPath] : []),
  ];
  return findCollision(names, paths);
}

function listens({ transports }: Settings): boolean {
  return transports.some((transport) => transport !== 'stdio');
}

/**
 * Reads the tokens that a listener asks for; without a listener there is nothing to ask.
 * @throws RunError `BIND_REFUSED` when others than this machine could come in without one, and what `readTokens` throws.
 */
export async function loadAccessTokens(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Tokens> {
  if (!listens(settings)) return { digests: [], warnings: [] };
  const tokens = await readTokens({ file: settings.tokenFile, variable: env[TOKEN_VARIABLE] });
  if (tokens.digests.length > 0 || settings.insecure || isLoopback(settings.host)) return tokens;
  throw new RunError('BIND_REFUSED', { host: settings.host });
}

function checkPaths({ httpPath, ssePath, messagesPath }: Settings): void {
  const taken = new Set(['/healthz', '/readyz']);
  for (const path of [httpPath, ssePath, messagesPath]) {
    if (taken.has(path)) throw new RunError('USAGE', { detail: `The path ${path} is used twice` });
    taken.add(path);
  }
}
