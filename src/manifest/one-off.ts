import { complaintOf, readEnvFile } from './env-file.ts';
import { childEnvironment, wholeEnvironment } from './environment.ts';
import { mergeSettings, secure, type SettingsLayer } from './layers.ts';
import type { ChildOptions } from './resolve-server.ts';
import { deriveName } from './server-name.ts';
import type { Manifest, Settings } from './settings.ts';

export interface OneOff {
  readonly command: string;
  readonly args: readonly string[];
  /** Without it derived from the command. */
  readonly name?: string | undefined;
  /** For people; `command line` without it. */
  readonly source?: string;
  readonly settings: SettingsLayer;
  readonly child: ChildOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A manifest of one command, without a file. Loads no schema and no parser: this is the path that starts fast.
 * @throws RunError `BIND_REFUSED`, `TOKENS_INVALID`, or `MANIFEST_UNREADABLE` for an env or a token file.
 */
export async function createCommandManifest(options: OneOff): Promise<Manifest> {
  const { command, args, child } = options;
  const settings = mergeSettings([options.settings]);
  const { digests, warnings } = await secure(settings, options.env);
  const paths = child.envFiles ?? [];
  const files = await Promise.all(paths.map(readEnvFile));
  const env = environmentOf(options, settings, [...files.map(({ values }) => values), child.env ?? {}]);
  const complaints = files.map((file, index) => complaintOf(file, paths[index] ?? ''));
  return {
    source: options.source ?? 'command line',
    servers: [
      {
        name: options.name ?? deriveName(command, args),
        target: { kind: 'stdio', command, args, cwd: child.cwd, env },
        allow: [],
        isolation: undefined,
        era: undefined,
        inputTtlMs: undefined,
        attribution: 'concurrent',
        warm: 0,
        requestTimeoutMs: undefined,
        stdout: 'skip',
      },
    ],
    settings,
    tokens: digests,
    warnings: [...warnings, ...complaints.filter((complaint) => complaint !== undefined)],
  };
}

function environmentOf(
  { child, env }: OneOff,
  { transports }: Settings,
  set: readonly Readonly<Record<string, string>>[],
): Readonly<Record<string, string>> {
  // A desktop client that starts us as a wrapper sets the server's variables on us. With a network transport
  // nobody meant them for the server.
  if (transports.every((transport) => transport === 'stdio')) return wholeEnvironment(env, set);
  return childEnvironment({ from: env, passEnv: child.passEnv ?? [], set });
}
