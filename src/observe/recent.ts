/** More are not counted one by one. */
const MAX_EVENTS = 1_000;

/** Counts events by when they happened, as far back as there is room. */
export class RecentEvents {
  #times: number[] = [];

  add(): void {
    if (this.#times.length === MAX_EVENTS) this.#times = this.#times.slice(MAX_EVENTS / 2);
    this.#times.push(Date.now());
  }

  /** @param time in ms since 1970 */
  since(time: number): number {
    return this.#times.filter((at) => at >= time).length;
  }
}
