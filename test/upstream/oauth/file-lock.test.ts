import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { acquireFileLock, type FileLockOptions } from '../../../src/upstream/oauth/file-lock.ts';
import { withLock } from '../../../src/upstream/oauth/token-store.ts';
import { createDirectory } from './user.ts';

const { signal } = new AbortController();

type Options = Omit<FileLockOptions, 'clock'>;

function lock(file: string, options: Options): Promise<() => Promise<void>> {
  return acquireFileLock(file, { ...options, clock: systemClock });
}

function withFileLock<T>(file: string, options: Options, work: () => Promise<T>): Promise<T> {
  return withLock({ lock: (each) => acquireFileLock(file, each) }, { ...options, clock: systemClock }, work);
}

function markOf(pid: number, host = hostname()): string {
  return JSON.stringify({ pid, host, nonce: randomUUID() });
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
    await writeFile(file, markOf(await deadPid()));
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
    await writeFile(file, markOf(1, 'elsewhere'));
    const long = new Date(Date.now() - 60_000);
    await utimes(file, long, long);

    expect(await withFileLock(file, { signal, heartbeatMs: 5 }, () => Promise.resolve('in'))).toBe('in');
  });

  it('that was silent because its machine has slept is not taken over when its holder goes on', async () => {
    const file = join(await createDirectory(), 'a.lock');
    const release = await lock(file, { signal, heartbeatMs: 5 });
    const long = new Date(Date.now() - 60_000);
    await utimes(file, long, long);
    let isHeld = true;
    const next = lock(file, {
      signal,
      heartbeatMs: 1_000,
      onwait: () => {
        isHeld = false;
        void release();
      },
    });

    await (
      await next
    )();
    expect(isHeld).toBe(false);
  });

  it('that somebody else has taken over is left to that one', async () => {
    const file = join(await createDirectory(), 'a.lock');
    const release = await lock(file, { signal });
    await writeFile(file, markOf(1, 'elsewhere'));
    await release();

    expect(await readdir(dirname(file))).toEqual(['a.lock']);
  });

  it('of a process that lives is waited for until the signal', async () => {
    const file = join(await createDirectory(), 'a.lock');
    await writeFile(file, markOf(process.pid));
    const controller = new AbortController();
    const waiting = withFileLock(file, { signal: controller.signal, onwait: () => controller.abort() }, () =>
      Promise.resolve('in'),
    );

    await expect(waiting).rejects.toThrow('abort');
  });
});
