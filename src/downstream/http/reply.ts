import type { ServerResponse } from 'node:http';
import type { RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { RequestId } from '../../protocol/frame.ts';

/** One JSON body in one write. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

/** A catalogued error as an HTTP answer with a JSON-RPC body. */
export function sendFault(
  response: ServerResponse,
  error: RunError,
  id?: RequestId,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  const retry = error.httpStatus === 503 ? { 'retry-after': 5 } : {};
  sendJson(response, error.httpStatus, faultFrame(error, id).bytes, { ...headers, ...retry });
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
