import type { Clock } from '../../clock.ts';

/** Runs recovery probes of one server, one at a time, each at the time that was set last. */
export class RecoverySchedule {
  readonly #clock: Clock;
  readonly #probe: () => Promise<void>;
  #state: 'open' | 'closed' = 'open';
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;

  /** @param probe never rejects, and may set the time of the next one */
  constructor(clock: Clock, probe: () => Promise<void>) {
    this.#clock = clock;
    this.#probe = probe;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Replaces the time that was set before. */
  set(ms: number): void {
    this.#cancel?.();
    if (this.#state === 'open') this.#cancel = this.#clock.after(ms, () => this.#run());
  }

  /** Idempotent. Resolves when no probe is running. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#cancel?.();
    await this.#running;
  }

  #run(): void {
    this.#running = this.#probe().finally(() => {
      this.#running = undefined;
    });
  }
}
