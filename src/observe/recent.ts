import type { Clock } from '../clock.ts';

/** More are not counted one by one. */
const MAX_EVENTS = 1_000;

/** Counts events by when they happened, as far back as there is room. */
export class RecentEvents {
  readonly #clock: Clock;
  #times: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(): void {
    if (this.#times.length === MAX_EVENTS) this.#times = this.#times.slice(MAX_EVENTS / 2);
    this.#times.push(this.#clock.now());
  }

  /** @param time in ms, as the clock tells it */
  since(time: number): number {
    return this.#times.filter((at) => at >= time).length;
  }
}
