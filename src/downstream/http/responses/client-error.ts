import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { RunError } from '../../../errors.ts';
import { faultFrame } from '../../../protocol/fault.ts';

/** What never became a request: answered on the bare socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // In the middle of an answer a second one would be taken for a part of it.
  const answer: unknown = Reflect.get(socket, '_httpMessage');
  const isAnswering = answer instanceof ServerResponse && answer.headersSent;
  if (!socket.writable || isAnswering || error.code === 'ECONNRESET') return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  const body = faultFrame(
    new RunError('INVALID_REQUEST', { detail: status.slice(4).toLowerCase() }),
    undefined,
  ).bytes;
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
}
