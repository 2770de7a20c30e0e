import type { ServerResponse } from 'node:http';
import { RunError, toRunError } from '../../errors.ts';
import { DEFAULT_REVISION, isLegacyRevision, type LegacyRevision } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../protocol/link.ts';
import { createAnswer, type Answer } from './answer.ts';
import { createEventLog, parseEventId } from './event-log.ts';
import { createEventStream, type EventStream } from './event-stream.ts';
import { sendEmpty } from './reply.ts';
import { openSseResponse } from './sse-response.ts';
import type { Tickable, Ticker } from './ticker.ts';

/** First revision whose clients understand an event with an id and no data (2025-11-25, basic/transports). */
const PRIMING_REVISION = '2025-11-25';
/** POST streams remembered per session for clients that come back; the oldest finished ones are forgotten. */
const MAX_STREAMS = 64;
/** The stream of GET requests; POST streams count from 1. */
const STANDALONE = 0;

export interface StreamableSessionOptions {
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  readonly resumeLimitBytes: number;
  readonly keepAliveMs: number;
  readonly ticker: Ticker;
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
  receive(frames: readonly Frame[], isBatch: boolean, response: ServerResponse): Promise<void>;
  /** Answers a GET: the standalone stream, or the one that `lastEventId` belongs to. */
  openStream(response: ServerResponse, lastEventId: string | undefined): void;
  close(): Promise<void>;
}

export function createStreamableSession(options: StreamableSessionOptions): StreamableSession {
  const { id, ticker, keepAliveMs } = options;
  const eventLog = createEventLog(options.resumeLimitBytes);
  const standalone = createEventStream(STANDALONE, eventLog, isPrimed);
  /** Streams of POST requests that a client may come back to. */
  const streams = new Map<number, EventStream>([[STANDALONE, standalone]]);
  const answers = new Map<RequestId, Answer>();
  let nextStream = STANDALONE + 1;
  let revision: LegacyRevision = DEFAULT_REVISION;
  let initializeId: RequestId | undefined;
  let lastMessageAt = Date.now();
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: () => void = () => {};
  let isClosed = false;

  const link: Link = {
    peer: 'client',
    era: 'legacy',
    principal: options.principal,
    can: { push: true, ask: true },
    send,
    onframe(handler) {
      onframe = handler;
    },
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    forget(requestId) {
      answers.get(requestId)?.forget(requestId);
      answers.delete(requestId);
    },
    close: async () => end(),
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
    close: async () => end(),
  };
  return session;

  // From the client

  async function receive(frames: readonly Frame[], isBatch: boolean, response: ServerResponse): Promise<void> {
    lastMessageAt = Date.now();
    const ids = frames.flatMap((frame) => (frame.kind === 'request' && frame.id !== undefined ? [frame.id] : []));
    const duplicate = ids.find((requestId, index) => answers.has(requestId) || ids.indexOf(requestId) !== index);
    if (duplicate !== undefined) throw new RunError('DUPLICATE_ID', { id: duplicate });
    if (ids.length === 0) {
      for (const frame of frames) await onframe(frame);
      sendEmpty(response, 202);
      return;
    }
    const headers = frames[0]?.method === 'initialize' ? sessionHeader : () => ({});
    const answer = createAnswer({ response, ids, isBatch, keepAliveMs, ticker, headers, openStream: openPostStream });
    for (const requestId of ids) answers.set(requestId, answer);
    for (const frame of frames) deliver(frame, isBatch ? answer : undefined);
  }

  /** @param batch the answer that takes the errors of single messages; without it they are thrown. */
  function deliver(frame: Frame, batch: Answer | undefined): void {
    if (frame.method === 'initialize') initializeId = frame.id;
    try {
      void onframe(frame);
    } catch (error) {
      if (frame.id === undefined) return;
      answers.delete(frame.id);
      if (batch === undefined) throw error;
      void batch.respond(frame.id, faultFrame(toRunError(error), frame.id));
    }
  }

  function openStream(response: ServerResponse, lastEventId: string | undefined): void {
    const resumed = lastEventId === undefined ? undefined : parseEventId(lastEventId);
    const stream = resumed === undefined ? undefined : streams.get(resumed.stream);
    const sse = openSseResponse(response, {});
    const keepAlive: Tickable = { tick: (now) => sse.tick(now, keepAliveMs) };
    ticker.add(keepAlive);
    sse.onclose(() => ticker.remove(keepAlive));
    (stream ?? standalone).attach(sse, stream === undefined ? undefined : resumed?.sequence);
  }

  // To the client

  function send(frame: Frame, about?: RequestId): void | Promise<void> {
    lastMessageAt = Date.now();
    if (frame.kind === 'response') return respond(frame);
    const answer = about === undefined ? undefined : answers.get(about);
    return answer?.isReachable === true ? answer.push(frame) : standalone.push(frame.bytes);
  }

  function respond(frame: Frame): void | Promise<void> {
    if (frame.id === undefined) return undefined;
    const answer = answers.get(frame.id);
    answers.delete(frame.id);
    const wait = answer?.respond(frame.id, frame);
    if (frame.id === initializeId) initialized(frame);
    return wait;
  }

  function initialized(frame: Frame): void {
    initializeId = undefined;
    const negotiated = frame.message.result?.['protocolVersion'];
    if (isLegacyRevision(negotiated)) revision = negotiated;
    // The client was never told the id of a session that failed to start.
    if (isError(frame)) end();
  }

  /** Told by the answer to `initialize` alone, and not at all if that is an error. */
  function sessionHeader(final?: Frame): Record<string, string> {
    return final !== undefined && isError(final) ? {} : { 'mcp-session-id': id };
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

  function end(): void {
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
