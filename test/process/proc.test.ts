import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { childrenByThread, ProcReader } from '../../src/process/proc.ts';
import { createWorkspace } from '../manifest/workspace.ts';

const proc = new ProcReader(systemClock);

describe('the children of a process', () => {
  it('are those of all its threads', async () => {
    const root = await createWorkspace({
      '7/task/7/children': '8 9 ',
      '7/task/11/children': '',
      '7/task/12/children': '10 ',
    });
    expect(childrenByThread(7, root)?.toSorted((a, b) => a - b)).toEqual([8, 9, 10]);
  });

  it('are unknown where the kernel has no lists of them', async () => {
    expect(childrenByThread(7, await createWorkspace({ '7/task/7/stat': '7 (x) S 1' }))).toBeUndefined();
  });

  it('are found with theirs', async () => {
    const shell = spawn('/bin/sh', ['-c', 'sh -c "sleep 600; :" & echo; wait']);
    await once(shell.stdout, 'data');
    await expect.poll(() => proc.descendantsOf(shell.pid ?? 0).length).toBe(2);
    const found = proc.descendantsOf(shell.pid ?? 0);
    onTestFinished(() => void shell.kill('SIGKILL'));
    for (const { pid } of found) process.kill(pid, 'SIGKILL');
    await expect.poll(() => found.some((ref) => proc.isAlive(ref))).toBe(false);
  });
});

describe('a process', () => {
  it('is another one at another time', () => {
    const self = proc.findProcess(process.pid);
    expect(self).toBeDefined();
    expect(proc.isAlive({ pid: process.pid, startTime: self?.startTime ?? '' })).toBe(true);
    expect(proc.isAlive({ pid: process.pid, startTime: '1' })).toBe(false);
  });

  it('that has never been is not found', () => {
    expect(proc.findProcess(2 ** 30)).toBeUndefined();
  });
});
