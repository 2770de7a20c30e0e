/** Callbacks that wait until no request is without an answer. */
export class IdleWaiters {
  readonly #exchanges: { readonly pending: number };
  #waiters: (() => void)[] = [];

  constructor(exchanges: { readonly pending: number }) {
    this.#exchanges = exchanges;
  }

  /** Calls `waiter` once when nothing is pending: now, or in a later `check`. */
  add(waiter: () => void): void {
    if (this.#exchanges.pending === 0) waiter();
    else this.#waiters.push(waiter);
  }

  /** To be called when an exchange has ended and its answer has been sent. */
  check(): void {
    if (this.#waiters.length === 0 || this.#exchanges.pending > 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
