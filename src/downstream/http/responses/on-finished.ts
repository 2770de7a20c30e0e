import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Answers that wait for those before them on the same connection, and hear nothing of its end. */
const queued = new WeakMap<Socket, Set<() => void>>();

/** Calls `handler` once when the answer is sent or its connection is gone, whichever comes first. */
export function onFinished(response: ServerResponse, handler: () => void): void {
  // Node tells only the answer that has the connection by now.
  const handlers = response.socket === null ? handlersOf(response.req.socket) : undefined;
  const gone = (): void => {
    if (handlers?.delete(gone) === false) return;
    response.off('close', gone);
    handler();
  };
  response.once('close', gone);
  handlers?.add(gone);
  if (handlers !== undefined && response.req.socket.destroyed) gone();
}

/** Ends the connection of a client that does not read it, with all answers that wait there. */
export function destroyConnection(response: ServerResponse): void {
  response.req.socket.destroy();
}

function handlersOf(socket: Socket): Set<() => void> {
  const known = queued.get(socket);
  if (known !== undefined) return known;
  const handlers = new Set<() => void>();
  queued.set(socket, handlers);
  // One listener for all: a client may send as many requests as it likes before it reads an answer.
  socket.once('close', () => {
    for (const handler of [...handlers]) handler();
  });
  return handlers;
}
