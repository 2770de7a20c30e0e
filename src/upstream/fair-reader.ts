export interface FairReaderOptions {
  /** Handles one turn's worth of a chunk, from its beginning. @returns the number of bytes that were handled */
  readonly take: (chunk: Buffer) => number;
  /** Called when a chunk needs more than one turn. */
  readonly pause: () => void;
  /** Called when all chunks have been handled; once for each `pause`. */
  readonly resume: () => void;
}

/**
 * Spreads the handling of one server's output over several turns of the event loop. A request of another client takes
 * several turns, too: if each of them handled everything that a busy server has written, that request would take many
 * times as long.
 */
export class FairReader {
  readonly #options: FairReaderOptions;
  /** Read, and not handled yet. */
  readonly #chunks: Buffer[] = [];

  constructor(options: FairReaderOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    // The output of an exited process is read to its end although the stream is paused.
    if (this.#chunks.length > 1) return;
    this.#handleSome();
    if (this.#chunks.length === 0) return;
    this.#options.pause();
    setImmediate(() => this.#continue());
  }

  /** Handles all chunks at once. Must not be called from `take`. */
  flush(): void {
    while (this.#chunks.length > 0) this.#handleSome();
  }

  #continue(): void {
    this.#handleSome();
    if (this.#chunks.length > 0) setImmediate(() => this.#continue());
    else this.#options.resume();
  }

  #handleSome(): void {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return;
    const end = this.#options.take(chunk);
    if (end < chunk.length) this.#chunks[0] = chunk.subarray(end);
    else this.#chunks.shift();
  }
}
