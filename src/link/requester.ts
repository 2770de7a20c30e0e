import type { Clock } from '../clock.ts';
import { cancellationFrame } from '../protocol/cancellation.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Link } from './link.ts';

type Wait = void | Promise<void>;
export type AnswerHandler = (answer: Frame) => Wait;

export interface RequesterOptions<Id extends RequestId> {
  /** Where the requests go. */
  readonly link: Pick<Link, 'send'>;
  /** The id of the nth request, counted from 1. Each id is used once. */
  readonly idOf: (count: number) => Id;
  /** Receives the frames that answer none of the requests. Dropped by default. */
  readonly onOther?: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  /** Called for each request that is cancelled: an answer that still comes is no surprise. */
  readonly onCancelled?: (id: Id) => void;
  readonly clock: Clock;
}

export interface RequestOptions {
  /** In milliseconds. */
  readonly timeoutMs?: number;
  /** The error after that time. */
  readonly timeoutError?: () => Error;
  /** Rejects the request with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface PendingRequest {
  readonly onAnswer: AnswerHandler;
  /** Undefined: the request is dropped in silence. */
  readonly onFailure: ((error: unknown) => void) | undefined;
}

/**
 * Requests of our own over a link. The holder of the link passes the frames from the peer to `receive`, which takes the answers
 * out of them. A request that timed out or was aborted is forgotten: its late answer is one of the other frames.
 */
export class Requester<Id extends RequestId = number> {
  readonly #link: Pick<Link, 'send'>;
  readonly #idOf: (count: number) => Id;
  readonly #onOther: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly #onCancelled: ((id: Id) => void) | undefined;
  readonly #clock: Clock;
  readonly #pending = new Map<unknown, PendingRequest>();
  #count = 0;
  #closedWith: Error | undefined;

  constructor({ link, idOf, onOther = () => {}, onCancelled, clock }: RequesterOptions<Id>) {
    this.#link = link;
    this.#idOf = idOf;
    this.#onOther = onOther;
    this.#onCancelled = onCancelled;
    this.#clock = clock;
  }

  /** The id for the next request. */
  nextId(): Id {
    this.#count += 1;
    return this.#idOf(this.#count);
  }

  /** Sends a request whose answer is handed to `onAnswer`, which may hold the next frames back. Without limit of time. */
  start(request: Frame, onAnswer: AnswerHandler): Wait {
    this.#pending.set(request.id, { onAnswer, onFailure: undefined });
    return this.#link.send(request);
  }

  /**
   * Sends a request and resolves with its answer, an error response included.
   * Rejects with `timeoutError()`, the reason of the signal, or the error of `failAll` or `close`.
   */
  async request(request: Frame, options: RequestOptions = {}): Promise<Frame> {
    const { timeoutMs, timeoutError, signal } = options;
    const { id } = request;
    if (this.#closedWith !== undefined) throw this.#closedWith;
    signal?.throwIfAborted();
    const answer = new Promise<Frame>((resolve, reject) => {
      this.#pending.set(id, { onAnswer: resolve, onFailure: reject });
    });
    const stopTimer =
      timeoutMs === undefined
        ? undefined
        : this.#clock.after(timeoutMs, () => this.#fail(id, timeoutError?.()));
    const abort = (): void => this.#fail(id, signal?.reason);
    signal?.addEventListener('abort', abort);
    try {
      void this.#link.send(request);
      return await answer;
    } finally {
      this.#pending.delete(id);
      stopTimer?.();
      signal?.removeEventListener('abort', abort);
    }
  }

  /** A frame from the peer. */
  receive(frame: Frame, relatedRequestId?: RequestId): Wait {
    const onAnswer = frame.kind === 'response' ? this.take(frame.id) : undefined;
    return onAnswer === undefined ? this.#onOther(frame, relatedRequestId) : onAnswer(frame);
  }

  /** Stops waiting for the answer to a request. @returns its handler, undefined if no such request is pending */
  take(id: unknown): AnswerHandler | undefined {
    const pending = this.#pending.get(id);
    if (pending !== undefined) this.#pending.delete(id);
    return pending?.onAnswer;
  }

  /** Sends `notifications/cancelled` for a pending request, whose answer is not awaited any more. */
  cancel(id: Id, reason?: string): Wait {
    if (!this.#pending.delete(id)) return undefined;
    this.#onCancelled?.(id);
    return this.#link.send(cancellationFrame(id, reason));
  }

  /** Forgets the requests that were started. */
  clear(): void {
    this.#pending.clear();
  }

  /** Rejects the requests that are awaited, and forgets those that were started. */
  failAll(error: Error): void {
    const failed = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of failed) pending.onFailure?.(error);
  }

  /** The same at the end of the link: requests to come are rejected as well. */
  close(error: Error): void {
    this.#closedWith = error;
    this.failAll(error);
  }

  #fail(id: unknown, error: unknown): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.onFailure?.(error);
  }
}
