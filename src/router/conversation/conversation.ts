import type { Clock } from '../../clock.ts';
import { listenResult } from '../../era/listen.ts';
import { isRunError, RunError, timeoutError, toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import type { ExchangeLimits } from '../deadlines.ts';
import { Exchanges, LISTEN, type Exchange } from '../exchanges.ts';
import { MAX_OPEN_REQUESTS, OpenRequests } from './open-requests.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';

export interface ConversationOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Opens the server's link at once and lets anything pass; otherwise `initialize` opens it, and nothing goes before. */
  readonly eager: boolean;
  readonly initializeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxRequestTimeMs: number;
  /** Observations since `time`, in ms since 1970, that may explain why the server does not answer. */
  readonly remarkSince?: (time: number) => string | undefined;
  /** Called before the server's link is opened for an `initialize`. @throws RunError if there is no room for it. */
  readonly reserve: () => void;
  /** Rejects with a RunError. `abandoned` aborts when the conversation ends before the link is open. */
  readonly openUpstream: (abandoned: AbortSignal) => Promise<Link>;
  readonly clock: Clock;
  readonly log: Log;
}

type Wait = void | Promise<void>;
type Phase = 'new' | 'initializing' | 'ready' | 'closed';

/**
 * One client joined to a server of its own. A message's way is `#fromClient` → server and `#fromServer` → client,
 * and it leaves as the bytes that it came in. A request that the conversation does not accept is thrown back at the
 * client's link as a RunError, which answers it in its transport's own form.
 */
export class Conversation {
  /** Resolves when both links are closed, with what ended the server's link or the conversation. Never rejects. */
  readonly closed: Promise<RunError>;
  readonly #client: Link;
  readonly #options: ConversationOptions;
  readonly #exchanges: Exchanges;
  readonly #unmatched: UnmatchedAnswers;
  readonly #callLimits: ExchangeLimits;
  readonly #initializeLimits: ExchangeLimits;
  /** Requests of the server that the client has yet to answer. */
  readonly #serverRequests = new OpenRequests();
  readonly #abandoned = new AbortController();
  #server: Link | undefined;
  #opening: Promise<void> | undefined;
  #phase: Phase = 'new';
  #clientEnded = false;
  #serverEnd: RunError | undefined;
  #idleWaiters: (() => void)[] = [];
  #resolveClosed: (reason: RunError) => void = () => {};

  /** Nothing happens before `start`. */
  constructor(client: Link, options: ConversationOptions) {
    const { requestTimeoutMs, initializeTimeoutMs, maxRequestTimeMs: maxMs, clock } = options;
    this.#client = client;
    this.#options = options;
    this.#exchanges = new Exchanges((exchange, limitMs) => this.#timedOut(exchange, limitMs), clock);
    this.#unmatched = new UnmatchedAnswers(options.log, clock);
    this.#callLimits = { timeoutMs: requestTimeoutMs, maxMs };
    this.#initializeLimits = { timeoutMs: initializeTimeoutMs, maxMs };
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  /** Takes the client's link and, if `eager`, opens the server's. */
  start(): this {
    this.#client.onframe((frame) => this.#fromClient(frame));
    this.#client.onend(() => this.#clientEnd());
    this.#client.onclose(() => void this.close(new RunError('CLIENT_GONE')));
    if (this.#options.eager) void this.#open();
    return this;
  }

  /** It takes no more messages, and its server is ending or has ended. */
  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** Client requests without an answer. */
  get pending(): number {
    return this.#exchanges.size;
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    return this.#exchanges.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Answers pending requests with `reason`, then closes both links. Idempotent. */
  close(reason: RunError): Promise<void> {
    // Not twice: closing a link calls `close` back before `#shut` has returned.
    if (this.#phase !== 'closed') void this.#shut(reason);
    return this.closed.then(() => {});
  }

  // From the client to the server

  #fromClient(frame: Frame): Wait {
    switch (frame.kind) {
      case 'request':
        return this.#request(frame);
      case 'response':
        return this.#response(frame);
      case 'notification':
        if (frame.method === 'notifications/cancelled') this.#cancelled(frame);
        return this.#toServer(frame);
    }
  }

  #request(frame: Frame): Wait {
    const { id, method } = frame;
    if (id === undefined || method === undefined) return undefined;
    if (this.#phase === 'closed') throw new RunError('CLIENT_GONE');
    if (this.#exchanges.has(id)) throw new RunError('DUPLICATE_ID', { id: String(id) });
    if (method === 'initialize') return this.#initialize(frame);
    if (this.#phase === 'new' && !this.#options.eager) throw new RunError('NOT_INITIALIZED', { method });
    this.#exchanges.start(frame, this.#callLimits);
    return this.#toServer(frame);
  }

  #initialize(frame: Frame): Wait {
    if (this.#phase !== 'new') throw new RunError('ALREADY_INITIALIZED');
    if (this.#server === undefined) this.#options.reserve();
    this.#exchanges.start(frame, this.#initializeLimits);
    this.#phase = 'initializing';
    return this.#toServer(frame);
  }

  #response(frame: Frame): Wait {
    const { id } = frame;
    if (id !== undefined && this.#serverRequests.settle(id)) return this.#toServer(frame);
    this.#options.log.debug(
      { event: 'client.answer-dropped', id },
      'the client answered a request that is not open',
    );
    return undefined;
  }

  /** Servers do not answer a cancelled request, and a client does not wait for the answer. */
  #cancelled(frame: Frame): void {
    const id = frame.message.params?.['requestId'];
    if (!isRequestId(id)) return;
    if (this.#exchanges.get(id)?.method === 'initialize') return;
    if (this.#exchanges.settle(id) === undefined) return;
    this.#unmatched.abandoned(id);
    this.#client.abandonResponse(id);
    this.#checkIdle();
  }

  #toServer(frame: Frame): Wait {
    if (this.#server !== undefined) return this.#server.send(frame);
    if (this.#phase === 'new' && !this.#options.eager) return undefined;
    return this.#open().then(() => this.#server?.send(frame));
  }

  // From the server to the client

  /** @param relatedRequestId the client's request that the frame belongs to, where the link knows */
  #fromServer(frame: Frame, relatedRequestId?: RequestId): Wait {
    switch (frame.kind) {
      case 'request':
        return this.#serverRequest(frame, relatedRequestId);
      case 'response':
        return this.#answer(frame);
      case 'notification':
        return this.#notify(frame, relatedRequestId);
    }
  }

  #answer(frame: Frame): Wait {
    const exchange = this.#exchanges.settle(frame.id);
    if (exchange === undefined) {
      this.#unmatched.report(frame);
      return undefined;
    }
    const answer = exchange.method === 'initialize' ? this.#initialized(frame) : frame;
    const wait = this.#client.send(answer, exchange.id);
    this.#checkIdle();
    return wait;
  }

  /** Both sides read this answer, so it is the one that has to be sound throughout and not only at its ends. */
  #initialized(frame: Frame): Frame {
    try {
      this.#phase = frame.message.error === undefined ? 'ready' : 'new';
      return frame;
    } catch (error) {
      this.#phase = 'new';
      const { server } = this.#options;
      return faultFrame(
        new RunError('MALFORMED_ANSWER', { server, method: 'initialize' }, { cause: error }),
        frame.id,
      );
    }
  }

  #serverRequest(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    const { id, method = '' } = frame;
    if (id === undefined) return undefined;
    if (!this.#client.supports.requests)
      return this.#toServer(faultFrame(new RunError('CLIENT_CANNOT', { method }), id));
    const oldest = this.#serverRequests.add(id);
    if (oldest !== undefined)
      void this.#toServer(faultFrame(new RunError('CLIENT_SILENT', { max: MAX_OPEN_REQUESTS }), oldest));
    return this.#client.send(frame, this.#ownerOf(relatedRequestId));
  }

  #notify(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    switch (frame.method) {
      case 'notifications/progress':
        return this.#client.send(frame, this.#exchanges.progressed(paramOf(frame, 'progressToken'))?.id);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return this.#client.send(frame);
      case 'notifications/cancelled': {
        const id = paramOf(frame, 'requestId');
        if (isRequestId(id)) this.#serverRequests.settle(id);
        return this.#client.send(frame, this.#ownerOf(relatedRequestId));
      }
      default:
        return this.#client.send(frame, this.#ownerOf(relatedRequestId));
    }
  }

  /** A message that belongs to a call which is over goes with no other one. */
  #ownerOf(relatedRequestId: RequestId | undefined): RequestId | undefined {
    const exchange =
      relatedRequestId === undefined ? this.#exchanges.likely() : this.#exchanges.get(relatedRequestId);
    return exchange?.id;
  }

  // The life of the conversation

  #open(): Promise<void> {
    this.#opening ??= this.#options.openUpstream(this.#abandoned.signal).then(
      (link) => this.#opened(link),
      (error: unknown) => void this.close(toRunError(error)),
    );
    return this.#opening;
  }

  #opened(link: Link): void {
    this.#server = link;
    link.onclose((error) => {
      const { server } = this.#options;
      const end = error === undefined ? new RunError('UPSTREAM_CLOSED', { server }) : toRunError(error);
      this.#serverEnd = end;
      void this.close(end);
    });
    link.onframe((frame, relatedRequestId) => this.#fromServer(frame, relatedRequestId));
  }

  #timedOut({ id, method, startedAt }: Exchange, timeoutMs: number): void {
    const { server, log, remarkSince } = this.#options;
    // A line that a server has written before its first request may be the very reason why it does not start.
    const remark = remarkSince?.(method === 'initialize' ? 0 : startedAt);
    const remarks = [remark, this.#unmatched.remarkSince(startedAt)];
    const error = timeoutError({ server, method, timeoutMs }, remarks);
    const text = [error.message, error.hint].filter((part) => part !== '').join('. ');
    log.warn({ event: 'exchange.timeout', method, timeoutMs }, text);
    this.#unmatched.abandoned(id);
    void this.#client.send(faultFrame(error, id), id);
    if (method === 'initialize') void this.close(error);
    else void this.#toServer(cancellationOf(id, 'timeout'));
    this.#checkIdle();
  }

  #clientEnd(): void {
    this.#clientEnded = true;
    // The server's requests are answered now, or the calls that they belong to never end.
    for (const id of this.#serverRequests.settleAll())
      void this.#toServer(faultFrame(new RunError('CLIENT_GONE'), id));
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#exchanges.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
    if (this.#clientEnded) void this.close(new RunError('CLIENT_GONE'));
  }

  async #shut(reason: RunError): Promise<void> {
    this.#phase = 'closed';
    // Only an opening that goes on has to hear of it: an abort costs more than the rest of a short conversation.
    if (this.#server === undefined) this.#abandoned.abort();
    // A dead peer never answers: fail its callers now rather than at each one's own timeout.
    for (const exchange of this.#exchanges.settleAll())
      void this.#client.send(lastAnswerTo(exchange, reason), exchange.id);
    await Promise.all([this.#client.close(reason), this.#closeServer(reason)]);
    this.#checkIdle();
    this.#resolveClosed(this.#serverEnd ?? reason);
  }

  async #closeServer(reason: RunError): Promise<void> {
    await this.#opening;
    await this.#server?.close(reason);
  }
}

/** A subscription that ends with us ends in good order (2026-07-28, basic/patterns/subscriptions, graceful closure). */
function lastAnswerTo({ id, method }: Exchange, reason: RunError): Frame {
  return method === LISTEN && isRunError(reason, 'SHUTTING_DOWN')
    ? frameOf({ id, result: { ...listenResult(id, undefined) } })
    : faultFrame(reason, id);
}

function cancellationOf(requestId: RequestId, reason: string): Frame {
  return frameOf({ method: 'notifications/cancelled', params: { requestId, reason } });
}

function paramOf(frame: Frame, name: string): unknown {
  try {
    return frame.message.params?.[name];
  } catch {
    // Its ends looked like a message, its middle is no JSON: pass it on as it came, without a guess.
    return undefined;
  }
}
