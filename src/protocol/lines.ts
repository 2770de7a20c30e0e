import { withoutBom } from './bom.ts';

const LF = 0x0a;
const CR = 0x0d;
/** How much of either end of an oversized line is kept: enough to see which request it is, or answers. */
const END_BYTES = 256;

/** The two ends of a line that was too long to be kept. */
export interface LineEnds {
  readonly head: Buffer;
  readonly tail: Buffer;
}

export interface LineHandlers {
  /** One line without its terminator; empty lines are not reported. */
  readonly line: (bytes: Buffer) => void;
  /** A line over the limit was skipped. */
  readonly overflow: (ends: LineEnds) => void;
}

/**
 * Takes the next bytes of a stream.
 * @param maxLines Stops after so many lines.
 * @returns how many bytes were taken; the others have to come again
 */
export type LineSplitter = (chunk: Buffer, maxLines?: number) => number;

class LineBuffer {
  readonly #maxBytes: number;
  readonly #handlers: LineHandlers;
  /** The line that has begun. */
  #parts: Buffer[] = [];
  #size = 0;
  /** The line that has begun and is over the limit. */
  #skipped: LineEnds | undefined;
  #isFirst = true;

  constructor(maxBytes: number, handlers: LineHandlers) {
    this.#maxBytes = maxBytes;
    this.#handlers = handlers;
  }

  /** @returns how many bytes were taken */
  take(chunk: Buffer, maxLines: number): number {
    let start = 0;
    let lines = 0;
    for (let end = chunk.indexOf(LF, start); end !== -1; end = chunk.indexOf(LF, start)) {
      if (lines === maxLines) return start;
      this.#finish(chunk.subarray(start, end));
      lines += 1;
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return chunk.length;
  }

  #keep(part: Buffer): void {
    if (this.#skipped !== undefined) {
      const tail = lastBytes(Buffer.concat([this.#skipped.tail, lastBytes(part)]));
      this.#skipped = { head: this.#skipped.head, tail };
      return;
    }
    this.#parts.push(part);
    this.#size += part.length;
    if (this.#size > this.#maxBytes) this.#skip();
  }

  #finish(part: Buffer): void {
    if (this.#parts.length === 0 && this.#skipped === undefined && part.length <= this.#maxBytes) {
      this.#emit(part);
      return;
    }
    this.#keep(part);
    if (this.#skipped === undefined) this.#emit(this.#join());
    else this.#overflow(this.#skipped);
  }

  #join(): Buffer {
    const line = Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return line;
  }

  #skip(): void {
    const line = this.#join();
    // Copies: a slice would keep the whole line in memory.
    this.#skipped = { head: Buffer.from(line.subarray(0, END_BYTES)), tail: Buffer.from(lastBytes(line)) };
  }

  #overflow({ head, tail }: LineEnds): void {
    this.#handlers.overflow({ head: this.#atStart(head), tail: withoutCr(tail) });
    this.#skipped = undefined;
  }

  #emit(line: Buffer): void {
    const trimmed = withoutCr(this.#atStart(line));
    if (trimmed.length > 0) this.#handlers.line(trimmed);
  }

  #atStart(line: Buffer): Buffer {
    if (!this.#isFirst) return line;
    this.#isFirst = false;
    return withoutBom(line);
  }
}

/** Cuts a byte stream into lines, without the byte order mark that it may begin with. Copies only lines that arrive in several chunks. */
export function createLineSplitter(maxBytes: number, handlers: LineHandlers): LineSplitter {
  const lines = new LineBuffer(maxBytes, handlers);
  return (chunk, maxLines = Infinity) => lines.take(chunk, maxLines);
}

function withoutCr(line: Buffer): Buffer {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function lastBytes(bytes: Buffer): Buffer {
  return bytes.subarray(Math.max(0, bytes.length - END_BYTES));
}
