import type { FastifyReply } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { isRunError, RunError } from '../../../errors.ts';
import type { ClientExchange, ServerExchange } from '../../../link/client-exchange.ts';
import type { Principal } from '../../../link/principal.ts';
import { LISTEN, META } from '../../../protocol/constants.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import { frameOf, type Frame } from '../../../protocol/frame.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import { createPlainStream } from '../responses/event-stream.ts';
import { destroyConnection, onFinished } from '../responses/on-finished.ts';
import { RETRY_AFTER_S } from '../responses/reply.ts';
import type { HttpCall } from '../route.ts';
import { statusOf } from './status.ts';

const NO_HEADERS = {};
const RETRY_LATER = { 'retry-after': String(RETRY_AFTER_S) };

/** What the exchanges of one listener have in common. */
export interface ModernExchangeHost {
  readonly clock: Clock;
  /** Whether an answer may become a stream; if not, what comes before the response is left out. */
  readonly canStream: boolean;
  /** Sends the request to the server. @throws RunError if it is refused, before anything is sent */
  begin(exchange: ModernExchange): ServerExchange;
  /** Called with the response to a `tools/list`. */
  onTools(exchange: ModernExchange, response: Frame): void;
  /** The exchange is over; called exactly once. */
  onEnd(exchange: ModernExchange): void;
}

/**
 * *open*: no response yet. *answered*: the response is sent, or none will be, and the client has not taken it all.
 * *ended*: nothing is left to do.
 */
type State = 'open' | 'answered' | 'ended';

/**
 * One POST of revision 2026-07-28: one request, what belongs to it, and one response. A client that closes the connection
 * before has cancelled (2026-07-28, basic/patterns/cancellation).
 *
 * A class, since there is one for every call: closures would cost more than the call.
 */
export class ModernExchange implements ClientExchange, AnswerHost {
  readonly request: Frame;
  readonly server: string;
  readonly principal: Principal;
  readonly canStream: boolean;
  readonly openPostStream = createPlainStream;
  readonly statusOf = statusOf;
  readonly #host: ModernExchangeHost;
  readonly #reply: FastifyReply;
  readonly #answer: Answer;
  #serverSide: ServerExchange | undefined;
  #state: State = 'open';
  #isAcknowledged = false;

  constructor(host: ModernExchangeHost, { reply, server, principal }: HttpCall, request: Frame) {
    this.request = request;
    this.server = server;
    this.principal = principal;
    this.canStream = host.canStream;
    this.#host = host;
    this.#reply = reply;
    this.#answer = new Answer(this, reply, 1, false, host.clock);
  }

  get isListening(): boolean {
    return this.request.method === LISTEN;
  }

  /** Sends the request to the server. @throws RunError if it is refused, before anything is sent: the caller answers it */
  start(): void {
    onFinished(this.#reply.raw, () => this.#connectionClosed());
    // Its connection has closed before its turn came.
    if (this.#state !== 'open') return;
    try {
      this.#serverSide = this.#host.begin(this);
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  notify(frame: Frame): void | Promise<void> {
    // No request ever (2026-07-28, basic/transports/streamable-http, receiving messages).
    if (this.#state !== 'open' || frame.kind !== 'notification') return undefined;
    this.#isAcknowledged = true;
    return this.#answer.push(frame);
  }

  respond(frame: Frame): void | Promise<void> {
    if (this.#state !== 'open') return undefined;
    this.#state = 'answered';
    if (this.request.method === 'tools/list') this.#host.onTools(this, frame);
    const wait = this.#answer.respond(frame);
    // Until it is taken it counts as unread, and its client can be disconnected for that.
    if (wait === undefined) this.#end();
    else void wait.then(() => this.#end());
    return wait;
  }

  close(reason?: Error): void {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) destroyConnection(this.#reply.raw);
    if (this.#state === 'open') {
      this.#state = 'answered';
      this.#answer.forget();
    }
    this.#end();
  }

  /** Ends a subscription in good order (2026-07-28, basic/patterns/subscriptions, graceful closure). */
  endListening(): void {
    const { id } = this.request;
    if (!this.isListening || id === undefined || this.#state !== 'open') return;
    void this.respond(
      this.#isAcknowledged
        ? frameOf({ id, result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } } })
        : faultFrame(new RunError('SHUTTING_DOWN'), id),
    );
    this.#serverSide?.cancel();
  }

  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number, keepAliveMs: number): void {
    this.#answer.tick(now, keepAliveMs);
  }

  headersFor(_answer: Answer, final?: Frame): Readonly<Record<string, string>> {
    return final !== undefined && statusOf(final) === 503 ? RETRY_LATER : NO_HEADERS;
  }

  #connectionClosed(): void {
    if (this.#state === 'open') this.#serverSide?.cancel();
    this.#end();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#host.onEnd(this);
  }
}
