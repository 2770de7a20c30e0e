import type { ServerResponse } from 'node:http';
import { isRunError, RunError, toRunError } from '../../../errors.ts';
import { DEFAULT_REVISION, isLegacyRevision, type LegacyRevision } from '../../../protocol/constants.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame, RequestId } from '../../../protocol/frame.ts';
import type { Link } from '../../../link/link.ts';
import { TransientMap } from '../../../protocol/transient-map.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import { createEventLog, parseEventId } from './event-log.ts';
import { createEventStream, type EventStream } from './event-stream.ts';
import { onFinished } from '../responses/on-finished.ts';
import { sendEmpty } from '../responses/reply.ts';
import { openSseResponse, type SseResponse } from '../responses/sse-response.ts';
import { requireAnswerable } from '../admit/unanswered.ts';

/** First revision whose clients understand an event with an id and no data (2025-11-25, basic/transports). */
const PRIMING_REVISION = '2025-11-25';
/** POST streams remembered per session for clients that come back; the oldest finished ones are forgotten. */
const MAX_STREAMS = 64;
const NO_HEADERS = {};
/** The stream of GET requests; POST streams count from 1. */
const STANDALONE = 0;

export interface StreamableSessionOptions {
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  readonly resumeLimitBytes: number;
  readonly keepAliveMs: number;
  /** JSON answers only: nothing but responses reaches the client. */
  readonly jsonResponse: boolean;
  /** The session is over, by whoever's doing; exactly once. */
  readonly onEnd: (session: StreamableSession) => void;
}

/** A Streamable HTTP session of the 2025 revisions (2025-11-25, basic/transports). */
export interface StreamableSession {
  readonly kind: 'streamable';
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  /** Negotiated by `initialize`; what is assumed before. */
  readonly revision: LegacyRevision;
  readonly isBusy: boolean;
  readonly hasStream: boolean;
  readonly lastMessageAt: number;
  /** This end of the conversation, for the router. */
  readonly link: Link;
  /** Takes the messages of one POST and answers it. @throws RunError before anything is sent. */
  receive(frames: readonly Frame[], isBatch: boolean, response: ServerResponse): void | Promise<void>;
  /** Answers a GET: the standalone stream, or the one that `lastEventId` belongs to. */
  openStream(response: ServerResponse, lastEventId: string | undefined): void;
  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number): void;
  close(): Promise<void>;
}

export function createStreamableSession(options: StreamableSessionOptions): StreamableSession {
  const { id, keepAliveMs } = options;
  const eventLog = createEventLog(options.resumeLimitBytes);
  const standalone = createEventStream(STANDALONE, eventLog, isPrimed);
  /** Streams of POST requests that a client may come back to. */
  const streams = new Map<number, EventStream>([[STANDALONE, standalone]]);
  const answers = new TransientMap<RequestId, Answer>();
  /** Open answers to GET requests. */
  const opened = new Set<SseResponse>();
  const canStream = !options.jsonResponse;
  const host: AnswerHost = { canStream, headersFor, statusOf: () => 200, openPostStream };
  let nextStream = STANDALONE + 1;
  let revision: LegacyRevision = DEFAULT_REVISION;
  /** The answer that opens the session, while it is pending. */
  let initializing: Answer | undefined;
  let isInitialized = false;
  let lastMessageAt = Date.now();
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: () => void = () => {};
  let isClosed = false;
  /** Messages that the server has not taken yet. */
  let waiting = 0;

  const link: Link = {
    peer: 'client',
    era: 'legacy',
    principal: options.principal,
    supports: { notifications: canStream, requests: canStream },
    send,
    onframe(handler) {
      onframe = handler;
    },
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    abandonResponse(requestId) {
      answers.get(requestId)?.forget();
      answers.delete(requestId);
    },
    close: async (reason) => end(reason),
  };

  const session: StreamableSession = {
    kind: 'streamable',
    id,
    server: options.server,
    principal: options.principal,
    get revision() {
      return revision;
    },
    get isBusy() {
      return answers.size > 0;
    },
    get hasStream() {
      return standalone.isAttached;
    },
    get lastMessageAt() {
      return lastMessageAt;
    },
    link,
    receive,
    openStream,
    tick,
    close: async () => end(),
  };
  return session;

  // From the client

  function receive(
    frames: readonly Frame[],
    isBatch: boolean,
    response: ServerResponse,
  ): void | Promise<void> {
    lastMessageAt = Date.now();
    const requests = frames.filter((frame) => frame.kind === 'request').length;
    if (requests === 0) return accept(frames, response);
    refuseDuplicates(frames);
    requireAnswerable(answers.size + requests);
    const answer = new Answer(host, response, requests, isBatch);
    for (const { kind, id: requestId } of frames) {
      if (kind === 'request' && requestId !== undefined) answers.set(requestId, answer);
    }
    if (!isInitialized && initializing === undefined && frames[0]?.method === 'initialize') {
      initializing = answer;
      // Nobody else knows of this session: without its client it would only be in the way until it is idle.
      onFinished(response, () => {
        if (initializing === answer) end();
      });
    }
    for (const frame of frames) deliver(frame, isBatch ? answer : undefined);
  }

  async function accept(frames: readonly Frame[], response: ServerResponse): Promise<void> {
    requireAnswerable(waiting + frames.length);
    waiting += frames.length;
    try {
      for (const frame of frames) await onframe(frame);
    } finally {
      waiting -= frames.length;
    }
    sendEmpty(response, 202);
  }

  function refuseDuplicates(frames: readonly Frame[]): void {
    const seen = frames.length > 1 ? new Set<RequestId>() : undefined;
    for (const { kind, id: requestId } of frames) {
      if (kind !== 'request' || requestId === undefined) continue;
      if (answers.has(requestId) || seen?.has(requestId) === true)
        throw new RunError('DUPLICATE_ID', { id: String(requestId) });
      seen?.add(requestId);
    }
  }

  /** @param batch the answer that takes the errors of single messages; without it they are thrown. */
  function deliver(frame: Frame, batch: Answer | undefined): void {
    try {
      void onframe(frame);
    } catch (error) {
      if (frame.id === undefined) return;
      const isOpening = initializing !== undefined && answers.get(frame.id) === initializing;
      answers.delete(frame.id);
      // Nobody was told the id of a session that its server has never heard of.
      if (isOpening) end();
      if (batch === undefined) throw error;
      void batch.respond(faultFrame(toRunError(error), frame.id));
    }
  }

  function openStream(response: ServerResponse, lastEventId: string | undefined): void {
    const resumed = lastEventId === undefined ? undefined : parseEventId(lastEventId);
    const stream = resumed === undefined ? undefined : streams.get(resumed.stream);
    const sse = openSseResponse(response, {});
    opened.add(sse);
    sse.onclose(() => opened.delete(sse));
    (stream ?? standalone).attach(sse, stream === undefined ? undefined : resumed?.sequence);
  }

  function tick(now: number): void {
    for (const answer of answers.values()) answer.tick(now, keepAliveMs);
    for (const sse of opened) sse.tick(now, keepAliveMs);
  }

  // To the client

  function send(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.kind === 'response') return respond(frame);
    const answer = relatedRequestId === undefined ? undefined : answers.get(relatedRequestId);
    // What nobody receives keeps no session: a server that talks to itself would never let it end.
    if (answer === undefined ? standalone.isAttached : answer.isConnected) lastMessageAt = Date.now();
    if (answer?.isReachable === true) return answer.push(frame);
    return canStream ? standalone.push(frame.bytes) : undefined;
  }

  function respond(frame: Frame): void | Promise<void> {
    if (frame.id === undefined) return undefined;
    const answer = answers.get(frame.id);
    if (answer === undefined) return undefined;
    answers.delete(frame.id);
    lastMessageAt = Date.now();
    const wait = answer.respond(frame);
    if (answer === initializing) initialized(frame);
    return wait;
  }

  function initialized(frame: Frame): void {
    initializing = undefined;
    const negotiated = frame.message.result?.['protocolVersion'];
    if (isLegacyRevision(negotiated)) revision = negotiated;
    // The client was never told the id of a session that failed to start.
    if (isError(frame)) end();
    else isInitialized = true;
  }

  /** The session's id is told by the answer to `initialize` alone, and not at all if that is an error. */
  function headersFor(answer: Answer, final?: Frame): Readonly<Record<string, string>> {
    if (answer !== initializing || (final !== undefined && isError(final))) return NO_HEADERS;
    return { 'mcp-session-id': id };
  }

  function openPostStream(): EventStream {
    const stream = createEventStream(nextStream, eventLog, isPrimed);
    nextStream += 1;
    streams.set(stream.key, stream);
    if (streams.size > MAX_STREAMS) dropOldestFinished();
    return stream;
  }

  function dropOldestFinished(): void {
    for (const [key, stream] of streams) {
      if (!stream.isFinished) continue;
      streams.delete(key);
      return;
    }
  }

  function isPrimed(): boolean {
    return revision >= PRIMING_REVISION;
  }

  function end(reason?: Error): void {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) for (const stream of streams.values()) stream.cut();
    if (isClosed) return;
    isClosed = true;
    // The router answers what is pending before the streams that carry the answers end.
    onclose();
    for (const stream of streams.values()) stream.finish();
    options.onEnd(session);
  }
}

function isError(frame: Frame): boolean {
  return frame.message.error !== undefined;
}
