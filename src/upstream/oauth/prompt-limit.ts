const WINDOW_MS = 5 * 60_000;
/** Prompts of all kinds within the window. */
const MAX = 6;

/** Limits the prompts for one server: one that rejects every token must not open one browser tab after the other. */
export class PromptLimit {
  readonly #now: () => number;
  #prompts: { readonly purpose: string; readonly at: number }[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Counts a prompt, if there may be one now.
   * @param purpose what the prompt asks for
   * @param max prompts for this purpose within the window
   * @returns whether the user may be prompted
   */
  acquire(purpose: string, max: number): boolean {
    const now = this.#now();
    this.#prompts = this.#prompts.filter(({ at }) => now - at < WINDOW_MS);
    const same = this.#prompts.filter((prompt) => prompt.purpose === purpose);
    if (this.#prompts.length >= MAX || same.length >= max) return false;
    this.#prompts.push({ purpose, at: now });
    return true;
  }
}

/** One limit for each server: all conversations with a server share it. */
export class PromptLimits {
  readonly #limits = new Map<string, PromptLimit>();

  of(url: string): PromptLimit {
    let limit = this.#limits.get(url);
    if (limit === undefined) {
      limit = new PromptLimit();
      this.#limits.set(url, limit);
    }
    return limit;
  }
}
