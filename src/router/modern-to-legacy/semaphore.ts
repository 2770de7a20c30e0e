/** One place for calls that may ask, where a question has to belong to exactly one of them; or room for all. */
export interface Semaphore {
  /** Runs `go` when there is room, at once if there is. */
  acquire(go: () => void): void;
  release(): void;
}

export function createSemaphore(isExact: boolean): Semaphore {
  const queue: (() => void)[] = [];
  let isTaken = false;

  return {
    acquire(go) {
      if (isExact && isTaken) return void queue.push(go);
      isTaken = true;
      go();
    },
    release() {
      isTaken = false;
      const next = queue.shift();
      if (next === undefined) return;
      isTaken = true;
      next();
    },
  };
}
