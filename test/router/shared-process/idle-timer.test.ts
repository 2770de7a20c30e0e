import { expect, test } from 'vitest';
import { IdleTimer } from '../../../src/router/shared-process/idle-timer.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

function setUp(): { timer: IdleTimer; clock: FakeClock; fired: () => number; timers: () => number } {
  let [fired, timers] = [0, 0];
  const clock = createFakeClock();
  const counting: FakeClock = {
    ...clock,
    after: (ms, run) => ((timers += 1), clock.after(ms, run)),
  };
  const timer = new IdleTimer(counting, 1_000, () => void (fired += 1));
  return { timer, clock, fired: () => fired, timers: () => timers };
}

test('an idle timer fires once, after the whole time without work', async () => {
  const { timer, clock, fired } = setUp();
  timer.rest();
  await clock.pass(999);
  expect(fired()).toBe(0);
  await clock.pass(1);
  expect(fired()).toBe(1);
  await clock.pass(10_000);
  expect(fired()).toBe(1);
});

test('work that ends starts the time anew, without a timer of its own', async () => {
  const { timer, clock, fired, timers } = setUp();
  for (let call = 0; call < 100; call += 1) {
    timer.busy();
    timer.rest();
  }
  expect(timers()).toBe(1);
  await clock.pass(600);
  timer.rest();
  await clock.pass(999);
  expect(fired()).toBe(0);
  await clock.pass(1);
  expect([fired(), timers()]).toEqual([1, 2]);
});

test('an idle timer does not fire while work goes on, or after it is stopped', async () => {
  const { timer, clock, fired } = setUp();
  timer.rest();
  timer.busy();
  await clock.pass(5_000);
  expect(fired()).toBe(0);
  timer.rest();
  timer.stop();
  await clock.pass(5_000);
  expect(fired()).toBe(0);
  timer.rest();
  await clock.pass(1_000);
  expect(fired()).toBe(1);
});
