import { RunError } from '../../errors.ts';
import { complaintOf, readEnvFile } from './env-file.ts';
import { childEnvironment, wholeEnvironment } from './environment.ts';
import { collisionOf, mergeSettings, loadAccessTokens, type SettingsLayer } from './layers.ts';
import { DEFAULT_SERVER_OPTIONS } from '../schema/defaults.generated.ts';
import { parseRemoteUrl } from '../schema/remote-checks.ts';
import {
  contradictionsIn,
  createRemoteTarget,
  patienceFor,
  refusalOf,
  type RemoteOptions,
} from './remote-target.ts';
import type { ChildOptions } from './resolve-server.ts';
import { maskUrl } from '../read/secrets.ts';
import { deriveName, deriveNameFromUrl, faultOfName } from './server-name.ts';
import type { Manifest, ServerSpec, Settings } from '../settings.ts';

export interface OneOff {
  readonly command: string;
  readonly args: readonly string[];
  /** Without it derived from the command. */
  readonly name?: string | undefined;
  /** For people; `command line` without it. */
  readonly source?: string;
  /** Names of tools, in which `*` stands for any text. */
  readonly ignoreTools?: readonly string[];
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
  const name = options.name ?? deriveName(command, args);
  checkName(name, settings);
  const { digests, warnings } = await loadAccessTokens(settings, options.env);
  const paths = child.envFiles ?? [];
  const files = await Promise.all(paths.map(readEnvFile));
  const env = environmentOf(options, settings, [...files.map(({ values }) => values), child.env ?? {}]);
  const complaints = files.flatMap((file, index) => {
    const complaint = complaintOf(file);
    return complaint === undefined ? [] : [`${paths[index]}: ${complaint}`];
  });
  return {
    source: options.source ?? 'command line',
    servers: [specOf(name, { kind: 'stdio', command, args, cwd: child.cwd, env }, options.ignoreTools)],
    settings,
    tokens: digests,
    warnings: [...warnings, ...complaints],
  };
}

export interface OneOffUrl {
  readonly url: string;
  /** Without it derived from the URL. */
  readonly name?: string | undefined;
  /** Names of tools, in which `*` stands for any text. */
  readonly ignoreTools?: readonly string[];
  readonly settings: SettingsLayer;
  readonly remote: RemoteOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A manifest of one remote server, without a file. Loads no schema and no parser, either.
 * @throws RunError `USAGE`, `PLAIN_HTTP_REFUSED`, `BIND_REFUSED`, `TOKENS_INVALID`, or `MANIFEST_UNREADABLE` for a token file.
 */
export async function createUrlManifest(options: OneOffUrl): Promise<Manifest> {
  const { remote, env } = options;
  const url = parseRemoteUrl(options.url);
  if ('fault' in url) throw new RunError('USAGE', { detail: `The URL ${url.fault}` });
  const [contradiction] = contradictionsIn(remote);
  if (contradiction !== undefined) throw new RunError('USAGE', { detail: contradiction[1] });
  const name = options.name ?? deriveNameFromUrl(url.value);
  const refusal = refusalOf(name, url.value, remote);
  if (refusal !== undefined) throw refusal;
  const settings = mergeSettings([options.settings]);
  checkName(name, settings);
  const { digests, warnings } = await loadAccessTokens(settings, env);
  const target = createRemoteTarget(url.value, remote, env);
  return {
    source: maskUrl(url.value),
    servers: [specOf(name, { ...target, patienceMs: patienceFor(settings.transports) }, options.ignoreTools)],
    settings,
    tokens: digests,
    warnings,
  };
}

function checkName(name: string, settings: Settings): void {
  const detail = faultOfName(name) ?? collisionOf([name], settings)?.detail;
  if (detail !== undefined) throw new RunError('USAGE', { detail: `--name: ${detail}` });
}

function specOf(name: string, target: ServerSpec['target'], ignoreTools: readonly string[] = []): ServerSpec {
  return {
    name,
    target,
    ...DEFAULT_SERVER_OPTIONS,
    tools: ignoreTools.length === 0 ? undefined : { allow: [], deny: ignoreTools },
  };
}

function environmentOf(
  { child, env }: OneOff,
  { transports }: Settings,
  set: readonly Readonly<Record<string, string>>[],
): Readonly<Record<string, string>> {
  // A desktop client that starts us as a wrapper sets the server's variables on us. With a network transport
  // they are not meant for the server.
  if (transports.every((transport) => transport === 'stdio')) return wholeEnvironment(env, set);
  return childEnvironment({ from: env, passEnv: child.passEnv ?? [], set });
}
