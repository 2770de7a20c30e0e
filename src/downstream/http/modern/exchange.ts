import type { ServerResponse } from 'node:http';
import { isRunError, RunError } from '../../../errors.ts';
import { META } from '../../../protocol/constants.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import { frameOf, type Frame } from '../../../protocol/frame.ts';
import type { Era, Link, PeerSupport } from '../../../link/link.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import { createPlainStream } from '../responses/event-stream.ts';
import { destroyConnection, onFinished } from '../responses/on-finished.ts';
import { statusOf } from './status.ts';
import { RETRY_AFTER_S } from '../responses/reply.ts';

const NO_HEADERS = {};
const RETRY_LATER = { 'retry-after': String(RETRY_AFTER_S) };

export interface ModernExchangeOptions {
  readonly request: Frame;
  readonly response: ServerResponse;
  readonly server: string;
  readonly principal: string;
  /** Whether an answer may become a stream; if not, what comes before the response is left out. */
  readonly canStream: boolean;
  /** Called with the answer to a `tools/list`. */
  readonly onTools: (answer: Frame) => void;
  /** It is over, by whoever's doing; exactly once. */
  readonly onEnd: () => void;
}

/**
 * One POST of revision 2026-07-28 as a link: it brings one request, takes what belongs to that and one response, and
 * is closed then. A client that goes before has cancelled (2026-07-28, basic/patterns/cancellation).
 *
 * A class, since there is one for every call: closures would cost more than the call.
 */
export class ModernExchange implements Link, AnswerHost {
  readonly peer = 'client';
  readonly era: Era = 'modern';
  readonly server: string;
  readonly principal: string;
  readonly supports: PeerSupport;
  readonly canStream: boolean;
  readonly openPostStream = createPlainStream;
  readonly statusOf = statusOf;
  readonly isListening: boolean;
  readonly #options: ModernExchangeOptions;
  readonly #answer: Answer;
  #isAnswered = false;
  #isAcknowledged = false;
  #isClosed = false;
  #onframe: (frame: Frame) => void | Promise<void> = () => {};
  #onclose: () => void = () => {};

  constructor(options: ModernExchangeOptions) {
    this.server = options.server;
    this.principal = options.principal;
    this.canStream = options.canStream;
    this.supports = { notifications: options.canStream, requests: false };
    this.isListening = options.request.method === 'subscriptions/listen';
    this.#options = options;
    this.#answer = new Answer(this, options.response, 1, false);
  }

  /** Hands the request to whoever has taken the link. @throws RunError if it is refused, before anything is sent. */
  start(): void {
    const { request, response } = this.#options;
    onFinished(response, () => this.#end());
    try {
      void this.#onframe(request);
    } catch (error) {
      // Whoever called answers it.
      this.#isAnswered = true;
      this.#end();
      throw error;
    }
  }

  send(frame: Frame): void | Promise<void> {
    // No request ever (2026-07-28, basic/transports/streamable-http, receiving messages), and nothing after the response.
    if (this.#isAnswered || this.#isClosed || frame.kind === 'request') return undefined;
    if (frame.kind === 'notification') {
      this.#isAcknowledged = true;
      return this.#answer.push(frame);
    }
    this.#isAnswered = true;
    if (this.#options.request.method === 'tools/list') this.#options.onTools(frame);
    const wait = this.#answer.respond(frame);
    // Until it is taken it counts as unread, and its client can be cut off for that.
    if (wait === undefined) this.#end();
    else void wait.then(() => this.#end());
    return wait;
  }

  onframe(handler: (frame: Frame) => void | Promise<void>): void {
    this.#onframe = handler;
  }

  /** It sends nothing more after its request, but to close it would be to cancel. */
  onend(): void {}

  onclose(handler: () => void): void {
    this.#onclose = handler;
  }

  abandonResponse(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#answer.forget();
    this.#end();
  }

  async close(reason?: Error): Promise<void> {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) destroyConnection(this.#options.response);
    this.abandonResponse();
    this.#end();
  }

  /** Ends a subscription in good order (2026-07-28, basic/patterns/subscriptions, graceful closure). */
  endListening(): void {
    const { id } = this.#options.request;
    if (!this.isListening || id === undefined) return;
    void this.send(
      this.#isAcknowledged
        ? frameOf({ id, result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } } })
        : faultFrame(new RunError('SHUTTING_DOWN'), id),
    );
  }

  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number, keepAliveMs: number): void {
    this.#answer.tick(now, keepAliveMs);
  }

  headersFor(_answer: Answer, final?: Frame): Readonly<Record<string, string>> {
    return final !== undefined && statusOf(final) === 503 ? RETRY_LATER : NO_HEADERS;
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onclose();
    this.#options.onEnd();
  }
}
