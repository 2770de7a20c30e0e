import type { Frame } from '../protocol/frame.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { TransientMap } from '../protocol/transient-map.ts';

export interface ExchangeLimits {
  /** Longest silence: any progress starts it anew. */
  readonly timeoutMs: number;
  /** Longest life, progress or not. */
  readonly maxMs: number;
}

/** A client's request in flight, until its single answer. */
export interface Exchange {
  readonly id: RequestId;
  readonly method: string;
  readonly progressToken: RequestId | undefined;
  /** ms since 1970. */
  readonly startedAt: number;
}

/** `limitMs` is the limit that was reached. */
type OnTimeout = (exchange: Exchange, limitMs: number) => void;

interface Running extends Exchange {
  readonly limits: ExchangeLimits;
  readonly onTimeout: OnTimeout;
  lastProgressAt: number;
}

/** Methods during which a server may turn to the user (2026-07-28, basic/patterns/mrtr; true of 2025 servers as well). */
const MAY_ASK: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Lasts as long as its client likes (2026-07-28, basic/patterns/subscriptions): no deadline, and nobody waits for its end. */
export const LISTEN = 'subscriptions/listen';

/** All exchanges of one conversation. Whoever removes one owes its answer: that is how each gets exactly one. */
export interface Exchanges {
  /** Without subscriptions. */
  readonly size: number;
  has(id: RequestId): boolean;
  get(id: RequestId): Exchange | undefined;
  /** @param onTimeout called with the exchange already removed. */
  start(request: Frame, limits: ExchangeLimits, onTimeout: OnTimeout): void;
  /** @returns the exchange, or undefined if it has been answered, cancelled or timed out before. */
  settle(id: RequestId | undefined): Exchange | undefined;
  /** Settles all, oldest first. */
  settleAll(): Exchange[];
  /** The exchange that a progress notification belongs to; it has its silence counted anew. */
  progressed(token: unknown): Exchange | undefined;
  /**
   * The exchange that a message without correlation most likely belongs to: the newest one that may ask, else
   * the newest. stdio carries nothing better, and all of them belong to the same client.
   */
  likely(): Exchange | undefined;
}

export function createExchanges(): Exchanges {
  const running = new TransientMap<RequestId, Running>();
  const byToken = new TransientMap<RequestId, Running>();
  let listens = 0;
  /** For all of them: one each would be paid for on every call. */
  let timer: NodeJS.Timeout | undefined;
  /** When it fires. */
  let timerAt = Infinity;

  return {
    get size() {
      return running.size - listens;
    },
    has: (id) => running.has(id),
    get: (id) => running.get(id),
    start,
    settle,
    settleAll: () => [...running.values()].flatMap(({ id }) => settle(id) ?? []),
    progressed,
    likely,
  };

  function start(request: Frame, limits: ExchangeLimits, onTimeout: OnTimeout): void {
    const { id, method } = request;
    if (id === undefined || method === undefined) return;
    const now = Date.now();
    const exchange: Running = {
      id,
      method,
      progressToken: progressTokenOf(request),
      limits,
      onTimeout,
      startedAt: now,
      lastProgressAt: now,
    };
    if (method === LISTEN) listens += 1;
    else wakeAt(now + Math.min(limits.timeoutMs, limits.maxMs), now);
    running.set(id, exchange);
    if (exchange.progressToken !== undefined) byToken.set(exchange.progressToken, exchange);
  }

  function wakeAt(at: number, now: number): void {
    if (at >= timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(check, at - now);
  }

  function sleep(): void {
    clearTimeout(timer);
    timerAt = Infinity;
  }

  /** Progress and answers only note themselves, and this looks at what is left when the timer fires. */
  function check(): void {
    sleep();
    const now = Date.now();
    for (const exchange of [...running.values()]) {
      // One that timed out may have ended others.
      if (exchange.method === LISTEN || running.get(exchange.id) !== exchange) continue;
      const { limits, lastProgressAt, startedAt } = exchange;
      const [silentAt, endAt] = [lastProgressAt + limits.timeoutMs, startedAt + limits.maxMs];
      if (Math.min(silentAt, endAt) > now) {
        wakeAt(Math.min(silentAt, endAt), now);
        continue;
      }
      settle(exchange.id);
      exchange.onTimeout(exchange, silentAt <= endAt ? limits.timeoutMs : limits.maxMs);
    }
  }

  function settle(id: RequestId | undefined): Exchange | undefined {
    const exchange = id === undefined ? undefined : running.get(id);
    if (exchange === undefined) return undefined;
    running.delete(exchange.id);
    if (exchange.method === LISTEN) listens -= 1;
    if (running.size === listens) sleep();
    const token = exchange.progressToken;
    if (token !== undefined && byToken.get(token) === exchange) byToken.delete(token);
    return exchange;
  }

  function progressed(token: unknown): Exchange | undefined {
    const exchange = isRequestId(token) ? byToken.get(token) : undefined;
    if (exchange !== undefined) exchange.lastProgressAt = Date.now();
    return exchange;
  }

  function likely(): Exchange | undefined {
    const newestFirst = [...running.values()].toReversed();
    const [newest] = newestFirst.filter((exchange) => exchange.method !== LISTEN);
    return newestFirst.find((exchange) => MAY_ASK.has(exchange.method)) ?? newest;
  }
}

/** `params._meta.progressToken` of a request (2025-11-25, basic/utilities/progress). */
function progressTokenOf(request: Frame): RequestId | undefined {
  const meta = request.message.params?.['_meta'];
  if (typeof meta !== 'object' || meta === null || !('progressToken' in meta)) return undefined;
  return isRequestId(meta.progressToken) ? meta.progressToken : undefined;
}
