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

/** Cuts a byte stream into lines, without the byte order mark that it may begin with. Copies only lines that arrive in several chunks. */
export function createLineSplitter(maxBytes: number, handlers: LineHandlers): LineSplitter {
  let parts: Buffer[] = [];
  let size = 0;
  let skipped: LineEnds | undefined;
  let isFirst = true;

  return (chunk, maxLines = Infinity) => {
    let start = 0;
    let lines = 0;
    for (let end = chunk.indexOf(LF, start); end !== -1; end = chunk.indexOf(LF, start)) {
      if (lines === maxLines) return start;
      finish(chunk.subarray(start, end));
      lines += 1;
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
    return chunk.length;
  };

  function keep(part: Buffer): void {
    if (skipped !== undefined) {
      const tail = lastBytes(Buffer.concat([skipped.tail, lastBytes(part)]));
      skipped = { head: skipped.head, tail };
      return;
    }
    parts.push(part);
    size += part.length;
    if (size > maxBytes) skip();
  }

  function finish(part: Buffer): void {
    if (parts.length === 0 && skipped === undefined && part.length <= maxBytes) {
      emit(part);
      return;
    }
    keep(part);
    if (skipped !== undefined) {
      handlers.overflow({ head: atStart(skipped.head), tail: withoutCr(skipped.tail) });
      skipped = undefined;
      return;
    }
    const line = Buffer.concat(parts, size);
    parts = [];
    size = 0;
    emit(line);
  }

  function skip(): void {
    const line = Buffer.concat(parts, size);
    // Copies: a slice would keep the whole line in memory.
    skipped = { head: Buffer.from(line.subarray(0, END_BYTES)), tail: Buffer.from(lastBytes(line)) };
    parts = [];
    size = 0;
  }

  function emit(line: Buffer): void {
    const trimmed = withoutCr(atStart(line));
    if (trimmed.length > 0) handlers.line(trimmed);
  }

  function atStart(line: Buffer): Buffer {
    if (!isFirst) return line;
    isFirst = false;
    return withoutBom(line);
  }
}

function withoutCr(line: Buffer): Buffer {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function lastBytes(bytes: Buffer): Buffer {
  return bytes.subarray(Math.max(0, bytes.length - END_BYTES));
}
