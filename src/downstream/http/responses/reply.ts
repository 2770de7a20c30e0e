import type { ServerResponse } from 'node:http';
import type { RunError } from '../../../errors.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { RequestId } from '../../../protocol/frame.ts';
import { onFinished } from './on-finished.ts';

/** Up to this size a body leaves together with its headers, as one string in one system call. */
const ONE_WRITE_BYTES = 8 * 1024;

/** When nothing better is known. */
export const RETRY_AFTER_S = 5;

/** Unread bytes past which the sender of an answer is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A reader that takes nothing for this long is cut off. */
const STALL_MS = 60_000;

/** One JSON body in one write. A promise means backpressure: the reader has not taken a large body yet. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string | number>> = {},
): void | Promise<void> {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': body.length,
  });
  // Latin-1 maps every byte to one character and back, so that all bytes leave unchanged.
  if (body.length > ONE_WRITE_BYTES) response.end(body);
  else response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'), 'latin1');
  return response.writableLength > HIGH_WATER_BYTES ? taken(response) : undefined;
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
export function sendFault(
  response: ServerResponse,
  error: RunError,
  id?: RequestId,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  const retry =
    error.httpStatus === 503 ? { 'retry-after': error.fields['retryAfter'] ?? RETRY_AFTER_S } : {};
  const body = faultFrame(error, id).bytes;
  if (response.req.complete) void sendJson(response, error.httpStatus, body, { ...headers, ...retry });
  else sendBeforeEnd(response, error.httpStatus, body, { ...headers, ...retry });
}

/**
 * Refuses a request that is still being sent. Closing the connection under the sender would reset it, and the refusal
 * would be lost: the rest of the request is read first, for as long as a request may take.
 */
function sendBeforeEnd(
  response: ServerResponse,
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string | number>>,
): void {
  if (response.headersSent || response.destroyed) return;
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

export function sendEmpty(
  response: ServerResponse,
  status: 202 | 204,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  // 204 must not carry a content-length (RFC 9110, section 8.6).
  response.writeHead(status, status === 202 ? { ...headers, 'content-length': 0 } : headers);
  response.end();
}
