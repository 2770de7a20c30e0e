/** One place for calls that may ask, where a question has to belong to exactly one of them; or room for all. */
export interface Slot {
  /** Runs `go` when there is room, at once if there is. */
  take(go: () => void): void;
  give(): void;
  /** Nobody who waits gets one any more. */
  clear(): void;
}

export function createSlot(isExact: boolean): Slot {
  const queue: (() => void)[] = [];
  let isTaken = false;

  return {
    take(go) {
      if (!isExact || !isTaken) {
        isTaken = true;
        go();
      } else queue.push(go);
    },
    give() {
      const next = queue.shift();
      if (next === undefined) isTaken = false;
      else next();
    },
    clear() {
      queue.length = 0;
      isTaken = false;
    },
  };
}
