import type { Frame } from '../../protocol/frame.ts';
import type { ModernClient } from '../modern-backend.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';
import type { LegacyProcess } from './legacy-process.ts';

/** The pool, as a port sees it. */
export interface PortOwner {
  receive(port: PoolPort, frame: Frame): void | Promise<void>;
  remove(port: PoolPort): void;
}

/** One client of the pool: a POST, or a whole stdio conversation. */
export class PoolPort extends ClientPort {
  readonly era = 'modern';
  readonly client: ModernClient;
  readonly #pool: PortOwner;
  /** The process that its first request went to. */
  #process: LegacyProcess | undefined;
  /** Further ones, of a client whose requests do not all declare the same. */
  #otherProcesses: Set<LegacyProcess> | undefined;

  constructor(options: ClientPortOptions, client: ModernClient, pool: PortOwner) {
    super(options);
    this.client = client;
    this.#pool = pool;
  }

  /** A request goes to this process, which has to learn when the client leaves. */
  addProcess(process: LegacyProcess): void {
    if (this.#process === process) return;
    if (this.#process === undefined) {
      this.#process = process;
      return;
    }
    this.#otherProcesses ??= new Set();
    this.#otherProcesses.add(process);
  }

  /** Sends a notification to all processes that the client has used. */
  async notifyProcesses(frame: Frame): Promise<void> {
    await this.#process?.notify(this, frame);
    for (const process of this.#otherProcesses ?? []) await process.notify(this, frame);
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.#pool.receive(this, frame);
  }

  protected override onLeave(): void {
    this.#pool.remove(this);
    this.#process?.leave(this);
    if (this.#otherProcesses === undefined) return;
    for (const process of this.#otherProcesses) process.leave(this);
  }
}
