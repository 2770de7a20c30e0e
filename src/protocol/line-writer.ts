import type { Writable } from 'node:stream';
import type { Frame } from './frame.ts';

const NEWLINE = Buffer.from('\n');
/** Batches up to this size are copied into one buffer; larger ones are handed over slice by slice. */
const COPY_BYTES = 64 * 1024;

export interface LineWriter {
  /** A promise means backpressure; it resolves when the reader has caught up or is gone. */
  send(frame: Frame): void | Promise<void>;
  /** Hands over what is waiting for the end of this turn; call it before ending the stream. */
  flush(): void | Promise<void>;
}

/** Writes frames as lines. Frames of one turn of the event loop leave in one write. */
export function createLineWriter(stream: Writable): LineWriter {
  let batch: Uint8Array[] = [];
  let size = 0;
  let drained: Promise<void> | undefined;

  return { send, flush };

  function send(frame: Frame): void | Promise<void> {
    if (batch.length === 0) setImmediate(() => void flush());
    batch.push(frame.bytes, NEWLINE);
    size += frame.bytes.length + 1;
    if (drained !== undefined) return drained;
    return size > COPY_BYTES ? flush() : undefined;
  }

  function flush(): void | Promise<void> {
    if (batch.length === 0) return undefined;
    const parts = batch;
    const total = size;
    batch = [];
    size = 0;
    if (!write(parts, total)) drained ??= waitForDrain();
    return drained;
  }

  function write(parts: Uint8Array[], total: number): boolean {
    if (!stream.writable) return true;
    if (total <= COPY_BYTES) return stream.write(Buffer.concat(parts, total));
    stream.cork();
    for (const part of parts) stream.write(part);
    stream.uncork();
    return !stream.writableNeedDrain;
  }

  function waitForDrain(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        stream.off('close', done);
        stream.off('error', done);
        drained = undefined;
        resolve();
      };
      stream.on('drain', done);
      stream.on('close', done);
      stream.on('error', done);
    });
  }
}
