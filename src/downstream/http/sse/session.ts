import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../clock.ts';
import { isRunError, RunError } from '../../../errors.ts';
import type { Era, Link } from '../../../link/link.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame, RequestId } from '../../../protocol/frame.ts';
import { requireAnswerable } from '../admit/unanswered.ts';
import { SseResponse } from '../responses/sse-response.ts';

export interface SseSessionOptions {
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  /** Where the client POSTs to: a path with the session id in its query. */
  readonly endpoint: string;
  readonly response: ServerResponse;
  readonly keepAliveMs: number;
  /** The session has ended, by either side; exactly once. */
  readonly onEnd: (session: SseSession) => void;
  readonly clock: Clock;
}

/**
 * An HTTP+SSE session: it lives exactly as long as its stream (2024-11-05, basic/transports); as a link it is this end
 * of the conversation.
 */
export class SseSession implements Link {
  readonly kind = 'sse';
  readonly peer = 'client';
  readonly era: Era = 'legacy';
  readonly supports = { notifications: true, requests: true };
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  readonly isBusy = false;
  readonly hasStream = true;
  readonly #options: SseSessionOptions;
  readonly #clock: Clock;
  readonly #sse: SseResponse;
  /** Requests without an answer. */
  readonly #unanswered = new Set<RequestId>();
  /** Notifications and responses that the server has not taken yet. */
  #untaken = 0;
  #lastMessageAt: number;
  #isClosed = false;
  #onframe: (frame: Frame) => void | Promise<void> = () => {};
  #onclose: () => void = () => {};

  constructor(options: SseSessionOptions) {
    this.id = options.id;
    this.server = options.server;
    this.principal = options.principal;
    this.#options = options;
    this.#clock = options.clock;
    this.#sse = new SseResponse(options.response, this.#clock);
    this.#lastMessageAt = this.#clock.now();
  }

  /** By the session's clock. */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** Sends the headers of the stream. */
  open(): void {
    this.#sse.onclose(() => this.#end());
    this.#sse.open({});
  }

  /** Sends the first event, `endpoint`; the conversation has to be able to take messages by then. */
  announce(): void {
    this.#sse.event({ event: 'endpoint', data: this.#options.endpoint });
  }

  // From the client

  /** Takes one POSTed message. @throws RunError if it is not accepted. */
  async receive(frame: Frame): Promise<void> {
    if (this.#isClosed) throw new RunError('SESSION_NOT_FOUND');
    this.#lastMessageAt = this.#clock.now();
    if (frame.kind === 'request') return this.#start(frame);
    requireAnswerable(this.#untaken + 1);
    this.#untaken += 1;
    try {
      await this.#onframe(frame);
    } finally {
      this.#untaken -= 1;
    }
  }

  /** Sends the error response to a request that was not accepted. @returns false if the stream has ended */
  async refuse(error: RunError, id: RequestId): Promise<boolean> {
    if (this.#isClosed) return false;
    await this.#sse.message(faultFrame(error, id).bytes);
    return true;
  }

  /** @throws RunError */
  async #start(request: Frame): Promise<void> {
    requireAnswerable(this.#unanswered.size + 1);
    const { id } = request;
    const isNew = id !== undefined && !this.#unanswered.has(id);
    if (isNew) this.#unanswered.add(id);
    try {
      await this.#onframe(request);
    } catch (error) {
      if (isNew) this.#unanswered.delete(id);
      throw error;
    }
  }

  // To the client

  send(frame: Frame): void | Promise<void> {
    this.#lastMessageAt = this.#clock.now();
    if (frame.kind === 'response' && frame.id !== undefined) this.#unanswered.delete(frame.id);
    return this.#sse.message(frame.bytes);
  }

  // Life cycle

  onframe(handler: (frame: Frame) => void | Promise<void>): void {
    this.#onframe = handler;
  }

  /** The end of the stream ends the session: no client sends nothing more and still reads. */
  onend(): void {}

  onclose(handler: () => void): void {
    this.#onclose = handler;
  }

  abandonResponse(requestId: RequestId): void {
    this.#unanswered.delete(requestId);
  }

  /** Called about once a second, for keep-alives. */
  tick(now: number): void {
    this.#sse.tick(now, this.#options.keepAliveMs);
  }

  async close(reason?: Error): Promise<void> {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) this.#sse.destroy();
    else this.#sse.end();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onclose();
    this.#options.onEnd(this);
  }
}
