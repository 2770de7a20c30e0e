import type { Clock } from '../clock.ts';
import { progressTokenOf } from '../era/envelope.ts';
import { LISTEN } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { TransientMap } from '../protocol/transient-map.ts';
import { Deadlines, type ExchangeLimits, type Timed } from './deadlines.ts';

/** A client's request in flight, until its single answer. */
export interface Exchange {
  readonly id: RequestId;
  readonly method: string;
  readonly progressToken: RequestId | undefined;
  /** In ms since 1970. */
  readonly startedAt: number;
}

/** Called with the exchange already removed. `limitMs` is the limit that was reached. */
export type OnTimeout = (exchange: Exchange, limitMs: number) => void;

interface Running extends Exchange, Timed {
  readonly startedAt: number;
}

/** Methods during which a server may turn to the user (2026-07-28, basic/patterns/mrtr; true of 2025 servers as well). */
const MAY_ASK: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** All exchanges of one conversation. The code that removes one owes its answer: that is how each gets exactly one. */
export class Exchanges {
  readonly #running = new TransientMap<RequestId, Running>();
  readonly #byToken = new TransientMap<RequestId, Running>();
  readonly #deadlines: Deadlines<Running>;
  #subscriptions = 0;

  constructor(onTimeout: OnTimeout, clock: Clock) {
    this.#deadlines = new Deadlines<Running>({
      open: () => this.#running.values(),
      isOpen: (exchange) => exchange.method !== LISTEN && this.#running.get(exchange.id) === exchange,
      onReached: (exchange, limitMs) => {
        this.settle(exchange.id);
        onTimeout(exchange, limitMs);
      },
      clock,
    });
  }

  /** Without subscriptions. */
  get pending(): number {
    return this.#running.size - this.#subscriptions;
  }

  has(id: RequestId): boolean {
    return this.#running.has(id);
  }

  get(id: RequestId): Exchange | undefined {
    return this.#running.get(id);
  }

  start(request: Frame, limits: ExchangeLimits): void {
    const { id, method } = request;
    if (id === undefined || method === undefined) return;
    const now = this.#deadlines.now();
    const progressToken = progressTokenOf(request.message);
    const exchange = { id, method, progressToken, limits, startedAt: now, lastProgressAt: now };
    if (method === LISTEN) this.#subscriptions += 1;
    else this.#deadlines.watch(exchange);
    this.#running.set(id, exchange);
    if (progressToken !== undefined) this.#byToken.set(progressToken, exchange);
  }

  /** @returns the exchange, or undefined if it has been answered, cancelled or timed out before. */
  settle(id: RequestId | undefined): Exchange | undefined {
    const exchange = id === undefined ? undefined : this.#running.get(id);
    if (exchange === undefined) return undefined;
    this.#running.delete(exchange.id);
    if (exchange.method === LISTEN) this.#subscriptions -= 1;
    if (this.pending === 0) this.#deadlines.rest();
    const token = exchange.progressToken;
    if (token !== undefined && this.#byToken.get(token) === exchange) this.#byToken.delete(token);
    return exchange;
  }

  /** Settles all, oldest first. */
  settleAll(): Exchange[] {
    return [...this.#running.values()].flatMap(({ id }) => this.settle(id) ?? []);
  }

  /** The exchange that a progress notification belongs to; it has its silence counted anew. */
  progressed(token: unknown): Exchange | undefined {
    const exchange = isRequestId(token) ? this.#byToken.get(token) : undefined;
    if (exchange !== undefined) exchange.lastProgressAt = this.#deadlines.now();
    return exchange;
  }

  /**
   * The exchange that a message without correlation most likely belongs to: the newest one that may ask, else
   * the newest. stdio carries nothing better, and all of them belong to the same client.
   */
  likely(): Exchange | undefined {
    const newestFirst = [...this.#running.values()].toReversed();
    const [newest] = newestFirst.filter((exchange) => exchange.method !== LISTEN);
    return newestFirst.find((exchange) => MAY_ASK.has(exchange.method)) ?? newest;
  }
}
