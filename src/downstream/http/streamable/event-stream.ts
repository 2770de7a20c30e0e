import { formatEventId, type EventLog } from './event-log.ts';
import type { SseResponse } from '../responses/sse-response.ts';

/**
 * One SSE stream of a session as the client knows it: it outlives the connections that carry it, and what a
 * connection missed is sent by the next one (2025-11-25, basic/transports, resumability and redelivery).
 */
export interface EventStream {
  readonly key: number;
  readonly isAttached: boolean;
  readonly isFinished: boolean;
  /** Sends an event, or keeps it until a client attaches. A promise means backpressure. */
  push(data: Uint8Array): void | Promise<void>;
  /**
   * Carries on over `response`, which replaces the one before.
   * @param after the last event that the client has seen; without it, the last one that was sent.
   */
  attach(response: SseResponse, after?: number): void;
  /** The last event is sent: ends the connection, now or right after the next replay. */
  finish(): void;
  /** Ends the connection only. */
  detach(): void;
  /** Ends the connection of a client that does not read it. */
  cut(): void;
}

/** @param isPrimed whether each connection starts with an id without a message, so that even a client that has seen
 * no message yet can come back (from 2025-11-25; older clients take the empty data for a message). */
export function createEventStream(key: number, log: EventLog, isPrimed: () => boolean): EventStream {
  let sequence = 0;
  let sent = 0;
  let response: SseResponse | undefined;
  let finished = false;

  return {
    key,
    get isAttached() {
      return response?.isOpen === true;
    },
    get isFinished() {
      return finished;
    },
    push(data) {
      sequence += 1;
      const isOpen = response?.isOpen === true;
      log.add(key, sequence, data, !isOpen);
      if (!isOpen) return undefined;
      sent = sequence;
      return response?.message(data, formatEventId(key, sequence));
    },
    attach(next, after = sent) {
      response?.end();
      response = next;
      if (isPrimed()) next.event({ id: formatEventId(key, after), data: '' });
      for (const entry of log.after(key, after))
        void next.message(entry.data, formatEventId(key, entry.sequence));
      sent = sequence;
      if (finished) next.end();
    },
    finish() {
      finished = true;
      response?.end();
    },
    detach() {
      response?.end();
      response = undefined;
    },
    cut: () => response?.cut(),
  };
}

/** A stream that nobody can come back to: its events have no ids, and nothing of it is kept. */
export function createPlainStream(): EventStream {
  let response: SseResponse | undefined;
  let finished = false;

  return {
    key: 0,
    get isAttached() {
      return response?.isOpen === true;
    },
    get isFinished() {
      return finished;
    },
    push: (data) => response?.message(data),
    attach(next) {
      response = next;
    },
    finish() {
      finished = true;
      response?.end();
    },
    detach: () => response?.end(),
    cut: () => response?.cut(),
  };
}
