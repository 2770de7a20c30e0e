import type { Clock } from '../clock.ts';

export interface ExchangeLimits {
  /** Longest silence, in ms: any progress starts it anew. */
  readonly timeoutMs: number;
  /** Longest life, in ms, progress or not. */
  readonly maxMs: number;
}

/** A request that has to be answered in time. */
export interface Timed {
  readonly limits: ExchangeLimits;
  /** In ms, as the clock tells it. */
  readonly startedAt: number;
  lastProgressAt: number;
}

export interface DeadlinesOptions<T extends Timed> {
  /** The requests in flight, oldest first. */
  readonly open: () => Iterable<T>;
  readonly isOpen: (item: T) => boolean;
  /** A limit has been reached, in ms; the request has to be closed now. */
  readonly onReached: (item: T, limitMs: number) => void;
  readonly clock: Clock;
}

/**
 * The deadlines of many requests on one timer, since a timer for each would be paid for on every call. Progress and
 * answers only note themselves; the requests that are left are looked at when the timer fires.
 */
export class Deadlines<T extends Timed> {
  readonly #options: DeadlinesOptions<T>;
  readonly #clock: Clock;
  #cancelTimer: (() => void) | undefined;
  /** When the timer fires. */
  #wakesAt = Infinity;

  constructor(options: DeadlinesOptions<T>) {
    this.#options = options;
    this.#clock = options.clock;
  }

  now(): number {
    return this.#clock.now();
  }

  /** To be called when a request has begun. */
  watch({ startedAt, limits: { timeoutMs, maxMs } }: Timed): void {
    this.#wakeAt(startedAt + Math.min(timeoutMs, maxMs), startedAt);
  }

  /** To be called when no request is left. */
  rest(): void {
    if (this.#wakesAt === Infinity) return;
    this.#cancelTimer?.();
    this.#wakesAt = Infinity;
  }

  #wakeAt(at: number, now: number): void {
    if (at >= this.#wakesAt) return;
    this.#cancelTimer?.();
    this.#wakesAt = at;
    // A call between two rounds of input at a remote server has no other handle that keeps the process alive.
    this.#cancelTimer = this.#clock.after(Math.max(0, at - now), () => this.#check(), true);
  }

  #check(): void {
    this.#wakesAt = Infinity;
    const { open, isOpen, onReached } = this.#options;
    const now = this.#clock.now();
    for (const item of [...open()]) {
      // One that timed out may have ended others.
      if (!isOpen(item)) continue;
      const { limits, lastProgressAt, startedAt } = item;
      const silentAt = lastProgressAt + limits.timeoutMs;
      const endAt = startedAt + limits.maxMs;
      if (Math.min(silentAt, endAt) > now) this.#wakeAt(Math.min(silentAt, endAt), now);
      else onReached(item, silentAt <= endAt ? limits.timeoutMs : limits.maxMs);
    }
  }
}
