import type { Log } from '../../observe/log.ts';
import type { RequestId } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import { excerptOf } from '../invalid-stdout.ts';

/** Warnings that may follow each other at once, and the time after which there may be another one. */
const BURST = 5;
const WARNING_MS = 60_000;
/** Ended requests whose ids are kept at least. */
const KEPT_IDS = 1_000;
/** Longest id that is kept, or logged whole. */
const MAX_ID = 100;

/** Logs messages of a remote server that are dropped: heartbeats must not fill the log at any rate. */
export class DroppedMessages {
  readonly #log: Log;
  readonly #clock: Clock;
  /** Streams with a warning of their own. */
  readonly #noted = new WeakSet<object>();
  #warnings = BURST;
  #renewedAt: number;
  /** Dropped without a warning since the last one. */
  #unlogged = 0;
  #ended = new Set<RequestId>();
  #endedBefore: ReadonlySet<RequestId> = new Set();
  #hasUnknownAnswer = false;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#renewedAt = clock.now();
  }

  /** Data of an event that is not a message. @param stream any object that stands for its stream */
  unreadable(data: string, stream: object): void {
    if (this.#noted.has(stream) || !this.#mayWarn()) {
      this.#unlogged += 1;
      return;
    }
    this.#noted.add(stream);
    const unlogged = this.#unlogged;
    this.#unlogged = 0;
    this.#log.warn(
      { event: 'remote.unreadable', ...(unlogged > 0 && { unlogged }) },
      'dropped an event from the server that is not a JSON-RPC message',
    );
    const bytes = Buffer.from(data);
    this.#log.debug({ event: 'remote.unreadable-data', bytes: bytes.length }, `dropped: ${excerptOf(bytes)}`);
  }

  /** A request was answered, cancelled or has failed: the server may still answer it. */
  ended(id: RequestId): void {
    if (String(id).length > MAX_ID) return;
    this.#ended.add(id);
    if (this.#ended.size < KEPT_IDS) return;
    this.#endedBefore = this.#ended;
    this.#ended = new Set();
  }

  /** An answer that no request waits for. */
  answer(answered: RequestId): void {
    const event = 'remote.answer-dropped';
    const id = shortened(answered);
    if (this.#ended.has(answered) || this.#endedBefore.has(answered)) {
      this.#log.debug({ event, id }, 'dropped a late answer: its request has ended');
    } else if (this.#hasUnknownAnswer) {
      this.#log.debug({ event, id }, 'dropped an answer with an unknown request id');
    } else {
      this.#hasUnknownAnswer = true;
      this.#log.warn(
        { event, id },
        'dropped an answer from the server: unknown request id, or not that of its stream',
      );
    }
  }

  #mayWarn(): boolean {
    const now = this.#clock.now();
    const renewed = Math.floor((now - this.#renewedAt) / WARNING_MS);
    if (renewed > 0) {
      this.#warnings = Math.min(BURST, this.#warnings + renewed);
      this.#renewedAt = now;
    }
    if (this.#warnings === 0) return false;
    this.#warnings -= 1;
    return true;
  }
}

function shortened(id: RequestId): RequestId {
  const text = String(id);
  return text.length > MAX_ID ? text.slice(0, MAX_ID) : id;
}
