/** What a process holds in memory; Linux only, like the tests that need it. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { ROOT } from './paths.ts';

const MB = 1024 * 1024;
const SAMPLE_MS = 100;
/** Samples in a row without growth after which a process has come to rest. */
const STEADY_SAMPLES = 10;

/** Resident memory in MB. */
export function residentMb(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (Number(kilobytes) * 1024) / MB;
}

/**
 * The most that a process holds until there is no more work: neither it grows, nor does one of `workers`, which feed it,
 * use its processor. At most `timeoutMs`.
 */
export async function peakMb(pid: number, workers: readonly number[], timeoutMs: number): Promise<number> {
  const deadline = Date.now() + timeoutMs;
  let peak = residentMb(pid);
  let worked = workers.map(ticksOf);
  for (let steady = 0; steady < STEADY_SAMPLES && Date.now() < deadline; steady++) {
    await delay(SAMPLE_MS);
    const now = residentMb(pid);
    const ticks = workers.map(ticksOf);
    if (now > peak + 1 || ticks.some((each, index) => each > (worked[index] ?? 0))) steady = 0;
    peak = Math.max(peak, now);
    worked = ticks;
  }
  return peak;
}

/** Processor time that it has used, in the kernel's ticks; 0 when it does not run. */
function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

/** The environment of a process whose live memory can be asked for. */
export interface Measurable {
  readonly env: Readonly<Record<string, string>>;
  /** MB alive after a garbage collection; the least of several samples, so that what is about to end may end. */
  liveMb(pid: number): Promise<number>;
}

export function measurable(): Measurable {
  const file = join(tmpdir(), `heap-${randomUUID()}`);
  return {
    env: { HEAP_REPORT_FILE: file, NODE_OPTIONS: `--import=${ROOT}fixtures/report-heap.js` },
    async liveMb(pid) {
      let least = Infinity;
      for (let n = 0; n < LIVE_SAMPLES; n++) {
        rmSync(file, { force: true });
        process.kill(pid, 'SIGUSR2');
        while (!existsSync(file)) await delay(SAMPLE_MS);
        least = Math.min(least, Number(readFileSync(file, 'utf8')) / MB);
        await delay(SAMPLE_MS);
      }
      rmSync(file, { force: true });
      return least;
    },
  };
}

const LIVE_SAMPLES = 30;
