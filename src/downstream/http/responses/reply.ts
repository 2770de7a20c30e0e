import { isAscii } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { RunError } from '../../../errors.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { RequestId } from '../../../protocol/frame.ts';
import { hasBody } from '../admit/body.ts';
import { onFinished, writableOf } from './on-finished.ts';

/** Up to this size a body leaves together with its headers, as one string in one system call. */
const ONE_WRITE_BYTES = 8 * 1024;

type Headers = Readonly<Record<string, string | number>>;

/** When nothing better is known. */
export const RETRY_AFTER_S = 5;

/** Unread bytes past which the sender of an answer is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A reader that takes nothing for this long is cut off. */
const STALL_MS = 60_000;
const NO_HEADERS: Headers = {};

/** A JSON body. A promise means backpressure: the client has not taken a large body yet. */
export function sendJson(
  reply: FastifyReply,
  status: number,
  body: Uint8Array,
  headers = NO_HEADERS,
): void | Promise<void> {
  const { raw } = reply;
  if (reply.sent || writableOf(raw).destroyed) return;
  reply.code(status).headers(headers).header('content-type', 'application/json');
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (bytes.length <= ONE_WRITE_BYTES && isAscii(bytes))
    void reply.serializer(asItIs).send(bytes.toString('latin1'));
  else void reply.send(bytes);
  // An `onSend` hook of the application may take its time.
  const isTaken = raw.writableEnded && raw.writableLength <= HIGH_WATER_BYTES;
  return isTaken ? undefined : taken(raw);
}

/** Keeps Fastify from adding a charset to the type, which JSON has none of (RFC 8259, section 11). */
function asItIs(body: string): string {
  return body;
}

/** Without it a client that asks for much and reads nothing would have us hold all of it. */
function taken(response: ServerResponse): Promise<void> {
  // Node's own timer of an idle socket, which each write of the response starts again: no clock can be handed to it.
  response.setTimeout(STALL_MS, () => response.destroy());
  return new Promise((resolve) => {
    response.once('finish', resolve);
    onFinished(response, resolve);
  });
}

/** A catalogued error as an HTTP answer with a JSON-RPC body. */
export function sendFault(reply: FastifyReply, error: RunError, id?: RequestId, headers = NO_HEADERS): void {
  const retry =
    error.httpStatus === 503 ? { 'retry-after': String(error.fields['retryAfter'] ?? RETRY_AFTER_S) } : {};
  const body = faultFrame(error, id).bytes;
  if (isReceived(reply)) void sendJson(reply, error.httpStatus, body, { ...headers, ...retry });
  else sendBeforeEnd(reply, error.httpStatus, body, { ...headers, ...retry });
}

/** Whether nothing more comes of the request. */
function isReceived({ request: { raw } }: FastifyReply): boolean {
  return raw.complete || !hasBody(raw);
}

/**
 * Refuses a request that is still being sent. Closing the connection under the sender would reset it, and the refusal
 * would be lost: the rest of the request is read first, for as long as a request may take.
 */
function sendBeforeEnd(reply: FastifyReply, status: number, body: Uint8Array, headers: Headers): void {
  if (reply.sent || writableOf(reply.raw).destroyed) return;
  const response = takeOver(reply);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': body.length,
  });
  response.write(body);
  const { req: request } = response;
  request.once('end', () => response.end());
  request.once('close', () => response.end());
  request.resume();
}

export function sendEmpty(reply: FastifyReply, status: 202 | 204, headers = NO_HEADERS): void {
  if (reply.sent || writableOf(reply.raw).destroyed) return;
  void reply.code(status).headers(headers).send();
}

/** Takes a response out of Fastify's hands, with the headers that hooks have set. */
export function takeOver(reply: FastifyReply): ServerResponse {
  reply.hijack();
  const isHttp2 = reply.request.raw.httpVersionMajor >= 2;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    // HTTP/2 has none for the connection (RFC 9113, section 8.2.2).
    if (value === undefined || (name === 'connection' && isHttp2)) continue;
    reply.raw.setHeader(name, value);
  }
  return reply.raw;
}
