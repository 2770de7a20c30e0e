import type { Frame } from '../protocol/frame.ts';

type Wait = void | Promise<void>;

/** Passes frames on in the order in which they came, also those that come while the way is closed. */
export interface FrameQueue {
  /** Passes a frame on, at once or in its turn. A promise means backpressure. */
  pass(frame: Frame): Wait;
  /** Closes the way until the promise is settled. */
  holdBack(until: Promise<unknown>): void;
}

interface Waiting {
  readonly frame: Frame;
  readonly passed: (wait: Wait) => void;
}

/**
 * @param go passes one frame on, and may close the way for the next ones
 * @param roomFor how many frames may wait before their sender is asked to wait as well
 */
export function createFrameQueue(go: (frame: Frame) => Wait, roomFor = 0): FrameQueue {
  const queue: Waiting[] = [];
  let barriers = 0;

  return {
    pass(frame) {
      if (barriers === 0 && queue.length === 0) return go(frame);
      const hasRoom = queue.length < roomFor;
      const turn = new Promise<void>((passed) => queue.push({ frame, passed }));
      return hasRoom ? undefined : turn;
    },
    holdBack(until) {
      barriers += 1;
      const lift = (): void => {
        barriers -= 1;
        drain();
      };
      until.then(lift, lift);
    },
  };

  function drain(): void {
    while (barriers === 0) {
      const next = queue.shift();
      if (next === undefined) return;
      next.passed(go(next.frame));
    }
  }
}
