import { spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acquireFileLock, type FileLockOptions } from '../../../src/upstream/oauth/file-lock.ts';
import { withLock } from '../../../src/upstream/oauth/token-store.ts';
import { createDirectory } from './user.ts';

const { signal } = new AbortController();

function withFileLock<T>(file: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  return withLock({ lock: (each) => acquireFileLock(file, each) }, options, work);
}

/** The pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid ?? 0;
}

describe('a lock', () => {
  it('lets one in at a time, and the next when its holder has failed', async () => {
    const directory = await createDirectory();
    const file = join(directory, 'deeper', 'a.lock');
    let inside = 0;
    let most = 0;
    let waits = 0;
    const enter = (index: number) =>
      withFileLock(file, { signal, onwait: () => (waits += 1) }, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
        if (index % 2 === 0) throw new Error(`${index}`);
        return index;
      });
    const ends = await Promise.allSettled([1, 2, 3].map(enter));

    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(most).toBe(1);
    expect(waits).toBe(2);
    expect(await readdir(join(directory, 'deeper'))).toEqual([]);
  });

  it('of a process that is dead is taken over, by one', async () => {
    const file = join(await createDirectory(), 'a.lock');
    await writeFile(file, JSON.stringify({ pid: await deadPid(), host: hostname() }));
    let inside = 0;
    const enter = () =>
      withFileLock(file, { signal }, async () => {
        inside += 1;
        expect(inside).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
      });

    await Promise.all([enter(), enter(), enter()]);
  });

  it('that nobody has touched for long is taken over, whoever has left it', async () => {
    const file = join(await createDirectory(), 'a.lock');
    await writeFile(file, JSON.stringify({ pid: 1, host: 'elsewhere' }));
    const long = new Date(Date.now() - 60_000);
    await utimes(file, long, long);

    expect(await withFileLock(file, { signal }, () => Promise.resolve('in'))).toBe('in');
  });

  it('of a process that lives is waited for until the signal', async () => {
    const file = join(await createDirectory(), 'a.lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, host: hostname() }));
    const controller = new AbortController();
    const waiting = withFileLock(file, { signal: controller.signal, onwait: () => controller.abort() }, () =>
      Promise.resolve('in'),
    );

    await expect(waiting).rejects.toThrow('abort');
  });
});
