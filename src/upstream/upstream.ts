import type { Clock } from '../clock.ts';
import { RunError } from '../errors.ts';
import { findCommand } from '../process/find-command.ts';
import type { Link } from '../link/link.ts';
import { hintForMissing } from './supervision/hints.ts';
import type { Opener, OpenerOptions } from './opener.ts';
import type { Target } from '../config/types.ts';
import type { UpstreamOptions } from './target.ts';

type Kind = Target['kind'];
type TargetOf<K extends Kind> = Extract<Target, { kind: K }>;

/** Kind → how its opener is loaded. A new kind of target does not compile without its row. */
const LOADERS: { readonly [K in Kind]: (options: OpenerOptions) => Promise<Opener<TargetOf<K>>> } = {
  stdio: async (options) => new (await import('./stdio.ts')).StdioOpener(options),
  remote: async ({ clock }) => new (await import('./http/remote.ts')).RemoteOpener(clock),
};

/** How the composition root opens servers; one object for all servers that run together. */
export class Upstreams {
  readonly #options: OpenerOptions;
  readonly #openers: { [K in Kind]?: Promise<Opener<TargetOf<K>>> | undefined } = {};

  /** @param killsOnExit whether a handler on `process` may end what is left of the server processes */
  constructor(clock: Clock, killsOnExit = true) {
    this.#options = { clock, killsOnExit };
  }

  /**
   * Loads the modules that open servers of these kinds. A listener that its clients leave without file descriptors could not
   * read the modules any more, and Node remembers an `import()` that failed: the server could not be opened until a restart.
   */
  async load(targets: readonly Target[]): Promise<void> {
    await Promise.all(targets.map(async (target) => void (await this.#openerOf(target))));
  }

  /**
   * Opens a conversation with an MCP server.
   * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`, `TLS_FILE_UNREADABLE`
   */
  async open(target: Target, options: UpstreamOptions): Promise<Link> {
    if (target.kind === 'stdio') return (await this.#stdio()).open(target, options);
    return (await this.#remote()).open(target, options);
  }

  /** Releases what is left once all conversations have been closed. Idempotent; another `open` is allowed. */
  async close(): Promise<void> {
    const { stdio, remote } = this.#openers;
    const openers = await Promise.allSettled([stdio, remote]);
    for (const opener of openers) if (opener.status === 'fulfilled') opener.value?.close();
  }

  async #openerOf({ kind }: Target): Promise<unknown> {
    switch (kind) {
      case 'stdio':
        return await this.#stdio();
      case 'remote':
        return await this.#remote();
    }
  }

  #stdio(): Promise<Opener<TargetOf<'stdio'>>> {
    return (this.#openers.stdio ??= LOADERS.stdio(this.#options).catch((error: unknown) =>
      this.#failed('stdio', error),
    ));
  }

  #remote(): Promise<Opener<TargetOf<'remote'>>> {
    return (this.#openers.remote ??= LOADERS.remote(this.#options).catch((error: unknown) =>
      this.#failed('remote', error),
    ));
  }

  /** The next conversation tries again: a bundle that could not be read for want of descriptors can be read later. */
  #failed(kind: Kind, error: unknown): never {
    this.#openers[kind] = undefined;
    throw error;
  }
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
