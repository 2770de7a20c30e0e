import { RunError } from '../errors.ts';
import { isLoopback } from './checks.ts';
import { DEFAULT_SETTINGS } from './defaults.generated.ts';
import type { Settings } from './settings.ts';

/** Settings from one place: flags, variables, or a file. */
export type SettingsLayer = { readonly [Key in keyof Settings]?: Settings[Key] | undefined };

/**
 * Lays settings over each other, the first one that says something wins, and checks what they say together.
 * @throws RunError `BIND_REFUSED`, or `USAGE` for paths that collide.
 */
export function mergeSettings(layers: readonly SettingsLayer[]): Settings {
  const merged: Settings = { ...DEFAULT_SETTINGS };
  for (const layer of layers.toReversed()) Object.assign(merged, withoutGaps(layer));
  const settings = { ...merged, transports: transportsOf(merged) };
  checkBind(settings);
  checkPaths(settings);
  return settings;
}

function withoutGaps(layer: SettingsLayer): object {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}

function transportsOf({ transports }: Settings): Settings['transports'] {
  return transports.length === 0 ? DEFAULT_SETTINGS.transports : [...new Set(transports)];
}

function listens({ transports }: Settings): boolean {
  return transports.some((transport) => transport !== 'stdio');
}

function checkBind(settings: Settings): void {
  if (!listens(settings) || settings.insecure || isLoopback(settings.host)) return;
  throw new RunError('BIND_REFUSED', { host: settings.host });
}

function checkPaths({ httpPath, ssePath, messagesPath }: Settings): void {
  const taken = new Set(['/healthz', '/readyz']);
  for (const path of [httpPath, ssePath, messagesPath]) {
    if (taken.has(path)) throw new RunError('USAGE', { detail: `The path ${path} is used twice` });
    taken.add(path);
  }
}
