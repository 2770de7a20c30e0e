import { describe, expect, it } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { Restarter } from '../../../src/router/shared-process/restarter.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

describe('a restarter', () => {
  it('starts a process that has died at once, if it has lived long enough', async () => {
    const { restarter, clock, starts } = keep();
    await clock.pass(5_000);
    restarter.lost();
    expect(starts()).toBe(2);
    restarter.lost();
    expect(starts()).toBe(2);
    await clock.pass(999);
    expect(starts()).toBe(2);
    await clock.pass(1);
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
  ])('tries again when a process %s', async (_how, error, afterMs) => {
    let failure: Error | undefined = error;
    const { clock, starts } = keep(async () => {
      if (failure !== undefined) throw failure;
    });
    await clock.pass(afterMs - 1);
    expect(starts()).toBe(1);
    failure = undefined;
    await clock.pass(1);
    expect(starts()).toBe(2);
    await clock.pass(60_000);
    expect(starts()).toBe(2);
  });

  it('starts nothing before it is told to keep, and after it is stopped', async () => {
    const { restarter, clock, starts } = keep(() => Promise.reject(new Error('no')));
    await clock.pass(0);
    restarter.stop();
    restarter.lost();
    await clock.pass(60_000);
    expect(starts()).toBe(1);
    const idle = create(() => Promise.reject(new Error('no')));
    idle.restarter.lost();
    await idle.clock.pass(60_000);
    expect(idle.starts()).toBe(0);
  });
});

interface Setup {
  readonly restarter: Restarter;
  readonly clock: FakeClock;
  readonly starts: () => number;
}

function create(start: () => Promise<unknown> = async () => {}): Setup {
  let count = 0;
  const clock = createFakeClock();
  const restarter = new Restarter({
    start: () => ((count += 1), start()),
    minLifeMs: 1_000,
    log: createRecordingLog(),
    clock,
  });
  return { restarter, clock, starts: () => count };
}

function keep(start?: () => Promise<unknown>): Setup {
  const setup = create(start);
  setup.restarter.keep();
  return setup;
}
