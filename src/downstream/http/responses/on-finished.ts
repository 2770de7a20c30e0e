import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';

/** Where a connection keeps the answers that wait for those before them on it. */
const QUEUED = Symbol('answers that wait');

interface ClientSocket extends Socket {
  [QUEUED]?: Set<() => void>;
}

/** Calls `handler` once when the answer is sent or its connection has closed, whichever comes first. */
export function onFinished(response: ServerResponse, handler: () => void): void {
  if (writableOf(response).destroyed) return handler();
  // Node reports the end of a connection only to the answer that is being sent by then.
  const queued = response.socket === null ? queuedOn(response.req.socket) : undefined;
  const finished = (): void => {
    if (queued?.delete(finished) === false) return;
    response.off('close', finished);
    handler();
  };
  response.once('close', finished);
  queued?.add(finished);
  if (queued !== undefined && response.req.socket.destroyed) finished();
}

/** Ends the connection of a client that does not read it, with all answers that wait there. */
export function destroyConnection(response: ServerResponse): void {
  response.req.socket.destroy();
}

/** Whether the response has no connection any more. */
export function hasClosed(response: ServerResponse): boolean {
  return writableOf(response).destroyed || response.req.socket.destroyed;
}

/** The state of a response; over HTTP/2 it is in a stream of its own. */
export function writableOf(response: ServerResponse): Writable {
  return 'stream' in response && response.stream instanceof Writable ? response.stream : response;
}

function queuedOn(socket: ClientSocket): Set<() => void> {
  const known = socket[QUEUED];
  if (known !== undefined) return known;
  const handlers = new Set<() => void>();
  socket[QUEUED] = handlers;
  // One listener for all: a client may send as many requests as it likes before it reads an answer.
  socket.once('close', () => {
    for (const handler of [...handlers]) handler();
  });
  return handlers;
}
