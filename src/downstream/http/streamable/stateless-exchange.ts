import type { FastifyReply } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { isRunError, toRunError } from '../../../errors.ts';
import { RelayLink } from '../../../link/forward.ts';
import type { Era, PeerSupport } from '../../../link/link.ts';
import type { Principal } from '../../../link/principal.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import { createPlainStream } from '../responses/event-stream.ts';
import { destroyConnection } from '../responses/on-finished.ts';

const NO_HEADERS = {};

export interface StatelessExchangeOptions {
  readonly reply: FastifyReply;
  readonly principal: Principal;
  /** How many of them the POST brought. */
  readonly requests: number;
  readonly isBatch: boolean;
  /** Whether the answer may become a stream; if not, what comes before the response is left out. */
  readonly canStream: boolean;
  readonly clock: Clock;
}

/**
 * One POST without a session as a link: it is closed when all of its requests are answered, or its client has left. The client
 * sends nothing more after its POST, but to close the link for that would be to cancel.
 */
export class StatelessExchange extends RelayLink implements AnswerHost {
  readonly peer = 'client';
  readonly era: Era = 'legacy';
  readonly principal: Principal;
  readonly supports: PeerSupport;
  readonly canStream: boolean;
  readonly openPostStream = createPlainStream;
  readonly #reply: FastifyReply;
  readonly #answer: Answer;
  /** Requests without a response. */
  #awaited: number;

  constructor({ reply, principal, requests, isBatch, canStream, clock }: StatelessExchangeOptions) {
    super();
    this.principal = principal;
    this.supports = { notifications: canStream, requests: false };
    this.canStream = canStream;
    this.#reply = reply;
    this.#answer = new Answer(this, reply, requests, isBatch, clock);
    this.#awaited = requests;
  }

  /** Takes one request of the POST. */
  receive(frame: Frame): void {
    try {
      void this.deliver(frame);
    } catch (error) {
      void this.#answer.respond(faultFrame(toRunError(error), frame.id));
      this.#settled();
    }
  }

  send(frame: Frame): void | Promise<void> {
    if (frame.kind !== 'response') return this.#answer.push(frame);
    const wait = this.#answer.respond(frame);
    // Until it is taken it counts as unread, and its client can be disconnected for that.
    if (wait === undefined) this.#settled();
    else void wait.then(() => this.#settled());
    return wait;
  }

  abandonResponse(): void {
    this.#answer.forget();
    this.#settled();
  }

  async close(reason?: Error): Promise<void> {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) destroyConnection(this.#reply.raw);
    this.end();
  }

  /** The client has left, or everything is answered. */
  end(): void {
    this.closed();
  }

  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number, keepAliveMs: number): void {
    this.#answer.tick(now, keepAliveMs);
  }

  headersFor(): Readonly<Record<string, string>> {
    return NO_HEADERS;
  }

  statusOf(): number {
    return 200;
  }

  #settled(): void {
    this.#awaited -= 1;
    if (this.#awaited === 0) this.end();
  }
}
