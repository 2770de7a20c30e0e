import { expect, it } from 'vitest';
import { isCoolingDown, nextFailure } from '../../../src/upstream/oauth/prompt-cooldown.ts';
import { PromptLimit } from '../../../src/upstream/oauth/prompt-limit.ts';

it('lets the user be asked twice for the same, a few times in all, and again after a while', () => {
  let now = 0;
  const limit = new PromptLimit({ now: () => now });

  expect(['a', 'a', 'a', 'b', 'b', 'c', 'd', 'e'].map((purpose) => limit.acquire(purpose, 2))).toEqual([
    true,
    true,
    false,
    true,
    true,
    true,
    true,
    false,
  ]);
  now = 5 * 60_000;
  expect(limit.acquire('a', 2)).toBe(true);
});

it('lets nobody be asked for a while after a failure, and for longer each time', () => {
  const minutes = (failure: ReturnType<typeof nextFailure>) => {
    const ends = [1, 5, 25, 120].find((each) => !isCoolingDown(failure, failure.at + each * 60_000));
    expect(isCoolingDown(failure, failure.at + (ends ?? 0) * 60_000 - 1)).toBe(true);
    return ends;
  };
  const failures = [nextFailure(undefined, 'declined', 0)];
  for (const now of [1, 2, 3, 4]) failures.push(nextFailure(failures.at(-1), 'declined', now * 3_600_000));

  expect(failures.map(minutes)).toEqual([1, 5, 25, 120, 120]);
  expect(minutes(nextFailure(failures.at(-1), 'declined', 48 * 3_600_000))).toBe(1);
});
