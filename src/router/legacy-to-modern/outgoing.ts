import { frameOf, type Frame } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';

type Answered = (answer: Frame) => void | Promise<void>;

/** Requests to the server, under numbers of which each is used once. */
export interface Outgoing {
  /** @param build makes the request that goes by this number, before anything can come back */
  send(build: (id: number) => Frame, answered: Answered): void | Promise<void>;
  /** @returns who waits for the answer to this request, once */
  take(id: unknown): Answered | undefined;
  /** Tells the server that its answer is not waited for any more. */
  cancel(id: number, reason?: string): void | Promise<void>;
  /** Waits for nothing more. */
  clear(): void;
}

/** @param gaveUp told of each request that is cancelled */
export function createOutgoing(server: Link, gaveUp: (id: number) => void): Outgoing {
  const pending = new Map<unknown, Answered>();
  let next = 1;

  return {
    send(build, answered) {
      const id = next;
      next += 1;
      const request = build(id);
      pending.set(id, answered);
      return server.send(request);
    },
    take(id) {
      const answered = pending.get(id);
      pending.delete(id);
      return answered;
    },
    cancel(id, reason) {
      if (!pending.delete(id)) return undefined;
      gaveUp(id);
      const params = reason === undefined ? { requestId: id } : { requestId: id, reason };
      return server.send(frameOf({ method: 'notifications/cancelled', params }));
    },
    clear: () => pending.clear(),
  };
}
