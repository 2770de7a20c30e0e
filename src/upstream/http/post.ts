import { RunError, timeoutError } from '../../errors.ts';
import { withoutBom } from '../../protocol/bom.ts';
import { every, type Clock } from '../../clock.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Connection, Sending } from './connection.ts';
import { readEvents } from './events.ts';
import { mediaTypeOf, readAll, type HttpRequest, type HttpResponse } from './http-call.ts';
import { isSound, readMessages, sortMessages, type Fault } from './messages.ts';
import { readRejectionReason, type RejectionReason } from './rejection-reason.ts';
import { StreamPosition } from './stream-position.ts';

/** How long a stream may go on when the answer has come, before it is ended. */
const AFTERWARDS_MS = 5_000;

/** Takes what comes on the stream of a request. */
export interface PostHandler {
  readonly server: string;
  /** Longest message of the server. */
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Takes the messages of the server while the request runs, its answer last. */
  take(frame: Frame, post: Post): void | Promise<void>;
  /** Data of an event that is not a message. */
  unreadable(data: string, post: Post): void;
  /** An answer to another request. */
  unmatched(id: RequestId): void;
}

/** A request on its way, until its answer: one POST, and the requests that have to follow it. */
export class Post {
  readonly frame: Frame;
  readonly id: RequestId;
  /** Of revision 2026-07-28. */
  readonly isModern: boolean;
  isAnswered = false;
  /** The answer is not waited for any more. */
  isAborted = false;
  /** A subscription that the server has taken up. */
  isAcknowledged = false;
  readonly position = new StreamPosition();
  readonly #handler: PostHandler;
  #sending: Sending | undefined;
  /** Ends what is waited for. */
  #wake: (() => void) | undefined;

  constructor(frame: Frame, id: RequestId, isModern: boolean, handler: PostHandler) {
    this.frame = frame;
    this.id = id;
    this.isModern = isModern;
    this.#handler = handler;
  }

  /** Nothing more is expected of the server. */
  get isOver(): boolean {
    return this.isAnswered || this.isAborted;
  }

  /** @throws RunError as `Sending.response` does */
  send(connection: Connection, request: HttpRequest, repeatable: boolean): Promise<HttpResponse> {
    this.#sending = connection.send(request, repeatable);
    return this.#sending.response;
  }

  /**
   * Reads a response to its end, or to the answer.
   * @returns what it says if it is no success
   * @throws RunError `UPSTREAM_STREAM_LOST`, `UPSTREAM_HTTP`, `MALFORMED_ANSWER`, `LINE_TOO_LONG`
   */
  async read(response: HttpResponse): Promise<RejectionReason | undefined> {
    const { status } = response;
    const type = mediaTypeOf(response);
    if (status < 300 && type === 'text/event-stream') {
      await this.#readStream(response);
      return undefined;
    }
    if (status >= 300 || type !== 'application/json')
      return await readRejectionReason(response, this.#handler.maxBytes, this.id, this.#handler.clock);
    await this.#readBody(response);
    return undefined;
  }

  /** Resolves early when it is aborted. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#handler.clock.after(ms, resolve, true);
      this.#wake = () => {
        cancel();
        resolve();
      };
      if (this.isAborted) this.#wake();
    });
  }

  /**
   * Has the server answer within a time; what a user takes to sign in does not count.
   * @throws RunError `REQUEST_TIMEOUT`, with nothing under way any more
   */
  async within<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const { server, clock } = this.#handler;
    let cancel: () => void = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      cancel = every(clock, timeoutMs, () => {
        if (this.#sending?.isAuthorizing === true) return;
        reject(timeoutError({ server, method: this.frame.method ?? '', timeoutMs }));
        this.#sending?.abort();
        this.#wake?.();
      });
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      cancel();
    }
  }

  /** Ends what is under way. */
  abort(): void {
    this.isAborted = true;
    this.#sending?.abort();
    this.#wake?.();
  }

  async #readBody(response: HttpResponse): Promise<void> {
    const { server, maxBytes } = this.#handler;
    const body = await readAll(response, maxBytes).catch(() => this.#lost());
    if (body === undefined) throw new RunError('LINE_TOO_LONG', { server, maxBytes });
    for (const frame of this.#messages(withoutBom(body))) void this.#take(frame);
    // Such a body answers all that it has been sent.
    if (!this.isAnswered) throw this.#malformed();
  }

  #readStream(response: HttpResponse): Promise<void> {
    const { server, maxBytes, clock } = this.#handler;
    return new Promise((resolve, reject) => {
      let cancelAbort: (() => void) | undefined;
      this.#wake = resolve;
      readEvents(response, {
        server,
        maxLength: maxBytes,
        event: ({ id, data, event = 'message' }) => {
          this.position.reached(id);
          if (data === '' || event !== 'message') return undefined;
          const wait = this.#takeEvent(data, reject);
          if (this.isAnswered && cancelAbort === undefined) {
            cancelAbort = clock.after(AFTERWARDS_MS, () => response.abort());
            resolve();
          }
          return wait;
        },
        retry: (ms) => this.position.retry(ms),
        end: (error) => {
          cancelAbort?.();
          if (error instanceof RunError) reject(error);
          else resolve();
        },
      });
    });
  }

  /** A server may send heartbeats and the like between messages: they are dropped, and the answer is waited for. */
  #takeEvent(data: string, reject: (error: unknown) => void): void | Promise<void> {
    try {
      const { frames, faults } = sortMessages(Buffer.from(data));
      const waits = frames.flatMap((frame) => this.#take(frame) ?? []);
      if (faults.length > 0 && !this.isOver) this.#drop(faults, data);
      return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
    } catch (error) {
      reject(error);
      this.#sending?.abort();
      return undefined;
    }
  }

  /** @throws RunError `MALFORMED_ANSWER` if the answer to the request is among them: no other answer follows */
  #drop(faults: readonly Fault[], data: string): void {
    const answer = faults.find(({ id }) => id === this.id);
    if (answer !== undefined) throw this.#malformed(answer.cause);
    this.#handler.unreadable(data, this);
  }

  #messages(bytes: Buffer): Frame[] {
    try {
      return readMessages(bytes);
    } catch (error) {
      throw this.#malformed(error);
    }
  }

  #take(frame: Frame): void | Promise<void> {
    if (this.isOver) return undefined;
    if (frame.kind === 'response') {
      // A server has no other request's answer to give here, and must not give it to another client. An error without an
      // id is from a server that has not understood which request it answers.
      if (frame.id !== undefined && frame.id !== this.id) return this.#handler.unmatched(frame.id);
      if (!isSound(frame)) throw this.#malformed();
      this.isAnswered = true;
    }
    return this.#handler.take(frame, this);
  }

  #malformed(cause?: unknown): RunError {
    const { method = '' } = this.frame;
    return new RunError('MALFORMED_ANSWER', { server: this.#handler.server, method }, { cause });
  }

  #lost(): never {
    const { method = '' } = this.frame;
    throw new RunError('UPSTREAM_STREAM_LOST', { server: this.#handler.server, method });
  }
}
