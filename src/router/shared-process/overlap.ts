/**
 * Tells whether calls of several owners ran at the same time. Each answer of a remote server has its own stream, so that a
 * notification may arrive after the answer to its call, on the stream of another call that ran at the same time.
 */
export class Overlap<T> {
  #running = 0;
  /** The only owner of calls since the last moment without any; undefined if there were several. */
  #sole: T | undefined;

  begin(owner: T): void {
    if (this.#running === 0) this.#sole = owner;
    else if (this.#sole !== owner) this.#sole = undefined;
    this.#running += 1;
  }

  end(): void {
    this.#running -= 1;
  }

  /** All calls have ended. */
  clear(): void {
    this.#running = 0;
  }

  /** The only owner of the running calls, if they have not overlapped with calls of another one. */
  get sole(): T | undefined {
    return this.#running > 0 ? this.#sole : undefined;
  }

  /** Whether the running calls of `owner` have not overlapped with calls of another owner. */
  isSole(owner: T): boolean {
    return this.#running > 0 && this.#sole === owner;
  }
}
