import type { FastifyReply } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { openSseResponse, type SseResponse } from '../responses/sse-response.ts';
import { createEventLog, parseEventId, type EventLog } from './event-log.ts';
import { ResumableStream } from './resumable-stream.ts';

/** POST streams remembered per session for clients that resume; the oldest finished ones are dropped. */
const MAX_STREAMS = 64;
/** The stream of GET requests; POST streams count from 1. */
const STANDALONE = 0;

/** All event streams of one session (2025-11-25, basic/transports, resumability and redelivery). */
export class SessionStreams {
  /** The stream of GET requests. */
  readonly standalone: ResumableStream;
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #isPrimed: () => boolean;
  /** Those that a client may resume. */
  readonly #streams = new Map<number, ResumableStream>();
  /** Open answers to GET requests. */
  readonly #opened = new Set<SseResponse>();
  #nextKey = STANDALONE + 1;

  /**
   * @param maxBytes of messages that are kept for clients that resume
   * @param isPrimed whether a connection starts with an event without a message
   */
  constructor(maxBytes: number, isPrimed: () => boolean, clock: Clock) {
    this.#log = createEventLog(maxBytes);
    this.#isPrimed = isPrimed;
    this.#clock = clock;
    this.standalone = new ResumableStream(STANDALONE, this.#log, isPrimed);
    this.#streams.set(STANDALONE, this.standalone);
  }

  /** A stream for the answer to a POST. */
  openPost(): ResumableStream {
    const stream = new ResumableStream(this.#nextKey, this.#log, this.#isPrimed);
    this.#nextKey += 1;
    this.#streams.set(stream.key, stream);
    if (this.#streams.size > MAX_STREAMS) this.#dropOldestFinished();
    return stream;
  }

  /** Answers a GET: with the standalone stream, or the one that `lastEventId` belongs to. */
  openGet(reply: FastifyReply, lastEventId: string | undefined): void {
    const resumed = lastEventId === undefined ? undefined : parseEventId(lastEventId);
    const stream = resumed === undefined ? undefined : this.#streams.get(resumed.stream);
    const sse = openSseResponse(reply, {}, this.#clock);
    this.#opened.add(sse);
    sse.onclose(() => this.#opened.delete(sse));
    (stream ?? this.standalone).attach(sse, stream === undefined ? undefined : resumed?.sequence);
  }

  /** Keep-alives for the answers to GET requests. */
  tick(now: number, keepAliveMs: number): void {
    for (const sse of this.#opened) sse.tick(now, keepAliveMs);
  }

  /** Ends all streams, with what was sent on them delivered. */
  finish(): void {
    for (const stream of this.#streams.values()) stream.finish();
  }

  /** Destroys the connections of a client that does not read. */
  destroy(): void {
    for (const stream of this.#streams.values()) stream.destroy();
  }

  #dropOldestFinished(): void {
    for (const [key, stream] of this.#streams) {
      if (!stream.isFinished) continue;
      this.#streams.delete(key);
      return;
    }
  }
}
