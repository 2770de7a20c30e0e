import type { ServerResponse } from 'node:http';
import { destroyConnection, onFinished } from './on-finished.ts';

/** Batches up to this size are copied into one buffer and leave as one chunk. */
const COPY_BYTES = 64 * 1024;
/** Unsent bytes past which a sender is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A reader that takes nothing for this long is cut off. */
const STALL_MS = 60_000;

const PREFIX = Buffer.from('event: message\ndata: ');
const END_OF_EVENT = Buffer.from('\n\n');
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

/** One open `text/event-stream` answer (WHATWG HTML, section 9.2). */
export interface SseResponse {
  readonly isOpen: boolean;
  /** One message as an event. `data` holds no CR or LF. A promise means backpressure. */
  message(data: Uint8Array, id?: string): void | Promise<void>;
  /** An event of another kind, or one that only carries an id. */
  event(fields: { readonly id?: string; readonly event?: string; readonly data: string }): void;
  /** Called by the ticker: a comment if nothing was sent for `keepAliveMs`, and the end for a reader that stalls. */
  tick(now: number, keepAliveMs: number): void;
  end(): void;
  /** Ends it with what was not read yet unsent: a reader that does not read must not keep that in memory. */
  cut(): void;
  /** The reader is gone, or `end` was called; exactly once. */
  onclose(handler: () => void): void;
}

/** Sends the headers at once; events of one turn of the event loop leave in one write. */
export function openSseResponse(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): SseResponse {
  let batch: Uint8Array[] = [];
  let size = 0;
  let lastSentAt = Date.now();
  let stalledSince: number | undefined;
  let drained: Promise<void> | undefined;
  let releaseSender: () => void = () => {};
  let closeHandler: () => void = () => {};
  let isOpen = true;

  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  onFinished(response, closed);

  return {
    get isOpen() {
      return isOpen;
    },
    message(data, id) {
      if (id !== undefined) push(Buffer.from(`id: ${id}\n`));
      push(PREFIX);
      push(data);
      push(END_OF_EVENT);
      return backpressure();
    },
    event({ id, event, data }) {
      const head = (id === undefined ? '' : `id: ${id}\n`) + (event === undefined ? '' : `event: ${event}\n`);
      push(Buffer.from(`${head}data: ${data}\n\n`));
    },
    tick(now, keepAliveMs) {
      if (stalledSince !== undefined && now - stalledSince > STALL_MS) destroyConnection(response);
      else if (stalledSince === undefined && now - lastSentAt >= keepAliveMs) push(KEEP_ALIVE);
    },
    end() {
      if (!isOpen) return;
      flush();
      response.end();
      // No tick comes any more to cut off a reader that stalls.
      if (stalledSince !== undefined) response.setTimeout(STALL_MS, () => response.destroy());
      closed();
    },
    cut: () => destroyConnection(response),
    onclose(handler) {
      closeHandler = handler;
    },
  };

  function push(part: Uint8Array): void {
    if (!isOpen) return;
    if (batch.length === 0) process.nextTick(flush);
    batch.push(part);
    size += part.length;
  }

  function flush(): void {
    if (batch.length === 0) return;
    const parts = batch;
    const total = size;
    batch = [];
    size = 0;
    lastSentAt = Date.now();
    if (total <= COPY_BYTES) {
      response.write(Buffer.concat(parts, total));
      return;
    }
    response.cork();
    for (const part of parts) response.write(part);
    response.uncork();
  }

  function backpressure(): void | Promise<void> {
    if (drained !== undefined) return drained;
    if (!isOpen || size + response.writableLength < HIGH_WATER_BYTES) return undefined;
    flush();
    if (!response.writableNeedDrain) return undefined;
    stalledSince = Date.now();
    drained = new Promise((resolve) => {
      releaseSender = () => {
        response.off('drain', releaseSender);
        stalledSince = undefined;
        drained = undefined;
        resolve();
      };
      response.on('drain', releaseSender);
    });
    return drained;
  }

  function closed(): void {
    if (!isOpen) return;
    isOpen = false;
    batch = [];
    // An ended response never drains, and what is sent next may leave by another connection.
    releaseSender();
    closeHandler();
  }
}
