/** Processes that are just becoming another program, whose environment is empty until then; Linux only. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock, type Clock } from '../../src/clock.ts';
import { Descendants } from '../../src/process/descendants.ts';
import { ProcReader, type ProcessRef, type Scan } from '../../src/process/proc.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const ID = 'marker';
const REF: ProcessRef = { pid: 2 ** 22 + 1, startTime: '1' };

/** A /proc with one process, which is seen to have the marker at a later look only. */
class SlowProc extends ProcReader {
  isRunning = true;
  looks = 0;
  readonly #shownAt: number;

  constructor(clock: Clock, shownAt: number) {
    super(clock);
    this.#shownAt = shownAt;
  }

  override scanMarkers(): Promise<Scan> {
    const pids = this.#look() ? [REF.pid] : [];
    return Promise.resolve({ marked: new Map([[ID, pids]]), isWhole: this.#isShown() });
  }

  override visitMarkedNow(visit: (pid: number, ids: readonly string[]) => void): boolean {
    if (this.#look()) visit(REF.pid, [ID]);
    return this.#isShown();
  }

  override findProcess(): ProcessRef | undefined {
    return this.isRunning ? REF : undefined;
  }

  override descendantsOf(): ProcessRef[] {
    return [];
  }

  #look(): boolean {
    this.looks += 1;
    return this.isRunning && this.#isShown();
  }

  #isShown(): boolean {
    return this.looks >= this.#shownAt;
  }
}

async function endOf(shownAt: number, termMs: number) {
  const clock = createFakeClock();
  const proc = new SlowProc(clock, shownAt);
  const signals: unknown[] = [];
  const kill = vi.spyOn(process, 'kill').mockImplementation((_pid, signal) => {
    signals.push(signal);
    if (signal === 'SIGKILL') proc.isRunning = false;
    return true;
  });
  onTestFinished(() => kill.mockRestore());
  let isOver = false;
  const ending = new Descendants(ID, proc, clock).end(termMs).finally(() => (isOver = true));
  while (!isOver) await clock.pass(25);
  return { ...(await ending), signals, looks: proc.looks, ms: clock.now() };
}

describe('a process that is becoming another program', () => {
  it('is ended if its environment shows the marker while the others are given time to end', async () => {
    expect(await endOf(3, 500)).toMatchObject({ signals: ['SIGTERM', 'SIGKILL'], ended: 1, left: [] });
  });

  it('is ended if its environment shows the marker after that', async () => {
    expect(await endOf(8, 50)).toMatchObject({ signals: ['SIGKILL'], ended: 1, left: [] });
  });

  it('is not waited for without end', async () => {
    const { signals, ended, ms } = await endOf(Infinity, 50);
    expect({ signals, ended }).toEqual({ signals: [], ended: 0 });
    expect(ms).toBeLessThanOrEqual(1_200);
  });

  it('is killed as well when this process exits', () => {
    const proc = new SlowProc(systemClock, 3);
    const signals: unknown[] = [];
    const kill = vi.spyOn(process, 'kill').mockImplementation((_pid, signal) => {
      signals.push(signal);
      proc.isRunning = false;
      return true;
    });
    onTestFinished(() => kill.mockRestore());
    Descendants.killAll([new Descendants(ID, proc, systemClock)], proc);
    expect(signals).toEqual(['SIGKILL']);
  });

  it('is one that has no environment soon after its start', async () => {
    // Node gives a child variables of its own under coverage.
    const child = spawn('env', ['-i', '/bin/sh', '-c', 'echo ready; read line'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(new ProcReader(systemClock).visitMarkedNow(() => {})).toBe(false);
  });
});
