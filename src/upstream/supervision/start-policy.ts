/** When a server that failed to start may be started again. Pure. */

const FIRST_MS = 250;
const LONGEST_MS = 30_000;
/** This many failed starts within this time are a crash loop. */
const LOOP_FAILURES = 5;
const LOOP_WINDOW_MS = 60_000;
/** In a crash loop there is one start in this time. */
export const LOOP_RETRY_MS = 15_000;

/** The failed starts since the last one that succeeded. */
export interface FailedStarts {
  /** All of them: each doubles the pause. */
  readonly count: number;
  /** The times of the last ones. */
  readonly recent: readonly number[];
  /** Stays true until a start succeeds, however long ago the failures are. */
  readonly isLoop: boolean;
}

export const NO_FAILED_STARTS: FailedStarts = { count: 0, recent: [], isLoop: false };

export function withFailedStart(before: FailedStarts, now: number): FailedStarts {
  const recent = [...before.recent, now].slice(-LOOP_FAILURES);
  const oldest = recent[0] ?? now;
  const isLoop = before.isLoop || (recent.length === LOOP_FAILURES && now - oldest < LOOP_WINDOW_MS);
  return { count: before.count + 1, recent, isLoop };
}

/**
 * The pause before the next start: it doubles with every failure, and is taken at random from the upper half, so that
 * servers that failed together do not start together.
 * @param random from 0 to 1
 */
export function pauseAfter({ count, isLoop }: FailedStarts, random: number): number {
  if (count === 0) return 0;
  if (isLoop) return LOOP_RETRY_MS;
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (count - 1));
  // The first pause is as short as it may be already.
  return Math.round(Math.max(FIRST_MS, longest * (0.5 + random / 2)));
}
