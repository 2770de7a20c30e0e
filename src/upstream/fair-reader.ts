export interface FairReaderOptions {
  /** Handles the beginning of a chunk, a turn's worth of it. @returns how many bytes that was */
  readonly take: (chunk: Buffer) => number;
  /** Called when more has been read than is handled in one turn. */
  readonly pause: () => void;
  /** Called when all of it has been handled. */
  readonly resume: () => void;
}

/**
 * Handles what has been read from one peer in several turns of the event loop. The request of another client takes several
 * turns: if each of them handled all that a busy server has written meanwhile, that request would take many times as long.
 */
export class FairReader {
  readonly #options: FairReaderOptions;
  /** What has been read and not handled. */
  readonly #chunks: Buffer[] = [];

  constructor(options: FairReaderOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    // A peer that has ended may be read to its end although it is paused.
    if (this.#chunks.length > 1) return;
    this.#handleSome();
    if (this.#chunks.length === 0) return;
    this.#options.pause();
    setImmediate(() => this.#continue());
  }

  /** Handles at once all that has been read; not to be called by `take`. */
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
