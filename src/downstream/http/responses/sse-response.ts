import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { destroyConnection, onFinished, writableOf } from './on-finished.ts';
import { takeOver } from './reply.ts';

/** Batches up to this size are copied into one buffer and leave as one chunk. */
const COPY_BYTES = 64 * 1024;
/** Unsent bytes past which a sender is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A client that reads nothing for this long is disconnected. */
const STALL_MS = 60_000;

const PREFIX = Buffer.from('event: message\ndata: ');
const END_OF_EVENT = Buffer.from('\n\n');
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

/** Buffers are full, and senders wait for the client to read. */
interface Stall {
  readonly since: number;
  readonly drained: Promise<void>;
  readonly release: () => void;
}

/**
 * One open `text/event-stream` answer (WHATWG HTML, section 9.2). Events of one turn of the event loop leave in one
 * write.
 */
export class SseResponse {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  #state: 'new' | 'open' | 'closed' = 'new';
  #batch: Uint8Array[] = [];
  #size = 0;
  #lastSentAt = 0;
  #stall: Stall | undefined;
  #onclose: () => void = () => {};

  constructor(reply: FastifyReply, clock: Clock) {
    this.#response = takeOver(reply);
    this.#clock = clock;
  }

  /** Sends the headers. */
  open(headers: Readonly<Record<string, string>>): void {
    this.#state = 'open';
    this.#lastSentAt = this.#clock.now();
    this.#response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    this.#response.flushHeaders();
    onFinished(this.#response, () => this.#closed());
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Sends one message as an event. `data` holds no CR or LF. A promise means backpressure. */
  message(data: Uint8Array, id?: string): void | Promise<void> {
    if (id !== undefined) this.#push(Buffer.from(`id: ${id}\n`));
    this.#push(PREFIX);
    this.#push(data);
    this.#push(END_OF_EVENT);
    return this.#backpressure();
  }

  /** Sends an event of another kind, or one that only carries an id. */
  event({ id, event, data }: { readonly id?: string; readonly event?: string; readonly data: string }): void {
    const head = (id === undefined ? '' : `id: ${id}\n`) + (event === undefined ? '' : `event: ${event}\n`);
    this.#push(Buffer.from(`${head}data: ${data}\n\n`));
  }

  /** Called by the ticker: a comment if nothing was sent for `keepAliveMs`, and the end for a client that stalls. */
  tick(now: number, keepAliveMs: number): void {
    if (this.#stall === undefined) {
      if (now - this.#lastSentAt >= keepAliveMs) this.#push(KEEP_ALIVE);
    } else if (now - this.#stall.since > STALL_MS) destroyConnection(this.#response);
  }

  end(): void {
    if (!this.isOpen) return;
    this.#flush();
    this.#response.end();
    // No tick comes any more to disconnect a client that stalls; Node's own timer of an idle socket does it.
    if (this.#stall !== undefined) this.#response.setTimeout(STALL_MS, () => this.#response.destroy());
    this.#closed();
  }

  /** Ends it with what was not read yet unsent: a client that does not read must not keep that in memory. */
  destroy(): void {
    destroyConnection(this.#response);
  }

  /** The client has left, or `end` was called; exactly once. */
  onclose(handler: () => void): void {
    this.#onclose = handler;
  }

  #push(part: Uint8Array): void {
    if (!this.isOpen) return;
    if (this.#batch.length === 0) process.nextTick(SseResponse.#flushNow, this);
    this.#batch.push(part);
    this.#size += part.length;
  }

  static #flushNow(this: void, sse: SseResponse): void {
    sse.#flush();
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const parts = this.#batch;
    const total = this.#size;
    this.#batch = [];
    this.#size = 0;
    this.#lastSentAt = this.#clock.now();
    if (total <= COPY_BYTES) {
      this.#response.write(Buffer.concat(parts, total));
      return;
    }
    this.#response.cork();
    for (const part of parts) this.#response.write(part);
    this.#response.uncork();
  }

  #backpressure(): void | Promise<void> {
    if (this.#stall !== undefined) return this.#stall.drained;
    if (!this.isOpen || this.#size + this.#response.writableLength < HIGH_WATER_BYTES) return undefined;
    this.#flush();
    if (!writableOf(this.#response).writableNeedDrain) return undefined;
    this.#stall = this.#stalled();
    return this.#stall.drained;
  }

  #stalled(): Stall {
    let resolve: () => void = () => {};
    const drained = new Promise<void>((resolved) => (resolve = resolved));
    const release = (): void => {
      this.#response.off('drain', release);
      this.#stall = undefined;
      resolve();
    };
    this.#response.on('drain', release);
    return { since: this.#clock.now(), drained, release };
  }

  #closed(): void {
    if (!this.isOpen) return;
    this.#state = 'closed';
    this.#batch = [];
    // An ended response never drains, and what is sent next may leave by another connection.
    this.#stall?.release();
    this.#onclose();
  }
}

/** Sends the headers at once. */
export function openSseResponse(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  clock: Clock,
): SseResponse {
  const opened = new SseResponse(reply, clock);
  opened.open(headers);
  return opened;
}
