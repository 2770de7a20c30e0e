import type { EventStream } from '../responses/event-stream.ts';
import type { SseResponse } from '../responses/sse-response.ts';
import { formatEventId, type EventLog } from './event-log.ts';

/**
 * One SSE stream of a session as the client knows it: it outlives the connections that carry it, and what a
 * connection missed is sent by the next one (2025-11-25, basic/transports, resumability and redelivery).
 */
export class ResumableStream implements EventStream {
  readonly key: number;
  readonly #log: EventLog;
  readonly #isPrimed: () => boolean;
  #sequence = 0;
  #sent = 0;
  #response: SseResponse | undefined;
  #isFinished = false;

  /**
   * @param isPrimed whether each connection starts with an id without a message, so that even a client that has seen
   * no message yet can resume (from 2025-11-25; older clients take the empty data for a message).
   */
  constructor(key: number, log: EventLog, isPrimed: () => boolean) {
    this.key = key;
    this.#log = log;
    this.#isPrimed = isPrimed;
  }

  get isAttached(): boolean {
    return this.#response?.isOpen === true;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Sends an event, or keeps it until a client attaches. A promise means backpressure. */
  push(data: Uint8Array): void | Promise<void> {
    this.#sequence += 1;
    const { isAttached } = this;
    this.#log.add(this.key, this.#sequence, data, !isAttached);
    if (!isAttached) return undefined;
    this.#sent = this.#sequence;
    return this.#response?.message(data, formatEventId(this.key, this.#sequence));
  }

  /** @param after the last event that the client has seen; without it, the last one that was sent. */
  attach(response: SseResponse, after = this.#sent): void {
    this.#response?.end();
    this.#response = response;
    if (this.#isPrimed()) response.event({ id: formatEventId(this.key, after), data: '' });
    for (const entry of this.#log.after(this.key, after))
      void response.message(entry.data, formatEventId(this.key, entry.sequence));
    this.#sent = this.#sequence;
    if (this.#isFinished) response.end();
  }

  /** The last event is sent: ends the connection, now or right after the next replay. */
  finish(): void {
    this.#isFinished = true;
    this.#response?.end();
  }

  /** Destroys the connection of a client that does not read. */
  destroy(): void {
    this.#response?.destroy();
  }
}
