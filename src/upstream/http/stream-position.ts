/** What a server wants to be waited for before a stream is opened again, if it does not say. */
export const RETRY_MS = 1_000;
const SHORTEST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 3_600_000;
/** Characters that no header may have. */
// oxlint-disable-next-line no-control-regex
const NO_HEADER = /[\0-\x08\x0a-\x1f\x7f]/;

/** Where a stream of events has got to (2025-11-25, basic/transports, resumability and redelivery). */
export class StreamPosition {
  #lastEventId = '';
  #retryMs = RETRY_MS;

  /** How long to wait before going on. */
  get retryMs(): number {
    return this.#retryMs;
  }

  /** The server can be asked to go on behind the last event. */
  get isKnown(): boolean {
    return this.#lastEventId !== '';
  }

  /** @param id of an event; an empty one, or one that cannot be sent back, takes back what was there before */
  reached(id: string | undefined): void {
    if (id !== undefined) this.#lastEventId = NO_HEADER.test(id) ? '' : id;
  }

  retry(ms: number): void {
    this.#retryMs = Math.min(LONGEST_RETRY_MS, Math.max(SHORTEST_RETRY_MS, ms));
  }

  /** Asks for a stream, from there on. An event that has to come at once must not wait in a proxy's compressor. */
  headers(): Record<string, string> {
    return {
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      // A header is bytes: UTF-8 here, as browsers send it.
      ...(this.isKnown && { 'last-event-id': Buffer.from(this.#lastEventId).toString('latin1') }),
    };
  }
}
