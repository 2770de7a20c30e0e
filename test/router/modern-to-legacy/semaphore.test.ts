import { expect, test } from 'vitest';
import { Semaphore } from '../../../src/router/modern-to-legacy/semaphore.ts';

test('gives as many permits as it has, and passes each on in the order of the queue', () => {
  const semaphore = new Semaphore<string>(2);
  expect([1, 2, 3].map(() => semaphore.tryAcquire())).toEqual([true, true, false]);
  semaphore.enqueue('first');
  semaphore.enqueue('second');
  expect([semaphore.release(), semaphore.tryAcquire()]).toEqual(['first', false]);
  expect([semaphore.release(), semaphore.release(), semaphore.release()]).toEqual([
    'second',
    undefined,
    undefined,
  ]);
  expect([1, 2, 3].map(() => semaphore.tryAcquire())).toEqual([true, true, false]);
});

test('without a limit always gives a permit', () => {
  const semaphore = new Semaphore<string>(Infinity);
  expect(Array.from({ length: 100 }, () => semaphore.tryAcquire())).not.toContain(false);
  expect(semaphore.release()).toBeUndefined();
});
