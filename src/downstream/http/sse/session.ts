import type { FastifyReply } from 'fastify';
import { isRunError, RunError } from '../../../errors.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame, RequestId } from '../../../protocol/frame.ts';
import { requireAnswerable } from '../admit/unanswered.ts';
import { ClientSession, type ClientSessionOptions } from '../client-session.ts';
import { SseResponse } from '../responses/sse-response.ts';

export interface SseSessionOptions extends ClientSessionOptions {
  /** Where the client POSTs to: a path with the session id in its query. */
  readonly endpoint: string;
  readonly reply: FastifyReply;
  readonly keepAliveMs: number;
  /** The session has ended, by either side; exactly once. */
  readonly onEnd: (session: SseSession) => void;
}

/**
 * An HTTP+SSE session: it lives exactly as long as its stream (2024-11-05, basic/transports), whose end says that the client
 * neither sends nor reads any more.
 */
export class SseSession extends ClientSession {
  readonly kind = 'sse';
  readonly supports = { notifications: true, requests: true };
  readonly isBusy = false;
  readonly hasStream = true;
  readonly #options: SseSessionOptions;
  readonly #sse: SseResponse;
  /** Requests without an answer. */
  readonly #unanswered = new Set<RequestId>();
  #isClosed = false;

  constructor(options: SseSessionOptions) {
    super(options);
    this.#options = options;
    this.#sse = new SseResponse(options.reply, this.clock);
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
    this.noteMessage();
    if (frame.kind === 'request') return this.#start(frame);
    await this.deliverInOrder([frame]);
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
      await this.deliver(request);
    } catch (error) {
      if (isNew) this.#unanswered.delete(id);
      throw error;
    }
  }

  // To the client

  send(frame: Frame): void | Promise<void> {
    this.noteMessage();
    if (frame.kind === 'response' && frame.id !== undefined) this.#unanswered.delete(frame.id);
    return this.#sse.message(frame.bytes);
  }

  // Life cycle

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
    this.closed();
    this.#options.onEnd(this);
  }
}
