import { isRunError, RunError, toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { createScope, type Sending } from './connection.ts';
import { readEvents } from './events.ts';
import { shown, unreachable } from './failure.ts';
import { createHandshake } from './handshake.ts';
import { discard, mediaTypeOf, type HttpResponse } from './http-call.ts';
import { readMessages } from './messages.ts';
import { RETRY_MS } from './post.ts';
import { isDown, isError } from './refusal.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** How long a stream may take to say where messages go. */
const ENDPOINT_MS = 30_000;

export interface SseTransport extends RemoteTransport {
  /** Opens the stream. @throws RunError if the server has none */
  ready(): Promise<void>;
}

/** Speaks HTTP+SSE (2024-11-05, basic/transports): one stream for all that the server says, and a POST for each message to it. */
export function createSse(options: RemoteTransportOptions): SseTransport {
  const { server, url, log } = options;
  const connection = createScope(options.connection);
  const handshake = createHandshake();
  /** Requests without an answer. */
  const pending = new Map<RequestId, Frame>();
  /** Our own, when the session is begun again. */
  let replayed: { readonly id: RequestId; readonly done: () => void } | undefined;
  let stream: Sending | undefined;
  let endpoint: Promise<URL> | undefined;
  /** What has to have left before the next message does: requests may overtake each other, and nothing else. */
  let sent: Promise<void> = Promise.resolve();
  let isClosed = false;
  let hasWorked = false;
  let wake: () => void = () => {};

  return {
    send(frame) {
      if (isClosed) return undefined;
      if (frame.kind === 'request' && frame.id !== undefined) {
        if (claimsModern(frame.message))
          return answer(frame.id, new RunError('METHOD_NOT_FOUND', { method: frame.method ?? '' }));
        pending.set(frame.id, frame);
      }
      const passed = sent.then(() => pass(frame));
      if (frame.kind !== 'request' || frame.method === 'initialize') sent = passed;
      return undefined;
    },
    async ready() {
      endpoint ??= open();
      await endpoint;
    },
    async close() {
      isClosed = true;
      connection.abort();
      wake();
    },
  };

  async function pass(frame: Frame): Promise<void> {
    if (isClosed) return;
    try {
      endpoint ??= open();
      await post(await endpoint, frame);
      if (frame.kind === 'notification') handshake.notified(frame);
    } catch (thrown) {
      const error = toRunError(thrown);
      if (isClosed) return;
      if (isRunError(error, 'UPSTREAM_UNREACHABLE')) options.reached(error);
      if (!hasWorked) return options.fail(error);
      if (frame.id !== undefined && pending.delete(frame.id)) answer(frame.id, error);
    }
  }

  async function post(to: URL, { bytes }: Frame): Promise<void> {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await connection.send({ method: 'POST', url: to, headers, body: bytes }, false).response;
    discard(response);
    const { status } = response;
    if (status >= 300) throw new RunError('UPSTREAM_HTTP', { server, status, detail: '' });
  }

  // The stream

  /** Before the server has ever been reached, it is tried again for as long as the options allow. */
  async function open(): Promise<URL> {
    const start = performance.now();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        return await connect();
      } catch (thrown) {
        const error = toRunError(thrown);
        const isWorthIt = hasWorked || performance.now() - start + pauseMs < options.patienceMs;
        if (isClosed || !isWorthIt || !isDown(error)) throw error;
        options.reached(error);
        await pause(pauseMs);
        if (isClosed) throw error;
      }
    }
  }

  async function connect(): Promise<URL> {
    const headers = { accept: 'text/event-stream', 'accept-encoding': 'identity' };
    const sending = connection.send({ method: 'GET', url, headers }, true);
    stream = sending;
    const response = await sending.response;
    const { status } = response;
    if (status >= 300 || mediaTypeOf(response) !== 'text/event-stream') {
      discard(response);
      const detail = status < 300 ? ', but not with a stream of events' : '';
      throw new RunError('UPSTREAM_HTTP', { server, status, detail });
    }
    const found = await follow(response, sending);
    options.reached(undefined);
    return found;
  }

  /** @returns where messages go, once the stream has said so */
  function follow(response: HttpResponse, sending: Sending): Promise<URL> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        sending.abort();
        refuse(new Error('it does not say where messages go'));
      }, ENDPOINT_MS);
      let retryMs = RETRY_MS;
      let isOpen = false;
      readEvents(response, {
        server,
        maxLength: options.maxBytes,
        event({ event = 'message', data }) {
          if (event === 'message') return receive(data);
          if (event !== 'endpoint') return undefined;
          clearTimeout(timer);
          const to = URL.canParse(data, url.href) ? new URL(data, url) : undefined;
          // Messages, and credentials with them, go to the origin that was configured.
          isOpen = to?.origin === url.origin;
          if (isOpen && to !== undefined) resolve(to);
          else
            refuse(new RunError('UPSTREAM_REDIRECT', { server, origin: to?.origin ?? data.slice(0, 100) }));
          return undefined;
        },
        retry(ms) {
          retryMs = ms;
        },
        end(error) {
          clearTimeout(timer);
          refuse(error ?? new Error('it has closed the stream'));
          if (isOpen && stream === sending && !isClosed) lost(retryMs);
        },
      });

      function refuse(error: Error): void {
        reject(unreachable(server, url, error));
      }
    });
  }

  function receive(data: string): void | Promise<void> {
    let frames: Frame[];
    try {
      frames = readMessages(Buffer.from(data));
    } catch {
      log.warn({ event: 'remote.unreadable' }, 'the server sent something that is not JSON-RPC');
      return undefined;
    }
    const waits = frames.flatMap((frame) => take(frame) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  function take(frame: Frame): void | Promise<void> {
    if (frame.kind !== 'response' || frame.id === undefined) return options.deliver(frame);
    if (replayed !== undefined && frame.id === replayed.id) {
      replayed.done();
      return undefined;
    }
    const request = pending.get(frame.id);
    if (request === undefined) return undefined;
    pending.delete(frame.id);
    hasWorked = true;
    if (!isError(frame)) handshake.accepted(request);
    return options.deliver(frame);
  }

  /** What was asked will not be answered any more: the answers' only way is gone. */
  function lost(retryMs: number): void {
    if (!hasWorked)
      return options.fail(new RunError('UPSTREAM_STREAM_LOST', { server, method: 'initialize' }));
    replayed?.done();
    const requests = [...pending.values()];
    pending.clear();
    log.info({ event: 'remote.stream-lost' }, `the stream of ${shown(url)} has ended: it is opened again`);
    for (const { id, method = '' } of requests)
      if (id !== undefined) answer(id, new RunError('UPSTREAM_STREAM_LOST', { server, method }));
    const next = again(retryMs);
    endpoint = next;
    // Whoever sends next tries again.
    next.catch(() => {
      if (endpoint === next) endpoint = undefined;
    });
  }

  /** Begins another session as the client began its first. */
  async function again(retryMs: number): Promise<URL> {
    await pause(Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, retryMs)));
    if (isClosed) throw new RunError('UPSTREAM_CLOSED', { server });
    const { initialize, initialized } = handshake;
    const settings = handshake.settings();
    const to = await open();
    for (const request of [...(initialize === undefined ? [] : [initialize]), ...settings]) {
      await replay(to, request);
      if (request === initialize && initialized !== undefined) await post(to, initialized);
    }
    return to;
  }

  async function replay(to: URL, request: Frame): Promise<void> {
    const { id } = request;
    if (id === undefined) return;
    const answered = new Promise<void>((done) => {
      replayed = { id, done };
      wake = done;
    });
    await post(to, request);
    await answered;
    replayed = undefined;
  }

  function answer(id: RequestId, error: RunError): void {
    void options.deliver(faultFrame(error, id));
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
