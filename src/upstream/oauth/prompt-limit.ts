import type { Clock } from '../../clock.ts';

const WINDOW_MS = 5 * 60_000;
/** Prompts of all kinds within the window. */
const MAX = 6;

/** Limits the prompts for one server: one that rejects every token must not open one browser tab after the other. */
export class PromptLimit {
  readonly #clock: Pick<Clock, 'now'>;
  #prompts: { readonly purpose: string; readonly at: number }[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /**
   * Counts a prompt, if there may be one now.
   * @param purpose what the prompt asks for
   * @param max prompts for this purpose within the window
   * @returns whether the user may be prompted
   */
  acquire(purpose: string, max: number): boolean {
    const now = this.#clock.now();
    this.#prompts = this.#prompts.filter(({ at }) => now - at < WINDOW_MS);
    const same = this.#prompts.filter((prompt) => prompt.purpose === purpose);
    if (this.#prompts.length >= MAX || same.length >= max) return false;
    this.#prompts.push({ purpose, at: now });
    return true;
  }
}

/** One limit for each server: all conversations with a server share it. */
export class PromptLimits {
  readonly #clock: Clock;
  readonly #limits = new Map<string, PromptLimit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(url: string): PromptLimit {
    let limit = this.#limits.get(url);
    if (limit === undefined) {
      limit = new PromptLimit(this.#clock);
      this.#limits.set(url, limit);
    }
    return limit;
  }
}
