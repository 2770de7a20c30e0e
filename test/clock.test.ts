import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { sleep, systemClock, timeoutSignal } from '../src/clock.ts';
import { createFakeClock } from './support/fake-clock.ts';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('the clock of the system', () => {
  it('tells the time of the system as the date', () => {
    const before = Date.now();
    const date = systemClock.date();
    expect(date).toBeGreaterThanOrEqual(before);
    expect(date).toBeLessThanOrEqual(Date.now());
  });
});

describe('sleep', () => {
  it('ends after its time, and leaves no listener at the signal', async () => {
    const clock = createFakeClock();
    const { signal } = new AbortController();
    const sleeping = sleep(clock, 100, signal);
    await clock.pass(100);

    await expect(sleeping).resolves.toBeUndefined();
    expect(listenersOf(signal)).toBe(0);
  });

  it('fails with the reason of the signal, before or during its time', async () => {
    const clock = createFakeClock();
    const controller = new AbortController();
    const reason = new Error('closed');
    const sleeping = sleep(clock, 100, controller.signal);
    controller.abort(reason);

    await expect(sleeping).rejects.toBe(reason);
    await expect(sleep(clock, 100, controller.signal)).rejects.toBe(reason);
  });
});

describe('a timeout signal', () => {
  it('aborts after its time with a TimeoutError, as AbortSignal.timeout does', async () => {
    const clock = createFakeClock();
    const { signal } = timeoutSignal(clock, 100, new AbortController().signal);
    await clock.pass(99);
    expect(signal.aborted).toBe(false);
    await clock.pass(1);

    expect(signal.reason).toBeInstanceOf(DOMException);
    expect(signal.reason).toMatchObject({
      name: 'TimeoutError',
      message: 'The operation was aborted due to timeout',
    });
  });

  it('aborts with the outer signal and its reason, also if that is aborted already', () => {
    const outer = new AbortController();
    const reason = new Error('closed');
    const { signal } = timeoutSignal(createFakeClock(), 100, outer.signal);
    outer.abort(reason);

    expect(signal.reason).toBe(reason);
    expect(timeoutSignal(createFakeClock(), 100, outer.signal).signal.reason).toBe(reason);
  });

  it('leaves no timer and no listener once it is cancelled', async () => {
    const clock = createFakeClock();
    const outer = new AbortController();
    const { signal, cancel } = timeoutSignal(clock, 100, outer.signal);
    cancel();
    await clock.pass(100);

    expect(signal.aborted).toBe(false);
    expect(listenersOf(outer.signal)).toBe(0);
  });
});
