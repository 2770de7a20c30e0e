import { expect, it } from 'vitest';
import { createAttemptBudget } from '../../../src/upstream/oauth/attempt-budget.ts';

it('lets the user be asked twice for the same, a few times in all, and again after a while', () => {
  let now = 0;
  const budget = createAttemptBudget(() => now);

  expect(['a', 'a', 'a', 'b', 'b', 'c', 'd', 'e'].map((what) => budget.take(what, 2))).toEqual([
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
  expect(budget.take('a', 2)).toBe(true);
});
