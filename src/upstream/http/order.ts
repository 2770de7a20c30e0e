import type { Frame, RequestId } from '../../protocol/frame.ts';
import { cancelledId } from './messages.ts';

/** Sees to it that nothing overtakes what everything else rests on. */
export interface Order {
  /** Lets a message go, at once or when it may. */
  pass(frame: Frame): void;
  /** What comes from now on waits for this; never rejects. */
  holdBack(until: Promise<void>): void;
}

export function createOrder(go: (frame: Frame) => void): Order {
  let barrier: Promise<void> | undefined;
  /** The requests that wait for it. */
  const waiting = new Set<RequestId>();

  return {
    pass(frame) {
      if (frame.method === 'notifications/cancelled') {
        const id = cancelledId(frame);
        // What has not been sent need not be cancelled.
        if (id === undefined || !waiting.delete(id)) go(frame);
      } else if (barrier === undefined) go(frame);
      else wait(frame, barrier);
    },
    holdBack(until) {
      const mine = until.finally(() => {
        if (barrier === mine) barrier = undefined;
      });
      barrier = mine;
    },
  };

  function wait(frame: Frame, until: Promise<void>): void {
    const id = frame.kind === 'request' ? frame.id : undefined;
    if (id !== undefined) waiting.add(id);
    void until.then(() => {
      if (id !== undefined && !waiting.has(id)) return;
      if (barrier !== undefined) return wait(frame, barrier);
      if (id !== undefined) waiting.delete(id);
      go(frame);
    });
  }
}
