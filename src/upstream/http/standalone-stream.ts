import { toRunError, type RunError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import type { Connection, Sending } from './connection.ts';
import { readEvents } from './events.ts';
import { mediaTypeOf, readAll, type HttpResponse } from './http-call.ts';
import { StreamPosition } from './stream-position.ts';

export interface StandaloneStreamOptions {
  readonly server: string;
  readonly url: URL;
  readonly connection: Connection;
  readonly clock: Clock;
  readonly maxBytes: number;
  headers(): Record<string, string>;
  /**
   * A promise holds the next ones back.
   * @param stream the same for all events until the stream ends
   */
  event(data: string, stream: object): void | Promise<void>;
  /** The server has been reached, or could not be. */
  reached(failure: RunError | undefined): void;
  /** Whether a rejection says that the server does not know the session any more. */
  isForgotten(status: number, text: string): boolean;
  /**
   * @param status of the rejection
   * @returns whether there is another session
   */
  renew(status: number): Promise<boolean>;
}

/** `missing`: the server has no such stream, or it is another session's. */
type Outcome = 'read' | 'failed' | 'missing';

const LONGEST_MS = 30_000;
/** A server that has not noticed the end of the stream before rejects a second one; and so does one that is too busy. */
const TEMPORARY: ReadonlySet<number> = new Set([409, 429]);
const MAX_REJECTION = 64 * 1024;

/**
 * The stream for messages that belong to no request (2025-11-25, basic/transports, listening for messages from the
 * server). It is opened again whenever it ends, for as long as the session lives; a server need not have one.
 */
export class StandaloneStream {
  readonly #options: StandaloneStreamOptions;
  readonly #position = new StreamPosition();
  #isClosed = false;
  /** It has been open once, so the server has such a stream. */
  #hasOpened = false;
  #sending: Sending | undefined;
  /** Ends the wait for the end of the stream, or of the pause. */
  #wake: () => void = () => {};

  constructor(options: StandaloneStreamOptions) {
    this.#options = options;
  }

  /** To be called once. */
  open(): void {
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.#sending?.abort();
    this.#wake();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#isClosed;) {
      const outcome = await this.#follow();
      if (outcome === 'missing') return;
      failures = outcome === 'read' ? 0 : failures + 1;
      const { retryMs } = this.#position;
      const pauseMs = Math.min(LONGEST_MS, retryMs * 2 ** Math.min(failures, 10));
      if (!this.#isClosed) await this.#pause(Math.max(retryMs, pauseMs));
    }
  }

  async #follow(): Promise<Outcome> {
    const { connection, url } = this.#options;
    const headers = { ...this.#options.headers(), ...this.#position.headers() };
    try {
      this.#sending = connection.send({ method: 'GET', url, headers }, true);
      const response = await this.#sending.response;
      if (response.status >= 300 || mediaTypeOf(response) !== 'text/event-stream')
        return await this.#onRejected(response);
      this.#options.reached(undefined);
      this.#hasOpened = true;
      return (await this.#read(response)) ? 'read' : 'failed';
    } catch (error) {
      const failure = toRunError(error);
      if (!this.#isClosed && failure.code === 'UPSTREAM_UNREACHABLE') this.#options.reached(failure);
      return 'failed';
    }
  }

  async #onRejected(response: HttpResponse): Promise<Outcome> {
    const { status } = response;
    const text = String(await readAll(response, MAX_REJECTION).catch(() => ''));
    if (this.#hasOpened && this.#options.isForgotten(status, text))
      return (await this.#options.renew(status)) ? 'missing' : 'failed';
    return status >= 500 || TEMPORARY.has(status) ? 'failed' : 'missing';
  }

  /** @returns whether it ended as streams do, or has had an event */
  #read(response: HttpResponse): Promise<boolean> {
    const { server, maxBytes } = this.#options;
    return new Promise((resolve) => {
      let hasEvent = false;
      readEvents(response, {
        server,
        maxLength: maxBytes,
        event: ({ id, data, event = 'message' }) => {
          hasEvent = true;
          this.#position.reached(id);
          return data === '' || event !== 'message' ? undefined : this.#options.event(data, response);
        },
        retry: (ms) => this.#position.retry(ms),
        end(error) {
          // A stream that is cut proves nothing yet: it is about to be opened again.
          resolve(error === undefined || hasEvent);
        },
      });
      this.#wake = () => resolve(true);
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve, true);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
