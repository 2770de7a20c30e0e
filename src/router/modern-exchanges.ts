import type { Clock } from '../clock.ts';
import { TransientMap } from '../protocol/transient-map.ts';
import type { ExchangeLimits } from './deadlines.ts';

/** What the table needs of an exchange. */
export interface TimedExchange {
  /** A subscription lasts as long as its client likes: it has no time-out, and a drain does not wait for its end. */
  readonly isSubscription: boolean;
  /** On the clock of the table. */
  readonly startedAt: number;
  /** Likewise; progress renews it. */
  readonly lastProgressAt: number;
  /** Called with the exchange already removed. `limitMs` is the limit that was reached. */
  timeOut(limitMs: number): void;
}

/**
 * Exchanges without a response. They are told apart as objects, since the ids of different POSTs may be equal. The code
 * that removes an exchange owes its response: that is how each gets exactly one.
 *
 * All have the same limits, so that one timer does for all: it fires at the earliest time at which one of them may time
 * out, and requests that are answered in time leave it alone.
 */
export class ModernExchanges<E extends TimedExchange> {
  readonly #limits: ExchangeLimits;
  readonly #clock: Clock;
  readonly #running = new TransientMap<E, E>();
  #subscriptions = 0;
  #stopTimer: (() => void) | undefined;

  constructor(limits: ExchangeLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** With subscriptions. */
  get size(): number {
    return this.#running.size;
  }

  /** Without subscriptions. */
  get pending(): number {
    return this.#running.size - this.#subscriptions;
  }

  add(exchange: E): void {
    this.#running.set(exchange, exchange);
    if (exchange.isSubscription) this.#subscriptions += 1;
    // One that starts later times out later: a timer that is set need not be set anew.
    else if (this.#stopTimer === undefined)
      this.#wakeAfter(Math.min(this.#limits.timeoutMs, this.#limits.maxMs));
  }

  /** @returns false if it has been answered, cancelled or timed out before */
  remove(exchange: E): boolean {
    if (!this.#running.delete(exchange)) return false;
    if (exchange.isSubscription) this.#subscriptions -= 1;
    return true;
  }

  /** Oldest first. */
  all(): E[] {
    return [...this.#running.values()];
  }

  stopTimer(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #wakeAfter(ms: number): void {
    this.#stopTimer = this.#clock.after(ms, () => this.#check());
  }

  #check(): void {
    this.#stopTimer = undefined;
    const now = this.#clock.now();
    const { timeoutMs, maxMs } = this.#limits;
    let nextAt = Infinity;
    for (const exchange of this.all()) {
      if (exchange.isSubscription) continue;
      const silentAt = exchange.lastProgressAt + timeoutMs;
      const endAt = exchange.startedAt + maxMs;
      if (Math.min(silentAt, endAt) > now) nextAt = Math.min(nextAt, silentAt, endAt);
      // One that timed out may have ended others.
      else if (this.remove(exchange)) exchange.timeOut(silentAt <= endAt ? timeoutMs : maxMs);
    }
    if (nextAt < Infinity && this.#stopTimer === undefined) this.#wakeAfter(Math.max(1, nextAt - now));
  }
}
