import type { SseResponse } from './sse-response.ts';

/** One SSE stream as its sender knows it, whichever connection carries it. */
export interface EventStream {
  readonly isAttached: boolean;
  /** Sends an event. A promise means backpressure. */
  push(data: Uint8Array): void | Promise<void>;
  /** Carries on over `response`, which replaces the one before. */
  attach(response: SseResponse): void;
  /** The last event is sent: ends the connection. */
  finish(): void;
}

/** A stream that no client can resume: its events have no ids, and nothing of it is kept. */
class PlainStream implements EventStream {
  #response: SseResponse | undefined;

  get isAttached(): boolean {
    return this.#response?.isOpen === true;
  }

  push(data: Uint8Array): void | Promise<void> {
    return this.#response?.message(data);
  }

  attach(response: SseResponse): void {
    this.#response = response;
  }

  finish(): void {
    this.#response?.end();
  }
}

export function createPlainStream(): EventStream {
  return new PlainStream();
}
