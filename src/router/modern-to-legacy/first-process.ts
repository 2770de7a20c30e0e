import type { Clock } from '../../clock.ts';
import type { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';

export interface FirstProcessOptions {
  /** The principal that it was opened for; any by default. */
  readonly principalId: string | undefined;
  /** Unused for so long, it is ended. */
  readonly idleMs: number;
  readonly closed: RunError;
  readonly clock: Clock;
}

/** A process that was opened before the pool, and has not been initialized: it serves the first client that may have it. */
export class FirstProcess {
  readonly #options: FirstProcessOptions;
  #link: Link | undefined;
  #stopTimer: () => void = () => {};

  constructor(options: FirstProcessOptions) {
    this.#options = options;
  }

  /** Keeps a process until it is taken, ends, or has been idle for too long. */
  keep(link: Link): void {
    const { idleMs, clock } = this.#options;
    this.#link = link;
    link.onclose(() => (this.#link = undefined));
    this.#stopTimer = clock.after(idleMs, () => this.#end());
  }

  /** @returns undefined if there is none for this principal */
  takeFor(principalId: string): Link | undefined {
    const { principalId: owner = principalId } = this.#options;
    return principalId === owner ? this.#take() : undefined;
  }

  /** Ends it if it belongs to this principal. @returns whether it does */
  evictFor(principalId: string): boolean {
    return principalId === this.#options.principalId && this.#end();
  }

  async close(reason: RunError): Promise<void> {
    await this.#take()?.close(reason);
  }

  #take(): Link | undefined {
    const link = this.#link;
    this.#link = undefined;
    this.#stopTimer();
    return link;
  }

  #end(): boolean {
    const unused = this.#take();
    unused?.onclose(() => {});
    void unused?.close(this.#options.closed);
    return unused !== undefined;
  }
}
