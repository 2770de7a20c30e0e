import type { StoredFailure } from './stored.ts';

/**
 * After a user was asked in vain nobody is asked for a while, by no process, and for longer each time: clients try again by
 * themselves, and nobody may be there.
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
