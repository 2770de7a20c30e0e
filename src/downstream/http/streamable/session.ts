import type { FastifyReply } from 'fastify';
import { isRunError, RunError, toRunError } from '../../../errors.ts';
import type { PeerSupport } from '../../../link/link.ts';
import { DEFAULT_REVISION, isLegacyRevision, type LegacyRevision } from '../../../protocol/constants.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame, RequestId } from '../../../protocol/frame.ts';
import { TransientMap } from '../../../protocol/transient-map.ts';
import { requireAnswerable } from '../admit/unanswered.ts';
import { ClientSession, type ClientSessionOptions } from '../client-session.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import type { EventStream } from '../responses/event-stream.ts';
import { onFinished } from '../responses/on-finished.ts';
import { sendEmpty } from '../responses/reply.ts';
import { SessionStreams } from './session-streams.ts';

/** First revision whose clients understand an event with an id and no data (2025-11-25, basic/transports). */
const PRIMING_REVISION = '2025-11-25';
const NO_HEADERS = {};

/** `new`: no `initialize` yet. `closed`: the session accepts no more messages. */
type Phase = 'new' | 'initializing' | 'ready' | 'closed';

export interface StreamableSessionOptions extends ClientSessionOptions {
  readonly resumeLimitBytes: number;
  readonly keepAliveMs: number;
  /** JSON answers only: nothing but responses reaches the client. */
  readonly jsonResponse: boolean;
  /** The session has ended, by either side; exactly once. */
  readonly onEnd: (session: StreamableSession) => void;
}

/**
 * A Streamable HTTP session of the 2025 revisions (2025-11-25, basic/transports). A client ends it by DELETE, and then it
 * neither sends nor reads any more.
 *
 * Requests of a client are found by id until their `Answer` has the response; everything else goes to the stream of the
 * request that it belongs to, or to the standalone stream.
 */
export class StreamableSession extends ClientSession implements AnswerHost {
  readonly kind = 'streamable';
  readonly supports: PeerSupport;
  readonly canStream: boolean;
  readonly #options: StreamableSessionOptions;
  readonly #streams: SessionStreams;
  readonly #answers = new TransientMap<RequestId, Answer>();
  #phase: Phase = 'new';
  /** The answer that opens the session, while it is pending. */
  #opening: Answer | undefined;
  #revision: LegacyRevision = DEFAULT_REVISION;

  constructor(options: StreamableSessionOptions) {
    super(options);
    this.canStream = !options.jsonResponse;
    this.supports = { notifications: this.canStream, requests: this.canStream };
    this.#options = options;
    const isPrimed = (): boolean => this.#revision >= PRIMING_REVISION;
    this.#streams = new SessionStreams(options.resumeLimitBytes, isPrimed, this.clock);
  }

  /** Negotiated by `initialize`; before, the one that is assumed. */
  get revision(): LegacyRevision {
    return this.#revision;
  }

  get isBusy(): boolean {
    return this.#answers.size > 0;
  }

  get hasStream(): boolean {
    return this.#streams.standalone.isAttached;
  }

  // From the client

  /** Takes the messages of one POST and answers it. @throws RunError before anything is sent. */
  receive(frames: readonly Frame[], isBatch: boolean, reply: FastifyReply): void | Promise<void> {
    this.noteMessage();
    const requests = countRequests(frames);
    if (requests === 0) return this.#accept(frames, reply);
    this.#refuseDuplicates(frames);
    requireAnswerable(this.#answers.size + requests);
    const answer = new Answer(this, reply, requests, isBatch, this.clock);
    for (const { kind, id } of frames) {
      if (kind === 'request' && id !== undefined) this.#answers.set(id, answer);
    }
    if (this.#phase === 'new' && frames[0]?.method === 'initialize') this.#initialize(answer, reply);
    for (const frame of frames) this.#deliverOne(frame, isBatch ? answer : undefined);
  }

  /** Answers a GET: the standalone stream, or the one that `lastEventId` belongs to. */
  openStream(reply: FastifyReply, lastEventId: string | undefined): void {
    this.#streams.openGet(reply, lastEventId);
  }

  async #accept(frames: readonly Frame[], reply: FastifyReply): Promise<void> {
    await this.deliverInOrder(frames);
    sendEmpty(reply, 202);
  }

  #refuseDuplicates(frames: readonly Frame[]): void {
    const seen = frames.length > 1 ? new Set<RequestId>() : undefined;
    for (const { kind, id } of frames) {
      if (kind !== 'request' || id === undefined) continue;
      if (this.#answers.has(id) || seen?.has(id) === true)
        throw new RunError('DUPLICATE_ID', { id: String(id) });
      seen?.add(id);
    }
  }

  #initialize(answer: Answer, reply: FastifyReply): void {
    this.#phase = 'initializing';
    this.#opening = answer;
    // No other client knows of this session: without its own it would only take room until it is idle.
    onFinished(reply.raw, () => {
      if (this.#opening === answer) this.#end();
    });
  }

  /** @param batch the answer that takes the errors of single messages; without it they are thrown. */
  #deliverOne(frame: Frame, batch: Answer | undefined): void {
    try {
      void this.deliver(frame);
    } catch (error) {
      if (frame.id === undefined) return;
      const isOpening = this.#opening !== undefined && this.#answers.get(frame.id) === this.#opening;
      this.#answers.delete(frame.id);
      // No client knows the id of a session that its server has never heard of.
      if (isOpening) this.#end();
      if (batch === undefined) throw error;
      void batch.respond(faultFrame(toRunError(error), frame.id));
    }
  }

  // To the client

  send(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.kind === 'response') return this.#respond(frame);
    const answer = relatedRequestId === undefined ? undefined : this.#answers.get(relatedRequestId);
    const { standalone } = this.#streams;
    // A message that no client receives keeps no session: otherwise the server's own messages would never let it end.
    if (answer === undefined ? standalone.isAttached : answer.isConnected) this.noteMessage();
    if (answer?.isReachable === true) return answer.push(frame);
    return this.canStream ? standalone.push(frame.bytes) : undefined;
  }

  #respond(frame: Frame): void | Promise<void> {
    if (frame.id === undefined) return undefined;
    const answer = this.#answers.get(frame.id);
    if (answer === undefined) return undefined;
    this.#answers.delete(frame.id);
    this.noteMessage();
    const wait = answer.respond(frame);
    if (answer === this.#opening) this.#initialized(frame);
    return wait;
  }

  #initialized(frame: Frame): void {
    this.#opening = undefined;
    const negotiated = frame.message.result?.['protocolVersion'];
    if (isLegacyRevision(negotiated)) this.#revision = negotiated;
    // The client does not know the id of a session that failed to start.
    if (isError(frame)) this.#end();
    else if (this.#phase === 'initializing') this.#phase = 'ready';
  }

  /** The answer to `initialize` carries the session's id, unless it is an error; no other answer does. */
  headersFor(answer: Answer, final?: Frame): Readonly<Record<string, string>> {
    if (answer !== this.#opening || (final !== undefined && isError(final))) return NO_HEADERS;
    return { 'mcp-session-id': this.id };
  }

  statusOf(): number {
    return 200;
  }

  openPostStream(): EventStream {
    return this.#streams.openPost();
  }

  // Life cycle

  abandonResponse(requestId: RequestId): void {
    this.#answers.get(requestId)?.forget();
    this.#answers.delete(requestId);
  }

  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number): void {
    const { keepAliveMs } = this.#options;
    for (const answer of this.#answers.values()) answer.tick(now, keepAliveMs);
    this.#streams.tick(now, keepAliveMs);
  }

  async close(reason?: Error): Promise<void> {
    if (isRunError(reason, 'CLIENT_TOO_SLOW')) this.#streams.destroy();
    this.#end();
  }

  #end(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    // The router answers what is pending before the streams that carry the answers end.
    this.closed();
    this.#streams.finish();
    this.#options.onEnd(this);
  }
}

function countRequests(frames: readonly Frame[]): number {
  let count = 0;
  for (const { kind } of frames) if (kind === 'request') count += 1;
  return count;
}

function isError(frame: Frame): boolean {
  return frame.message.error !== undefined;
}
