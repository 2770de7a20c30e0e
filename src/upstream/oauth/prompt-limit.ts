/** How often a user may be asked: a server that is never content must not open one browser tab after the other. */
export interface PromptLimit {
  /**
   * @param what is asked for
   * @param max how often it may be
   * @returns whether it may be now
   */
  take(what: string, max: number): boolean;
}

const WINDOW_MS = 5 * 60_000;
const MAX = 6;

const budgets = new Map<string, PromptLimit>();

/** The one that everybody in this process shares who speaks with this server. */
export function promptLimitOf(url: string): PromptLimit {
  const budget = budgets.get(url) ?? createPromptLimit();
  budgets.set(url, budget);
  return budget;
}

export function createPromptLimit(now: () => number = Date.now): PromptLimit {
  let attempts: { readonly what: string; readonly at: number }[] = [];
  return {
    take(what, max) {
      attempts = attempts.filter(({ at }) => now() - at < WINDOW_MS);
      if (attempts.length >= MAX || attempts.filter((each) => each.what === what).length >= max) return false;
      attempts.push({ what, at: now() });
      return true;
    },
  };
}
