import type { Frame } from '../../protocol/frame.ts';
import { cancelledId } from './messages.ts';

/** Sends messages in the order in which they came, and holds them back until the handshake has come far enough. */
export interface HandshakeBarrier {
  /** Sends a message, at once or when its turn comes. */
  pass(frame: Frame): void;
  /** Messages that come from now on wait for this promise, which never rejects. */
  holdBack(until: Promise<void>): void;
  /** Sends all messages that wait, and makes no message wait any more: another transport takes them over, or none. */
  release(): void;
}

export function createHandshakeBarrier(go: (frame: Frame) => void): HandshakeBarrier {
  /** Oldest first. A message waits for the barrier as well as for those before it. */
  const queue: Frame[] = [];
  let barriers = 0;
  let isReleased = false;

  return {
    pass(frame) {
      if (frame.method === 'notifications/cancelled') return cancel(frame);
      // The server may wait for the response before it goes on with the handshake.
      if (frame.kind === 'response') return go(frame);
      if (isFree() && queue.length === 0) go(frame);
      else queue.push(frame);
    },
    holdBack(until) {
      barriers += 1;
      void until.then(() => {
        barriers -= 1;
        drain();
      });
    },
    release() {
      isReleased = true;
      drain();
    },
  };

  function isFree(): boolean {
    return barriers === 0 || isReleased;
  }

  /** Sending a message may raise the next barrier. */
  function drain(): void {
    while (isFree()) {
      const frame = queue.shift();
      if (frame === undefined) return;
      go(frame);
    }
  }

  /** A cancellation overtakes. A request that has not been sent need not be cancelled. */
  function cancel(frame: Frame): void {
    const id = cancelledId(frame);
    const index = queue.findIndex((queued) => queued.kind === 'request' && queued.id === id);
    if (id === undefined || index === -1) go(frame);
    else queue.splice(index, 1);
  }
}
