import { RunError, timeoutError } from '../../errors.ts';
import { withoutBom } from '../../protocol/bom.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Connection, Sending } from './connection.ts';
import { readEvents } from './events.ts';
import { mediaTypeOf, readAll, type HttpRequest, type HttpResponse } from './http-call.ts';
import { isSound, readMessages, sortMessages, type Fault } from './messages.ts';
import { readRejectionReason, type RejectionReason } from './rejection-reason.ts';
import { StreamPosition } from './stream-position.ts';

/** How long a stream may go on when the answer has come, before it is ended. */
const AFTERWARDS_MS = 5_000;

export interface PostOptions {
  readonly server: string;
  readonly maxBytes: number;
  /** Takes what the server says while the request runs, its answer last. */
  take(frame: Frame, post: Post): void | Promise<void>;
  /** Data of an event that is not a message. */
  unreadable(data: string, post: Post): void;
  /** An answer to another request. */
  unmatched(id: RequestId): void;
}

/** A request on its way, until its answer: one POST, and whatever has to follow it. */
export class Post {
  readonly frame: Frame;
  readonly id: RequestId;
  /** Of revision 2026-07-28. */
  readonly isModern: boolean;
  isAnswered = false;
  /** Nobody waits for the answer any more. */
  isAborted = false;
  /** A subscription that the server has taken up. */
  isAcknowledged = false;
  readonly position = new StreamPosition();
  readonly #options: PostOptions;
  #sending: Sending | undefined;
  /** Ends what is waited for. */
  #wake: (() => void) | undefined;

  constructor(frame: Frame, id: RequestId, isModern: boolean, options: PostOptions) {
    this.frame = frame;
    this.id = id;
    this.isModern = isModern;
    this.#options = options;
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
      return await readRejectionReason(response, this.#options.maxBytes, this.id);
    await this.#readBody(response);
    return undefined;
  }

  /** Resolves early when it is aborted. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      this.#wake = done;
      if (this.isAborted) done();
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
    });
  }

  /**
   * Has the server answer within a time; what a user takes to sign in does not count.
   * @throws RunError `REQUEST_TIMEOUT`, with nothing under way any more
   */
  async within<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setInterval(() => {
        if (this.#sending?.isAuthorizing === true) return;
        const { server } = this.#options;
        reject(timeoutError({ server, method: this.frame.method ?? '', timeoutMs }));
        this.#sending?.abort();
        this.#wake?.();
      }, timeoutMs);
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearInterval(timer);
    }
  }

  /** Ends what is under way. */
  abort(): void {
    this.isAborted = true;
    this.#sending?.abort();
    this.#wake?.();
  }

  async #readBody(response: HttpResponse): Promise<void> {
    const { server, maxBytes } = this.#options;
    const body = await readAll(response, maxBytes).catch(() => this.#lost());
    if (body === undefined) throw new RunError('LINE_TOO_LONG', { server, maxBytes });
    for (const frame of this.#messages(withoutBom(body))) void this.#take(frame);
    // Such a body answers all that it has been sent.
    if (!this.isAnswered) throw this.#malformed();
  }

  #readStream(response: HttpResponse): Promise<void> {
    const { server, maxBytes } = this.#options;
    return new Promise((resolve, reject) => {
      let afterwards: NodeJS.Timeout | undefined;
      this.#wake = resolve;
      readEvents(response, {
        server,
        maxLength: maxBytes,
        event: ({ id, data, event = 'message' }) => {
          this.position.reached(id);
          if (data === '' || event !== 'message') return undefined;
          const wait = this.#takeEvent(data, reject);
          if (this.isAnswered && afterwards === undefined) {
            afterwards = setTimeout(() => response.abort(), AFTERWARDS_MS);
            afterwards.unref();
            resolve();
          }
          return wait;
        },
        retry: (ms) => this.position.retry(ms),
        end: (error) => {
          clearTimeout(afterwards);
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
      if (faults.length > 0 && !this.isAnswered && !this.isAborted) this.#drop(faults, data);
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
    this.#options.unreadable(data, this);
  }

  #messages(bytes: Buffer): Frame[] {
    try {
      return readMessages(bytes);
    } catch (error) {
      throw this.#malformed(error);
    }
  }

  #take(frame: Frame): void | Promise<void> {
    if (this.isAborted || this.isAnswered) return undefined;
    if (frame.kind === 'response') {
      // A server has no other request's answer to give here, and must not give it to somebody else. An error without an
      // id is from one that has not understood whom it answers.
      if (frame.id !== undefined && frame.id !== this.id) return this.#options.unmatched(frame.id);
      if (!isSound(frame)) throw this.#malformed();
      this.isAnswered = true;
    }
    return this.#options.take(frame, this);
  }

  #malformed(cause?: unknown): RunError {
    const { method = '' } = this.frame;
    return new RunError('MALFORMED_ANSWER', { server: this.#options.server, method }, { cause });
  }

  #lost(): never {
    const { method = '' } = this.frame;
    throw new RunError('UPSTREAM_STREAM_LOST', { server: this.#options.server, method });
  }
}
