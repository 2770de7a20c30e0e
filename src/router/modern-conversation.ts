import { toRunError, type RunError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Capability } from '../config/types.ts';
import { withoutRequestCapabilities } from '../link/capability-filter.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import type { Log } from '../observe/log.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame } from '../protocol/frame.ts';
import type { ExchangeLimits } from './deadlines.ts';
import { IdleWaiters } from './idle-waiters.ts';
import type { ModernBackend, ModernClient } from './modern-backend.ts';
import { reportTimeout } from './report-timeout.ts';
import { RoutedExchange, type ExchangeHost } from './routed-exchange.ts';
import { RoutedExchanges } from './routed-exchanges.ts';
import { UnmatchedAnswers } from './unmatched-answers.ts';

export interface ModernConversationOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly backend: Pick<ModernBackend, 'open'>;
  /** What a client may declare and the server does not get to see. */
  readonly withheld: ReadonlySet<Capability>;
  /** Called with the names of what a request declared and the server was not told. */
  readonly onWithheld: (names: readonly string[]) => void;
  readonly requestTimeoutMs: number;
  readonly maxRequestTimeMs: number;
  /** Observations since `time`, in ms since 1970, that may explain why the server does not answer. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The requests of revision 2026-07-28 of one principal to one server. Each is complete in itself and independent of the
 * others (2026-07-28, basic/index, statelessness): the conversation keeps what they would otherwise make anew each time.
 */
export class ModernConversation implements ExchangeHost {
  readonly server: string;
  readonly clientGone: RunError;
  readonly limits: ExchangeLimits;
  readonly #options: ModernConversationOptions;
  readonly #client: ModernClient;
  readonly #exchanges: RoutedExchanges<RoutedExchange>;
  readonly #unmatched: UnmatchedAnswers;
  readonly #idle: IdleWaiters;
  #usedAt: number;

  /** @param clientGone what the server's links are closed with after a response */
  constructor(principalId: string, clientGone: RunError, options: ModernConversationOptions) {
    const { server, withheld, requestTimeoutMs, maxRequestTimeMs, clock, log } = options;
    this.server = server;
    this.clientGone = clientGone;
    this.#options = options;
    this.#client = { principalId, withheld };
    this.limits = { timeoutMs: requestTimeoutMs, maxMs: maxRequestTimeMs };
    this.#exchanges = new RoutedExchanges((exchange, limitMs) => this.#timedOut(exchange, limitMs), clock);
    this.#unmatched = new UnmatchedAnswers(log, clock);
    this.#idle = new IdleWaiters(this.#exchanges);
    this.#usedAt = clock.now();
  }

  /** Whether no request is open, a subscription included. */
  get isUnused(): boolean {
    return this.#exchanges.size === 0;
  }

  /** When the last request was sent; ms since 1970. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** Requests without a response, without subscriptions. */
  get pending(): number {
    return this.#exchanges.pending;
  }

  /**
   * Sends the request of `client` to the server. What fails from then on is answered through `client`.
   * @throws RunError `INVALID_REQUEST`, before anything is sent.
   */
  begin(client: ClientExchange): ServerExchange {
    const request = this.#withoutWithheld(client.request);
    const exchange = new RoutedExchange(this, client);
    this.#usedAt = exchange.startedAt;
    this.#exchanges.add(exchange);
    try {
      exchange.start(this.#options.backend.open(this.#client), request);
    } catch (error) {
      exchange.fail(toRunError(error));
    }
    return exchange;
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** Answers what is open with `reason`. Idempotent. */
  close(reason: RunError): void {
    for (const exchange of this.#exchanges.all()) exchange.fail(reason);
    this.#exchanges.stopTimer();
  }

  // For its exchanges

  now(): number {
    return this.#options.clock.now();
  }

  remove(exchange: RoutedExchange): boolean {
    const isOpen = this.#exchanges.remove(exchange);
    if (isOpen) this.#idle.check();
    return isOpen;
  }

  onUnmatched(response: Frame): void {
    this.#unmatched.report(response);
  }

  #timedOut(exchange: RoutedExchange, timeoutMs: number): void {
    const { id } = exchange;
    const error = reportTimeout(exchange, timeoutMs, { ...this.#options, unmatched: this.#unmatched });
    this.#unmatched.abandoned(id);
    exchange.timeOut(faultFrame(error, id));
    this.#idle.check();
  }

  #withoutWithheld(request: Frame): Frame {
    const { withheld, onWithheld } = this.#options;
    const stripped = withoutRequestCapabilities(request, withheld);
    if (stripped === undefined) return request;
    onWithheld(stripped.names);
    return stripped.frame;
  }
}
