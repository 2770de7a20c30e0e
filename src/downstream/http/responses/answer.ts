import type { FastifyReply } from 'fastify';
import type { Clock } from '../../../clock.ts';
import type { Frame } from '../../../protocol/frame.ts';
import type { EventStream } from './event-stream.ts';
import { writableOf } from './on-finished.ts';
import { sendEmpty, sendJson } from './reply.ts';
import { openSseResponse, type SseResponse } from './sse-response.ts';

/** Silence after which headers are sent, so that nothing on the way takes the answer for lost. */
const HOLD_MS = 10_000;

/** What an answer needs of its session. */
export interface AnswerHost {
  /** Whether an answer may become a stream; if not, what comes before the response is left out. */
  readonly canStream: boolean;
  /** @param final the answer, if it is known before the headers are sent. */
  headersFor(answer: Answer, final?: Frame): Readonly<Record<string, string>>;
  /** The status of an answer that is `final` and nothing else. */
  statusOf(final: Frame): number;
  /** Called if the answer turns out to need a stream. */
  openPostStream(): EventStream;
}

/**
 * The answer to one POST: headers are held back until the first message. If that is the final response the answer
 * is JSON in one write; anything else first, or a long silence, makes it an SSE stream.
 *
 * A class, since there is one for every call: closures would cost more than the call.
 */
export class Answer {
  readonly #host: AnswerHost;
  readonly #reply: FastifyReply;
  readonly #isBatch: boolean;
  readonly #clock: Clock;
  readonly #heldSince: number;
  #awaited: number;
  #held: Uint8Array[] | undefined;
  #stream: EventStream | undefined;
  #sse: SseResponse | undefined;

  /** @param requests how many of them this POST brought; only a batch (2025-03-26) has more than one. */
  constructor(host: AnswerHost, reply: FastifyReply, requests: number, isBatch: boolean, clock: Clock) {
    this.#host = host;
    this.#reply = reply;
    this.#awaited = requests;
    this.#isBatch = isBatch;
    this.#clock = clock;
    this.#heldSince = clock.now();
  }

  /** False once the client left before anything was sent: it has no event id to come back with. */
  get isReachable(): boolean {
    return this.#stream !== undefined || !this.#isClosed;
  }

  /** The client has a connection to receive it now. */
  get isConnected(): boolean {
    return this.#stream === undefined ? !this.#isClosed : this.#stream.isAttached;
  }

  /** Sends a message that belongs to a request of this POST. */
  push(frame: Frame): void | Promise<void> {
    return this.#host.canStream ? this.#commit().push(frame.bytes) : undefined;
  }

  /** Sends a response; the last one ends the answer. */
  respond(frame: Frame): void | Promise<void> {
    this.#awaited -= 1;
    if (this.#stream !== undefined) {
      const wait = this.#stream.push(frame.bytes);
      if (this.#awaited === 0) this.#stream.finish();
      return wait;
    }
    if (!this.#isBatch)
      return sendJson(
        this.#reply,
        this.#host.statusOf(frame),
        frame.bytes,
        this.#host.headersFor(this, frame),
      );
    this.#held ??= [];
    this.#held.push(frame.bytes);
    return this.#awaited === 0 ? this.#sendHeld() : undefined;
  }

  /** One of the requests was cancelled and gets no response: its stream just ends. */
  forget(): void {
    this.#awaited -= 1;
    if (this.#awaited > 0) return;
    if (this.#stream === undefined && this.#held !== undefined) void this.#sendHeld();
    else if (this.#host.canStream) this.#commit().finish();
    else sendEmpty(this.#reply, 202);
  }

  tick(now: number, keepAliveMs: number): void {
    if (this.#sse !== undefined) this.#sse.tick(now, keepAliveMs);
    else if (this.#isHeld && this.#host.canStream && now - this.#heldSince >= HOLD_MS) this.#commit();
  }

  /** Nothing has been sent, and there is a connection for it. */
  get #isHeld(): boolean {
    return this.#awaited > 0 && this.#canSend;
  }

  get #isClosed(): boolean {
    return writableOf(this.#reply.raw).destroyed;
  }

  get #canSend(): boolean {
    return !this.#reply.sent && !this.#isClosed;
  }

  #sendHeld(): void | Promise<void> {
    const array = `[${(this.#held ?? []).map((bytes) => Buffer.from(bytes).toString()).join(',')}]`;
    return sendJson(this.#reply, 200, Buffer.from(array), this.#host.headersFor(this));
  }

  #commit(): EventStream {
    if (this.#stream !== undefined) return this.#stream;
    const stream = this.#host.openPostStream();
    this.#stream = stream;
    if (this.#canSend) {
      this.#sse = openSseResponse(this.#reply, this.#host.headersFor(this), this.#clock);
      stream.attach(this.#sse);
    }
    for (const bytes of this.#held ?? []) void stream.push(bytes);
    return stream;
  }
}
