import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RunError } from '../../../../src/errors.ts';
import { createRestarter, type Restarter } from '../../../../src/router/shared-process/restarter.ts';
import { createRecordingLog } from '../../../observe/recording-log.ts';

describe('a keeper', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('starts a child that has died at once, if it has lived long enough', async () => {
    const { keeper, starts } = keep();
    await vi.advanceTimersByTimeAsync(5_000);
    keeper.lost();
    expect(starts()).toBe(2);
    keeper.lost();
    expect(starts()).toBe(2);
    await vi.advanceTimersByTimeAsync(999);
    expect(starts()).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(starts()).toBe(3);
  });

  it.each([
    ['died while it started', new RunError('UPSTREAM_EXITED', { server: 's', status: '1' }), 250],
    [
      'was refused until later',
      new RunError('CRASH_LOOP', { server: 's', reason: '', retryAfter: 7 }),
      7_000,
    ],
    ['cannot be started', new RunError('COMMAND_NOT_FOUND', { server: 's', command: 'x' }), 15_000],
    ['failed in an unknown way', new Error('what'), 250],
  ])('tries again when a child %s', async (_how, error, afterMs) => {
    let failure: Error | undefined = error;
    const { starts } = keep(async () => {
      if (failure !== undefined) throw failure;
    });
    await vi.advanceTimersByTimeAsync(afterMs - 1);
    expect(starts()).toBe(1);
    failure = undefined;
    await vi.advanceTimersByTimeAsync(1);
    expect(starts()).toBe(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(starts()).toBe(2);
  });

  it('starts nothing before it is told to keep, and after it is stopped', async () => {
    const { keeper, starts } = keep(() => Promise.reject(new Error('no')));
    await vi.advanceTimersByTimeAsync(0);
    keeper.stop();
    keeper.lost();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(starts()).toBe(1);
    const idle = createRestarter({
      start: () => Promise.reject(new Error('no')),
      minLifeMs: 0,
      log: createRecordingLog(),
    });
    idle.lost();
    expect(vi.getTimerCount()).toBe(0);
  });
});

function keep(start: () => Promise<unknown> = async () => {}): { keeper: Restarter; starts: () => number } {
  let count = 0;
  const keeper = createRestarter({
    start: () => ((count += 1), start()),
    minLifeMs: 1_000,
    log: createRecordingLog(),
  });
  keeper.keep();
  return { keeper, starts: () => count };
}
