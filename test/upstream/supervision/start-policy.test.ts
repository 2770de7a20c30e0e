import { describe, expect, it } from 'vitest';
import {
  LOOP_RETRY_MS,
  NO_FAILED_STARTS,
  pauseAfter,
  withFailedStart,
} from '../../../src/upstream/supervision/start-policy.ts';

/** Starts that failed at these times, in ms. */
function failedAt(...times: number[]) {
  return times.reduce(withFailedStart, NO_FAILED_STARTS);
}

/** So many failures, too far apart for a crash loop. */
function slowFailures(count: number) {
  return failedAt(...Array.from({ length: count }, (_, index) => index * 60_000));
}

describe('the pause after failed starts', () => {
  it('is none without a failure', () => {
    expect(pauseAfter(NO_FAILED_STARTS, 0.5)).toBe(0);
  });

  it('doubles from 0.25 s to 30 s', () => {
    const longest = Array.from({ length: 10 }, (_, index) => pauseAfter(slowFailures(index + 1), 1));
    expect(longest).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('is taken from the upper half by chance, and is never under 0.25 s', () => {
    expect(pauseAfter(slowFailures(6), 0)).toBe(4_000);
    expect(pauseAfter(slowFailures(6), 0.5)).toBe(6_000);
    expect(pauseAfter(slowFailures(1), 0)).toBe(250);
  });

  it('is 15 s in a crash loop, whatever chance says', () => {
    expect(pauseAfter(failedAt(0, 1, 2, 3, 4), 0)).toBe(LOOP_RETRY_MS);
    expect(LOOP_RETRY_MS).toBe(15_000);
  });
});

describe('a crash loop', () => {
  it('is five failed starts within a minute', () => {
    expect(failedAt(0, 1, 2, 3).isLoop).toBe(false);
    expect(failedAt(0, 10_000, 20_000, 30_000, 59_999).isLoop).toBe(true);
    expect(failedAt(0, 15_000, 30_000, 45_000, 60_000).isLoop).toBe(false);
  });

  it('looks at the last minute only', () => {
    expect(failedAt(0, 100_000, 110_000, 120_000, 130_000, 140_000).isLoop).toBe(true);
  });

  it('goes on with failures that come once every 15 s and later', () => {
    expect(failedAt(0, 1, 2, 3, 4, 15_000, 30_000, 45_000, 500_000).isLoop).toBe(true);
  });
});
