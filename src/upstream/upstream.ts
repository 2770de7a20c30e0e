import { RunError } from '../errors.ts';
import { findCommand } from '../process/find-command.ts';
import type { Link } from '../link/link.ts';
import { hintForMissing } from './supervision/hints.ts';
import type { Target } from '../config/types.ts';
import type { UpstreamOptions } from './target.ts';

type Opener<T extends Target> = (target: T, options: UpstreamOptions) => Promise<Link>;

/** Kind → how to open it; loaded on first use. A new kind of target does not compile without its row. */
const OPENERS: {
  readonly [K in Target['kind']]: () => Promise<Opener<Extract<Target, { kind: K }>>>;
} = {
  stdio: async () => (await import('./stdio.ts')).openStdioUpstream,
  remote: async () => (await import('./http/remote.ts')).openRemoteUpstream,
};

/**
 * Loads the modules that open servers of these kinds. A listener that its clients leave without file descriptors could not read
 * the modules any more, and Node remembers an `import()` that failed: the server could not be opened until a restart.
 */
export async function loadUpstreams(targets: readonly Target[]): Promise<void> {
  const kinds = new Set(targets.map(({ kind }) => kind));
  await Promise.all([...kinds].map(async (kind) => await OPENERS[kind]()));
}

/**
 * Opens a conversation with an MCP server.
 * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`
 */
export async function openUpstream(target: Target, options: UpstreamOptions): Promise<Link> {
  if (target.kind === 'stdio') return (await OPENERS.stdio())(target, options);
  return (await OPENERS.remote())(target, options);
}

/**
 * Looks for what a target needs, without starting it.
 * @returns what is missing, undefined if nothing is
 */
export async function findMissing(target: Target, server: string): Promise<RunError | undefined> {
  if (target.kind !== 'stdio') return undefined;
  const { command, env, cwd } = target;
  const found = await findCommand(command, env, cwd);
  if (found !== undefined) return undefined;
  const hint = hintForMissing(command);
  return new RunError('COMMAND_NOT_FOUND', { server, command, ...(hint !== undefined && { hint }) });
}
