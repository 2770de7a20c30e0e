import type { StoredFailure } from './stored.ts';

/**
 * After a prompt in vain no process prompts the user for a while, which is longer each time: clients try again by
 * themselves, and the user may be away.
 */
const FIRST_MS = 60_000;
const FACTOR = 5;
const LONGEST_MS = 2 * 60 * 60_000;
/** After so long it is another day. */
const FORGOTTEN_MS = 24 * 60 * 60_000;

export function isCoolingDown(failure: StoredFailure, now: number): boolean {
  return now - failure.at < Math.min(FIRST_MS * FACTOR ** (failure.count - 1), LONGEST_MS);
}

export function nextFailure(before: StoredFailure | undefined, detail: string, now: number): StoredFailure {
  const isInRow = before !== undefined && now - before.at < FORGOTTEN_MS;
  return { at: now, count: isInRow ? before.count + 1 : 1, detail };
}
