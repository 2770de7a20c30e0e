/** One place for calls that may ask, where a question has to belong to exactly one of them; or room for all. */
export interface Slot {
  /** Runs `go` when there is room, at once if there is. */
  take(go: () => void): void;
  give(): void;
}

export function createSlot(isExact: boolean): Slot {
  const queue: (() => void)[] = [];
  let isTaken = false;

  return {
    take(go) {
      if (isExact && isTaken) return void queue.push(go);
      isTaken = true;
      go();
    },
    give() {
      isTaken = false;
      const next = queue.shift();
      if (next === undefined) return;
      isTaken = true;
      next();
    },
  };
}
