import type { Clock } from '../../clock.ts';

/**
 * Fires when something has been idle for so long. Work that begins and ends only notes itself, since a timer for each
 * request would be paid for on every call; what is left is looked at when the timer fires.
 */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #idleSince: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
  }

  /** Nothing is left to do from now on. */
  rest(): void {
    this.#idleSince = this.#clock.now();
    if (this.#cancel === undefined) this.#wakeAfter(this.#idleMs);
  }

  /** Something has begun. */
  busy(): void {
    this.#idleSince = undefined;
  }

  stop(): void {
    this.#idleSince = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #wakeAfter(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.#check());
  }

  #check(): void {
    this.#cancel = undefined;
    if (this.#idleSince === undefined) return undefined;
    const left = this.#idleSince + this.#idleMs - this.#clock.now();
    if (left > 0) return this.#wakeAfter(left);
    this.#idleSince = undefined;
    return this.#onIdle();
  }
}
