import type { Clock } from '../../clock.ts';
import { ownClientInfo } from '../../era/own-client.ts';
import { canonicalText, type ProcessKey } from './key.ts';
import type { LegacyProcess } from './legacy-process.ts';

export interface PrewarmedProcessesOptions {
  /** Of each kind of client. */
  readonly count: number;
  /** Ours, for `clientInfo`: the name of the client is not known yet. */
  readonly version: string;
  readonly create: (key: ProcessKey) => LegacyProcess;
  readonly end: (process: LegacyProcess) => void;
  readonly clock: Clock;
}

/** Kinds of clients that processes are prewarmed for. */
const MAX_KINDS = 4;

/** Processes that are initialized before their client connects. */
export class PrewarmedProcesses {
  readonly #options: PrewarmedProcessesOptions;
  /** By the capabilities that they were initialized with; the kind seen last is the last one. */
  readonly #ready = new Map<string, LegacyProcess[]>();
  #isClosed = false;

  constructor(options: PrewarmedProcessesOptions) {
    this.#options = options;
  }

  /**
   * Assigns a process that was initialized with the capabilities of `key`, and has it replaced. Its client name is ours: no
   * server may depend on that. A client with roots has a process of its own.
   */
  take(key: ProcessKey): LegacyProcess | undefined {
    const { count, clock } = this.#options;
    if (count === 0 || 'roots' in key.capabilities) return undefined;
    const kind = canonicalText(key.capabilities);
    const process = this.#ready.get(kind)?.shift();
    process?.assign(key);
    // Later: the request at hand goes first.
    clock.after(0, () => this.#refill(kind, key));
    return process;
  }

  /** Prewarms no more. @returns the processes that are left */
  close(): LegacyProcess[] {
    this.#isClosed = true;
    return [...this.#ready.values()].flat();
  }

  #refill(kind: string, { capabilities }: ProcessKey): void {
    if (this.#isClosed) return;
    const { count, version, create } = this.#options;
    const ready = this.#ready.get(kind) ?? [];
    this.#ready.delete(kind);
    this.#ready.set(kind, ready);
    while (ready.length < count) {
      const clientInfo = ownClientInfo(version);
      const process = create({ text: '', principalId: '', capabilities, clientInfo });
      process.prewarm();
      ready.push(process);
    }
    this.#endOldestKinds();
  }

  #endOldestKinds(): void {
    for (const [kind, unused] of this.#ready) {
      if (this.#ready.size <= MAX_KINDS) return;
      this.#ready.delete(kind);
      for (const process of unused) this.#options.end(process);
    }
  }
}
