import { progressTokenOf } from '../era/envelope.ts';
import { RunError, toRunError } from '../errors.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import type { Link } from '../link/link.ts';
import { cancellationFrame } from '../protocol/cancellation.ts';
import { LISTEN } from '../protocol/constants.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame } from '../protocol/frame.ts';
import type { RequestId } from '../protocol/request-id.ts';
import { lastAnswer } from './last-answer.ts';
import type { ExchangeLimits } from './deadlines.ts';
import type { TimedExchange } from './routed-exchanges.ts';

/** What an exchange needs of the conversation that it is part of. */
export interface ExchangeHost {
  /** Name of the server, for errors. */
  readonly server: string;
  /** What the server's link is closed with after a response; one for all, since a stack trace costs more than a call. */
  readonly clientGone: RunError;
  readonly limits: ExchangeLimits;
  /** @returns ms since 1970 */
  now(): number;
  /** Takes the exchange out of the table. @returns false if it has been answered, cancelled or timed out before */
  remove(exchange: RoutedExchange): boolean;
  /** The server has sent a response that answers no open request. */
  onUnmatched(response: Frame): void;
}

/**
 * One request on its way to the server, and back to its client.
 *
 * *open*: no response yet. *answered*: the response is sent, and the client has not taken it; what it leaves unread
 * counts until then. *closed*: the server's link is closed.
 */
type State = 'open' | 'answered' | 'closed';

/** A class with one object for each POST: closures and promises would cost more than the call. */
export class RoutedExchange implements TimedExchange, ServerExchange {
  readonly id: RequestId;
  readonly method: string;
  readonly isSubscription: boolean;
  readonly limits: ExchangeLimits;
  readonly startedAt: number;
  lastProgressAt: number;
  readonly #host: ExchangeHost;
  readonly #client: ClientExchange;
  #state: State = 'open';
  #link: Link | undefined;

  constructor(host: ExchangeHost, client: ClientExchange) {
    const { id = '', method = '' } = client.request;
    this.id = id;
    this.method = method;
    this.isSubscription = method === LISTEN;
    this.limits = host.limits;
    this.startedAt = host.now();
    this.lastProgressAt = this.startedAt;
    this.#host = host;
    this.#client = client;
  }

  /** Sends the request to the server. @param request without what is withheld from it */
  start(link: Link, request: Frame): void {
    this.#link = link;
    link.onclose((error) => this.#serverClosed(error));
    link.onframe((frame) => this.#fromServer(frame));
    // Backpressure of the server holds back nothing: the client sends no more than this request.
    void link.send(request);
  }

  cancel(): void {
    if (this.#state !== 'open') return;
    this.#host.remove(this);
    this.#release();
  }

  /** Called when the exchange has timed out and is no longer in the table. @param response tells the client */
  timeOut(response: Frame): void {
    this.#state = 'answered';
    void this.#link?.send(cancellationFrame(this.id, 'timeout'));
    void this.#respond(response);
  }

  /** Answers an open exchange with `reason`, and closes the server's link. */
  fail(reason: RunError): void {
    if (this.#host.remove(this)) void this.#respond(lastAnswer(this.id, this.isSubscription, reason));
    this.#release();
  }

  // From the server

  #fromServer(frame: Frame): void | Promise<void> {
    switch (frame.kind) {
      case 'response':
        return this.#answered(frame);
      case 'notification':
        return this.#notified(frame);
      case 'request':
        return this.#asked(frame);
    }
  }

  #answered(frame: Frame): void | Promise<void> {
    if (frame.id === this.id && this.#host.remove(this)) return this.#respond(frame);
    this.#host.onUnmatched(frame);
    return undefined;
  }

  #notified(frame: Frame): void | Promise<void> {
    if (this.#state !== 'open') return undefined;
    if (frame.method === 'notifications/progress' && this.#isOwnProgress(frame))
      this.lastProgressAt = this.#host.now();
    return this.#client.notify(frame);
  }

  /** No client of this revision is sent a request (2026-07-28, basic/transports/streamable-http, receiving messages). */
  #asked({ id, method = '' }: Frame): void | Promise<void> {
    if (id === undefined) return undefined;
    return this.#link?.send(faultFrame(new RunError('CLIENT_CANNOT', { method }), id));
  }

  #isOwnProgress(frame: Frame): boolean {
    try {
      const token = frame.message.params?.['progressToken'];
      return token !== undefined && token === progressTokenOf(this.#client.request.message);
    } catch {
      // The ends of the line looked like a message and its middle is no JSON: it is forwarded as it came.
      return false;
    }
  }

  #serverClosed(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const { server } = this.#host;
    const reason = error === undefined ? new RunError('UPSTREAM_CLOSED', { server }) : toRunError(error);
    // A dead server sends no response: the client is given one now rather than at the time-out.
    if (this.#host.remove(this)) void this.#client.respond(lastAnswer(this.id, this.isSubscription, reason));
    this.#state = 'closed';
    this.#client.close(reason);
  }

  // To the client

  #respond(response: Frame): void | Promise<void> {
    this.#state = 'answered';
    const wait = this.#client.respond(response);
    if (wait === undefined) this.#release();
    else void wait.then(() => this.#release());
    return wait;
  }

  #release(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    void this.#link?.close(this.#host.clientGone);
  }
}
