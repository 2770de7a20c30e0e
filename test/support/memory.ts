/**
 * Memory of a process, on Linux. Only memory that is alive after a garbage collection is compared: resident memory depends
 * on the time of the last collection.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from './paths.ts';
import { PATIENCE_MS } from './patience.ts';
import { activityOf } from './processes.ts';

const MB = 1024 * 1024;
const SAMPLE_MS = 100;
/** Samples in a row without activity after which a process has come to rest. */
const REST_SAMPLES = 10;
/** The lowest of so many samples counts, so that sessions and processes that are ending can end. */
const LIVE_SAMPLES = 30;
const HELD_SAMPLES = 3;

/** The environment of a process whose live memory can be asked for. */
export interface Measurable {
  readonly env: Readonly<Record<string, string>>;
  /** MB alive after a garbage collection; the lowest of several samples. */
  liveMb(pid: number): Promise<number>;
  /** MB alive once `workers`, which feed the process, have finished or have to wait. */
  heldMb(pid: number, workers: readonly number[]): Promise<number>;
}

export function measurable(): Measurable {
  const file = join(tmpdir(), `heap-${randomUUID()}`);
  return {
    env: { HEAP_REPORT_FILE: file, NODE_OPTIONS: `--import=${ROOT}fixtures/report-heap.js` },
    liveMb: (pid) => least(pid, LIVE_SAMPLES),
    async heldMb(pid, workers) {
      await rest(workers);
      return await least(pid, HELD_SAMPLES);
    },
  };

  async function least(pid: number, samples: number): Promise<number> {
    let found = Infinity;
    for (let n = 0; n < samples; n++) {
      rmSync(file, { force: true });
      process.kill(pid, 'SIGUSR2');
      while (!existsSync(file)) await delay(SAMPLE_MS);
      found = Math.min(found, Number(readFileSync(file, 'utf8')) / MB);
      await delay(SAMPLE_MS);
    }
    rmSync(file, { force: true });
    return found;
  }
}

/** Waits until the processes have begun to work, and then until they have come to rest. */
async function rest(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  let before = pids.map(activityOf);
  let hasBegun = pids.length === 0;
  for (let resting = 0; resting < REST_SAMPLES && Date.now() < deadline; resting++) {
    await delay(SAMPLE_MS);
    const now = pids.map(activityOf);
    const isActive = now.some(({ ticks, runs }, index) => runs || ticks !== before[index]?.ticks);
    hasBegun ||= isActive;
    if (isActive || !hasBegun) resting = 0;
    before = now;
  }
}
