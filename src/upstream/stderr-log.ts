import type { Readable } from 'node:stream';
import type { Log } from '../observe/log.ts';
import type { Mask } from '../observe/mask.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import type { StderrTail } from './supervision/stderr-tail.ts';

/** Longest stderr line that is logged whole. */
const MAX_LINE_BYTES = 16 * 1024;

/** A server's stderr is its log: every line goes to ours, under the server's name, and into the tail. */
export function logStderr(stderr: Readable, log: Log, tail: StderrTail, mask: Mask): void {
  const write = (...parts: Buffer[]): void => {
    // Before anything is cut off: half of a secret would not be recognized.
    const text = parts
      .map((part) => mask(part.toString()))
      .join('')
      .trimEnd();
    tail.add(text);
    log.info({ event: 'server.stderr' }, text);
  };
  const split = createLineSplitter(MAX_LINE_BYTES, {
    line: (bytes) => write(bytes),
    overflow: (ends) => write(ends.head, ends.tail),
  });
  stderr.on('data', split);
  // The last line of a process that dies often comes without a line end.
  stderr.on('end', () => split(Buffer.from('\n')));
}
