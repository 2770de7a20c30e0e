import { RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { RequestId } from '../../protocol/request-id.ts';
import type { Clock } from '../../clock.ts';
import { DroppedMessages } from './dropped-messages.ts';
import { logFailure } from './failure.ts';
import { Handshake } from './handshake.ts';
import { cancelledId, isSound, sortMessages } from './messages.ts';
import { isError } from './rejection-reason.ts';
import type { RemoteTransportOptions } from './transport.ts';

/** A request of our own that waits for its answer. */
export interface Replayed {
  readonly id: RequestId;
  readonly method: string;
  resolve(answer: Frame): void;
  reject(error: RunError): void;
}

/** Messages from a server of HTTP+SSE, and the requests that wait for their answers. */
export class SseReceiver {
  /** What the client has set up, as far as the server has accepted it. */
  readonly handshake = new Handshake();
  /** The server has answered a request of the client. */
  hasWorked = false;
  /** A request of our own, while the session is begun again. */
  replayed: Replayed | undefined;
  readonly #options: RemoteTransportOptions;
  readonly #dropped: DroppedMessages;
  /** Requests of the client without an answer. */
  readonly #pending = new Map<RequestId, Frame>();

  constructor(options: RemoteTransportOptions, clock: Clock) {
    this.#options = options;
    this.#dropped = new DroppedMessages(options.log, clock);
  }

  expect(id: RequestId, request: Frame): void {
    this.#pending.set(id, request);
  }

  /** Whether this very request waits for its answer. */
  isPending(id: RequestId, request: Frame): boolean {
    return this.#pending.get(id) === request;
  }

  /** Whether no request with this id waits for its answer, neither of the client nor of our own. */
  isAnswered(id: RequestId): boolean {
    return !this.#pending.has(id) && this.replayed?.id !== id;
  }

  /** The client has cancelled a request. */
  cancelled(notification: Frame): void {
    const id = cancelledId(notification);
    if (id !== undefined) this.settle(id);
  }

  /** @returns the request, if it had no answer yet */
  settle(id: RequestId): Frame | undefined {
    const request = this.#pending.get(id);
    if (this.#pending.delete(id)) this.#dropped.ended(id);
    return request;
  }

  /** Takes the data of an event. @param stream the same for all events of that stream */
  receive(data: string, stream: object): void | Promise<void> {
    const { frames, faults } = sortMessages(Buffer.from(data));
    for (const { id, cause } of faults) {
      if (id === undefined || !this.#isMalformedAnswer(id, cause)) this.#dropped.unreadable(data, stream);
    }
    const waits = frames.flatMap((frame) => this.#take(frame) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  /** Answers a request of the client with an error. */
  fail(id: RequestId, error: RunError): void {
    logFailure(this.#options.log, error);
    void this.#options.deliver(faultFrame(error, id));
  }

  /** The stream has ended: no request that was sent before gets its answer. @param error if the server caused it */
  failAll(error: RunError | undefined): void {
    const requests = [...this.#pending].filter(([id]) => this.settle(id) !== undefined);
    for (const [id, { method = '' }] of requests) this.fail(id, error ?? this.streamLost(method));
  }

  streamLost(method: string): RunError {
    return new RunError('UPSTREAM_STREAM_LOST', { server: this.#options.server, method });
  }

  #take(frame: Frame): void | Promise<void> {
    if (frame.kind !== 'response' || frame.id === undefined) return this.#options.deliver(frame);
    if (!isSound(frame) && this.#isMalformedAnswer(frame.id)) return undefined;
    if (this.replayed !== undefined && frame.id === this.replayed.id) {
      this.replayed.resolve(frame);
      return undefined;
    }
    const request = this.settle(frame.id);
    if (request === undefined) return this.#dropped.answer(frame.id);
    this.hasWorked = true;
    if (!isError(frame)) this.handshake.accepted(request);
    return this.#options.deliver(frame);
  }

  /** Fails the request whose answer is not a message: there is no other answer. @returns whether there is such a request */
  #isMalformedAnswer(id: RequestId, cause?: unknown): boolean {
    const own = this.replayed?.id === id ? this.replayed : undefined;
    const request = own ?? this.settle(id);
    if (request === undefined) return false;
    const { method = '' } = request;
    const error = new RunError('MALFORMED_ANSWER', { server: this.#options.server, method }, { cause });
    if (own === undefined) this.fail(id, error);
    else own.reject(error);
    return true;
  }
}
