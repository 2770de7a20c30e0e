import { RunError, toRunError, timeoutError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { createScope } from './connection.ts';
import { DroppedMessages } from './dropped-messages.ts';
import { logFailure, shown } from './failure.ts';
import { createHandshake } from './handshake.ts';
import { discard } from './http-call.ts';
import { isSound, sortMessages, withId } from './messages.ts';
import { detailOf, isDown, isError, isProcessed, readRejectionReason } from './rejection-reason.ts';
import { openSseStream, type SseEnd, type SseStream } from './sse-stream.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** How long a notification, or an answer, may take to be accepted. */
const TELL_MS = 30_000;

export interface SseTransport extends RemoteTransport {
  /** Opens the stream. @throws RunError if the server has none */
  ready(): Promise<void>;
}

/** Speaks HTTP+SSE (2024-11-05, basic/transports): one stream for all that the server says, and a POST for each message to it. */
export function createSse(options: RemoteTransportOptions): SseTransport {
  const { server, url, maxBytes, log } = options;
  const connection = createScope(options.connection);
  const handshake = createHandshake();
  const dropped = new DroppedMessages(log);
  /** Requests without an answer. */
  const pending = new Map<RequestId, Frame>();
  /** Our own, when the session is begun again. */
  let replayed: Replayed | undefined;
  /** Where messages go, of the stream that is open, or is about to be. */
  let endpoint: Promise<URL> | undefined;
  let stream: SseStream | undefined;
  let isBeginning = false;
  /** The stream could not be opened again, and there is a pause. */
  let isDoubtful = false;
  /** What has to have left before the next message does: requests may overtake each other, and nothing else. */
  let sent: Promise<void> = Promise.resolve();
  let isClosed = false;
  let hasWorked = false;
  let wake: () => void = () => {};

  return {
    send(frame) {
      if (isClosed) return undefined;
      if (frame.method === 'notifications/cancelled') forget(frame);
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
      // Somebody waits: there is an answer to be had, be it that there is nobody.
      if (isDoubtful) wake();
      endpoint ??= open();
      const to = await endpoint;
      // Its stream may have been lost meanwhile.
      if (frame.kind === 'request' && frame.id !== undefined && pending.get(frame.id) !== frame) return;
      await post(to, frame);
      if (frame.kind === 'notification') handshake.notified(frame);
    } catch (thrown) {
      const error = toRunError(thrown);
      if (isClosed) return;
      if (error.code === 'UPSTREAM_UNREACHABLE') options.reached(error);
      if (!hasWorked) return options.fail(error);
      if (frame.id !== undefined && settle(frame.id)) answer(frame.id, error);
    }
  }

  async function post(to: URL, { kind, id, bytes }: Frame): Promise<void> {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    // The answer may have arrived on the stream already.
    const isAnswered = (own: RequestId): boolean => !pending.has(own) && replayed?.id !== own;
    const isAnswer = (body: Buffer): boolean =>
      kind === 'request' && id !== undefined && (isAnswered(id) || isProcessed(body, id));
    const sending = connection.send({ method: 'POST', url: to, headers, body: bytes, isAnswer }, false);
    const timer = kind === 'request' ? undefined : setTimeout(() => sending.abort(), TELL_MS);
    const response = await sending.response.finally(() => clearTimeout(timer));
    const { status } = response;
    if (status < 500) options.reached(undefined);
    if (status < 300) return discard(response);
    const refusal = await readRejectionReason(response, maxBytes, id);
    const reply = refusal.error ?? refusal.result;
    const isOwn =
      kind === 'request' && id !== undefined && reply !== undefined && String(reply.id) === String(id);
    if (isOwn && settle(id) !== undefined) return void options.deliver(withId(reply, id));
    throw new RunError('UPSTREAM_HTTP', { server, status, detail: options.mask(detailOf(refusal)) });
  }

  function forget({ message }: Frame): void {
    const id = message.params?.['requestId'];
    if (isRequestId(id)) settle(id);
  }

  /** @returns the request, if it had no answer yet */
  function settle(id: RequestId): Frame | undefined {
    const request = pending.get(id);
    if (pending.delete(id)) dropped.ended(id);
    return request;
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
        const isWorthIt = performance.now() - start + pauseMs < options.patienceMs;
        if (isClosed || !isWorthIt || !isDown(error)) throw error;
        log.info({ event: 'remote.waiting' }, `${error.message}; trying again`);
        await pause(pauseMs);
        if (isClosed) throw error;
      }
    }
  }

  async function connect(): Promise<URL> {
    // Stands for the stream that is about to be opened.
    const opened = {};
    stream = await openSseStream({
      server,
      url,
      connection,
      timeoutMs: options.initializeTimeoutMs,
      maxBytes,
      message: (data) => receive(data, opened),
    });
    options.reached(undefined);
    const { endpoint: to } = stream;
    stream.onend(lost);
    return to;
  }

  /** What was asked will not be answered any more: the answers' only way is gone. */
  function lost({ error, retryMs }: SseEnd): void {
    stream = undefined;
    if (isClosed) return undefined;
    if (!hasWorked) return options.fail(error ?? streamLost('initialize'));
    replayed?.failed(error ?? streamLost('initialize'));
    log.info({ event: 'remote.stream-lost' }, `the stream of ${shown(url)} has ended: it is opened again`);
    const requests = [...pending].filter(([id]) => settle(id) !== undefined);
    for (const [id, { method = '' }] of requests) answer(id, error ?? streamLost(method));
    // Who begins the session again finds out by itself.
    if (!isBeginning) reopen(Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, retryMs)));
    return undefined;
  }

  /** Again and again, with growing pauses; what is sent meanwhile learns of each failure. */
  function reopen(pauseMs: number): void {
    const next = pause(pauseMs).then(begin);
    endpoint = next;
    next.catch((thrown) => {
      if (isClosed) return;
      const error = toRunError(thrown);
      log.debug({ event: 'remote.failed', reason: error.code.toLowerCase() }, error.message);
      if (isDown(error)) options.reached(error);
      isDoubtful = true;
      reopen(Math.min(LONGEST_PAUSE_MS, pauseMs * 2));
    });
  }

  /** Begins another session as the client began its first. */
  async function begin(): Promise<URL> {
    isDoubtful = false;
    if (isClosed) throw new RunError('UPSTREAM_CLOSED', { server });
    const { initialize, initialized } = handshake;
    const settings = handshake.settings();
    isBeginning = true;
    try {
      const to = await connect();
      if (initialize !== undefined) await replay(to, initialize);
      if (initialized !== undefined) await post(to, initialized);
      for (const setting of settings) await replay(to, setting);
      if (stream === undefined) throw streamLost('initialize');
      return to;
    } catch (error) {
      stream?.close();
      throw error;
    } finally {
      isBeginning = false;
    }
  }

  /** @throws RunError if the server refuses what begins a session, or its stream is lost */
  async function replay(to: URL, request: Frame): Promise<void> {
    const { id, method = '' } = request;
    if (id === undefined) return;
    if (stream === undefined) throw streamLost(method);
    const timeoutMs = options.initializeTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<Frame>((done, failed) => {
      replayed = { id, method, done, failed };
      timer = setTimeout(() => failed(timeoutError({ server, method, timeoutMs })), timeoutMs);
    });
    const [received] = await Promise.all([answered, post(to, request)]).finally(() => {
      clearTimeout(timer);
      replayed = undefined;
    });
    if (method === 'initialize' && isError(received)) {
      const detail = options.mask(received.message.error?.message ?? '');
      throw new RunError('UPSTREAM_ERROR', { server, method, detail });
    }
  }

  // What it says

  function receive(data: string, from: object): void | Promise<void> {
    const { frames, faults } = sortMessages(Buffer.from(data));
    for (const { id, cause } of faults) {
      if (id === undefined || !malformed(id, cause)) dropped.unreadable(data, from);
    }
    const waits = frames.flatMap((frame) => take(frame) ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  function take(frame: Frame): void | Promise<void> {
    if (frame.kind !== 'response' || frame.id === undefined) return options.deliver(frame);
    if (!isSound(frame) && malformed(frame.id)) return undefined;
    if (replayed !== undefined && frame.id === replayed.id) {
      replayed.done(frame);
      return undefined;
    }
    const request = settle(frame.id);
    if (request === undefined) return dropped.answer(frame.id);
    hasWorked = true;
    if (!isError(frame)) handshake.accepted(request);
    return options.deliver(frame);
  }

  /** The answer to a request is not a message, and there will be no other. @returns whether there is such a request */
  function malformed(id: RequestId, cause?: unknown): boolean {
    const own = replayed?.id === id ? replayed : undefined;
    const request = own ?? settle(id);
    if (request === undefined) return false;
    const { method = '' } = request;
    const error = new RunError('MALFORMED_ANSWER', { server, method }, { cause });
    if (own === undefined) answer(id, error);
    else own.failed(error);
    return true;
  }

  function answer(id: RequestId, error: RunError): void {
    logFailure(log, error);
    void options.deliver(faultFrame(error, id));
  }

  function streamLost(method: string): RunError {
    return new RunError('UPSTREAM_STREAM_LOST', { server, method });
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

/** A request of our own that waits for its answer. */
interface Replayed {
  readonly id: RequestId;
  readonly method: string;
  done(answer: Frame): void;
  failed(error: RunError): void;
}
