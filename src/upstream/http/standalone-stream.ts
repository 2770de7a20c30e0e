import { toRunError, type RunError } from '../../errors.ts';
import type { Connection, Sending } from './connection.ts';
import { readEvents } from './events.ts';
import { mediaTypeOf, readAll } from './http-call.ts';
import { StreamPosition } from './stream-position.ts';

export interface StandaloneStreamOptions {
  readonly server: string;
  readonly url: URL;
  readonly connection: Connection;
  readonly maxBytes: number;
  headers(): Record<string, string>;
  /**
   * A promise holds the next ones back.
   * @param stream the same for all events until the stream ends
   */
  event(data: string, stream: object): void | Promise<void>;
  /** The server has been reached, or could not be. */
  reached(failure: RunError | undefined): void;
  /** Whether a refusal says that the server does not know the session any more. */
  isForgotten(status: number, text: string): boolean;
  /**
   * @param status of the refusal
   * @returns whether there is another session
   */
  renew(status: number): Promise<boolean>;
}

export interface StandaloneStream {
  close(): void;
}

const LONGEST_MS = 30_000;
/** A server that has not noticed the end of the stream before refuses a second one; and one that is too busy. */
const PASSING: ReadonlySet<number> = new Set([409, 429]);
const MAX_REFUSAL = 64 * 1024;

/**
 * The stream for what belongs to no request (2025-11-25, basic/transports, listening for messages from the server). It is
 * opened again whenever it ends, for as long as the session lives; a server need not have one.
 */
export function openStandaloneStream(options: StandaloneStreamOptions): StandaloneStream {
  const { server, url, connection } = options;
  const position = new StreamPosition();
  let isClosed = false;
  /** It has been open once, so the server has such a stream. */
  let hasOpened = false;
  let sending: Sending | undefined;
  let wake: () => void = () => {};
  void run();

  return {
    close() {
      isClosed = true;
      sending?.abort();
      wake();
    },
  };

  async function run(): Promise<void> {
    let failures = 0;
    while (!isClosed) {
      const outcome = await follow();
      if (outcome === 'none') return;
      if (outcome === 'read') failures = 0;
      else failures += 1;
      const { retryMs } = position;
      if (!isClosed)
        await pause(Math.max(retryMs, Math.min(LONGEST_MS, retryMs * 2 ** Math.min(failures, 10))));
    }
  }

  /** @returns `none`: there is no such stream */
  async function follow(): Promise<'read' | 'failed' | 'none'> {
    try {
      sending = connection.send(
        { method: 'GET', url, headers: { ...options.headers(), ...position.headers() } },
        true,
      );
      const response = await sending.response;
      const { status } = response;
      if (status < 300 && mediaTypeOf(response) === 'text/event-stream') {
        options.reached(undefined);
        hasOpened = true;
        return (await read(response)) ? 'read' : 'failed';
      }
      const text = String(await readAll(response, MAX_REFUSAL).catch(() => ''));
      if (hasOpened && options.isForgotten(status, text))
        return (await options.renew(status)) ? 'none' : 'failed';
      return status >= 500 || PASSING.has(status) ? 'failed' : 'none';
    } catch (error) {
      const failure = toRunError(error);
      if (!isClosed && failure.code === 'UPSTREAM_UNREACHABLE') options.reached(failure);
      return 'failed';
    }
  }

  /** @returns whether it ended as streams do, or has said something */
  function read(response: Awaited<Sending['response']>): Promise<boolean> {
    return new Promise((resolve) => {
      let hasSpoken = false;
      readEvents(response, {
        server,
        maxLength: options.maxBytes,
        event({ id, data, event = 'message' }) {
          hasSpoken = true;
          position.reached(id);
          return data === '' || event !== 'message' ? undefined : options.event(data, response);
        },
        retry: (ms) => position.retry(ms),
        end(error) {
          // That a stream is cut says nothing yet: it is about to be opened again.
          resolve(error === undefined || hasSpoken);
        },
      });
      wake = () => resolve(true);
    });
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      wake = done;
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}
