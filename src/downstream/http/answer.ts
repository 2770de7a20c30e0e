import type { ServerResponse } from 'node:http';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { EventStream } from './event-stream.ts';
import { sendJson } from './reply.ts';
import { openSseResponse } from './sse-response.ts';
import type { Tickable, Ticker } from './ticker.ts';

/** Silence after which headers are sent, so that nothing on the way takes the answer for lost. */
const HOLD_MS = 10_000;
const COMMA = Buffer.from(',');

export interface AnswerOptions {
  readonly response: ServerResponse;
  /** The requests of this POST; more than one only in a batch. */
  readonly ids: readonly RequestId[];
  /** Answer with an array (2025-03-26). */
  readonly isBatch: boolean;
  readonly keepAliveMs: number;
  readonly ticker: Ticker;
  /** @param final the answer, if it is known before the headers are sent. */
  readonly headers: (final?: Frame) => Readonly<Record<string, string>>;
  /** Called if the answer turns out to need a stream. */
  readonly openStream: () => EventStream;
}

/**
 * The answer to one POST: headers are held back until the first message. If that is the final response the answer
 * is JSON in one write; anything else first, or a long silence, makes it an SSE stream.
 */
export interface Answer {
  /** False once the client left before anything was sent: it has no event id to come back with. */
  readonly isReachable: boolean;
  /** Sends a message that belongs to a request of this POST. */
  push(frame: Frame): void | Promise<void>;
  /** Sends a response; the last one ends the answer. */
  respond(id: RequestId, frame: Frame): void | Promise<void>;
  /** No response will come for this request. */
  forget(id: RequestId): void;
}

export function createAnswer(options: AnswerOptions): Answer {
  const { response, ticker } = options;
  const awaited = new Set(options.ids);
  const heldSince = Date.now();
  let held: Uint8Array[] = [];
  let stream: EventStream | undefined;

  const timer: Tickable = {
    tick(now) {
      if (now - heldSince >= HOLD_MS) commit();
    },
  };
  ticker.add(timer);
  response.once('close', () => ticker.remove(timer));

  return {
    get isReachable() {
      return stream !== undefined || !response.destroyed;
    },
    push: (frame) => commit().push(frame.bytes),
    respond(id, frame) {
      awaited.delete(id);
      if (stream === undefined) return hold(frame);
      const wait = stream.push(frame.bytes);
      if (awaited.size === 0) stream.finish();
      return wait;
    },
    forget(id) {
      awaited.delete(id);
      if (awaited.size > 0) return;
      // A cancelled request has no response: its stream just ends.
      if (held.length > 0) sendHeld();
      else commit().finish();
    },
  };

  function hold(frame: Frame): void {
    held.push(frame.bytes);
    if (awaited.size > 0) return;
    ticker.remove(timer);
    if (options.isBatch) sendHeld();
    else sendJson(response, 200, frame.bytes, options.headers(frame));
  }

  function sendHeld(): void {
    const parts = held.flatMap((bytes, index) => (index === 0 ? [bytes] : [COMMA, bytes]));
    sendJson(response, 200, Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]), options.headers());
  }

  function commit(): EventStream {
    if (stream !== undefined) return stream;
    ticker.remove(timer);
    stream = options.openStream();
    if (!response.destroyed) {
      const sse = openSseResponse(response, options.headers());
      const keepAlive: Tickable = { tick: (now) => sse.tick(now, options.keepAliveMs) };
      ticker.add(keepAlive);
      sse.onclose(() => ticker.remove(keepAlive));
      stream.attach(sse);
    }
    for (const bytes of held) void stream.push(bytes);
    held = [];
    return stream;
  }
}
