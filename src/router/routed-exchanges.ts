import type { Clock } from '../clock.ts';
import { TransientMap } from '../protocol/transient-map.ts';
import { Deadlines, type Timed } from './deadlines.ts';

/** What the table needs of an exchange. */
export interface TimedExchange extends Timed {
  /** A subscription lasts as long as its client likes: it has no time-out, and a drain does not wait for its end. */
  readonly isSubscription: boolean;
}

/**
 * Exchanges without a response. They are told apart as objects, since the ids of different POSTs may be equal. The code
 * that removes an exchange owes its response: that is how each gets exactly one.
 */
export class RoutedExchanges<E extends TimedExchange> {
  readonly #running = new TransientMap<E, E>();
  readonly #deadlines: Deadlines<E>;
  #subscriptions = 0;

  /** @param onTimeout called with the exchange already removed, and the limit that was reached, in ms */
  constructor(onTimeout: (exchange: E, limitMs: number) => void, clock: Clock) {
    this.#deadlines = new Deadlines<E>({
      open: () => this.#running.values(),
      isOpen: (exchange) => !exchange.isSubscription && this.#running.has(exchange),
      onReached: (exchange, limitMs) => {
        this.remove(exchange);
        onTimeout(exchange, limitMs);
      },
      clock,
    });
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
    else this.#deadlines.watch(exchange);
  }

  /**
   * The timer stays when the last one is removed: to stop and start it would cost each call of a client that waits for
   * every response.
   * @returns false if the exchange has been answered, cancelled or timed out before
   */
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
    this.#deadlines.rest();
  }
}
