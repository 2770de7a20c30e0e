import { RunError } from '../../errors.ts';
import { every, type Clock } from '../../clock.ts';
import type { Connection } from './connection.ts';
import { readEvents } from './events.ts';
import { foreignEndpoint, unreachable } from './failure.ts';
import { discard, mediaTypeOf, type HttpResponse } from './http-call.ts';
import { NO_STREAM } from './rejection-reason.ts';
import { RETRY_MS } from './stream-position.ts';

export interface SseStreamOptions {
  readonly server: string;
  readonly url: URL;
  readonly connection: Connection;
  readonly clock: Clock;
  /** How long the server may take to begin its answer. */
  readonly timeoutMs: number;
  /** Longest message. */
  readonly maxBytes: number;
  /** A promise holds the next ones back. */
  message(data: string): void | Promise<void>;
}

/** A stream that has named the endpoint for messages. */
export interface SseStream {
  readonly endpoint: URL;
  /** Called once, at once if that has been already. */
  onend(handler: (end: SseEnd) => void): void;
  /** Ends it without a word. */
  close(): void;
}

export interface SseEnd {
  /** `LINE_TOO_LONG`; undefined if it ended by itself, or the connection broke. */
  readonly error: RunError | undefined;
  /** How long to wait before another one is opened. */
  readonly retryMs: number;
}

/** How long a stream may take to name the endpoint for messages. */
const ENDPOINT_MS = 30_000;

/**
 * Opens the stream of a server of HTTP+SSE (2024-11-05, basic/transports).
 * @throws RunError `UPSTREAM_HTTP`, `UPSTREAM_REDIRECT`, and as `Sending.response` does
 */
export async function openSseStream(options: SseStreamOptions): Promise<SseStream> {
  const { server, url, connection, clock } = options;
  const headers = { accept: 'text/event-stream', 'accept-encoding': 'identity' };
  const sending = connection.send({ method: 'GET', url, headers }, true);
  let isLate = false;
  const stop = every(clock, options.timeoutMs, () => {
    if (sending.isAuthorizing) return;
    isLate = true;
    sending.abort();
  });
  const response = await sending.response
    .catch((error: unknown) => {
      throw isLate ? unreachable(server, url, new Error('it does not answer')) : error;
    })
    .finally(stop);
  const { status } = response;
  if (status < 300 && mediaTypeOf(response) === 'text/event-stream') return await follow(response, options);
  discard(response, clock);
  const detail = status < 300 ? NO_STREAM : '';
  throw new RunError('UPSTREAM_HTTP', { server, status, detail });
}

function follow(
  response: HttpResponse,
  { server, url, clock, maxBytes, message }: SseStreamOptions,
): Promise<SseStream> {
  return new Promise((resolve, reject) => {
    const late = (): void => fail(new Error('it does not say where messages go'));
    const cancel = clock.after(ENDPOINT_MS, late, true);
    let retryMs = RETRY_MS;
    let isOpen = false;
    let ended: SseEnd | undefined;
    let onend: (end: SseEnd) => void = () => {};
    readEvents(response, {
      server,
      maxLength: maxBytes,
      event({ event = 'message', data }) {
        if (event === 'message') return data === '' ? undefined : message(data);
        if (event === 'endpoint') found(data);
        return undefined;
      },
      retry(ms) {
        retryMs = ms;
      },
      end(error) {
        fail(error ?? new Error('it has closed the stream'));
        ended = { error: error instanceof RunError ? error : undefined, retryMs };
        onend(ended);
      },
    });
    // One that was aborted says nothing more.
    void response.over.then(() => fail(new Error('the stream is over')));

    function found(data: string): void {
      if (isOpen) return;
      if (!URL.canParse(data, url.href)) {
        const detail = `, but the endpoint that it names is not a URL: ${JSON.stringify(data.slice(0, 100))}`;
        return fail(new RunError('UPSTREAM_HTTP', { server, status: response.status, detail }));
      }
      const endpoint = new URL(data, url);
      // Messages, and credentials with them, go to the origin that was configured.
      if (endpoint.origin !== url.origin) return fail(foreignEndpoint(server, endpoint));
      isOpen = true;
      cancel();
      resolve({
        endpoint,
        close: () => response.abort(),
        onend(handler) {
          if (ended === undefined) onend = handler;
          else handler(ended);
        },
      });
    }

    function fail(error: Error): void {
      if (isOpen) return;
      cancel();
      reject(unreachable(server, url, error));
      response.abort();
    }
  });
}
