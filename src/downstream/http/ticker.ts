import type { Clock } from '../../clock.ts';

/** One timer for everything that waits on a listener: a timer each would be paid for on every request. */
export class Ticker {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #handlers: ((now: number) => void)[] = [];
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  onTick(handler: (now: number) => void): void {
    this.#handlers.push(handler);
  }

  start(): void {
    this.#cancel = this.#clock.after(this.#intervalMs, () => this.#tick());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #tick(): void {
    this.start();
    const now = this.#clock.now();
    for (const handler of this.#handlers) handler(now);
  }
}
