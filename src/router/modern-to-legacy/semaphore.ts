/** Permits for a limited number of holders; further ones wait in a queue. */
export class Semaphore<T> {
  readonly #queue: T[] = [];
  #free: number;

  /** @param permits how many there are; `Infinity` for no limit */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Takes a permit, if there is one. */
  tryAcquire(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Waits for a permit: `release` returns the waiters in order. */
  enqueue(waiter: T): void {
    this.#queue.push(waiter);
  }

  /** Gives a permit back. @returns the waiter that holds it now, if there is one */
  release(): T | undefined {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    return next;
  }
}
