import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A holder says this often that it is alive. */
const HEARTBEAT_MS = 5_000;
/** A lock that was not touched for so long has no holder: its machine is gone, or we cannot see its processes. */
const STALE_MS = 30_000;
const POLL_MS = 100;

export interface FileLockOptions {
  readonly signal: AbortSignal;
  /** Called once if another process holds the lock. */
  onwait?(): void;
}

/**
 * Waits until no other process holds the lock, and takes it. One that a dead process left is taken over.
 * @returns what gives it back
 * @throws the signal's reason, or that the file cannot be written
 */
export async function acquireFileLock(
  file: string,
  { signal, onwait }: FileLockOptions,
): Promise<() => Promise<void>> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let hasWaited = false;
  while (!(await create(file))) {
    if (await isStale(file)) {
      await removeStale(file);
      continue;
    }
    if (!hasWaited) onwait?.();
    hasWaited = true;
    await delay(POLL_MS, undefined, { signal });
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    await rm(file, { force: true });
  };
}

/** @returns false if the file is there already */
async function create(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(JSON.stringify({ pid: process.pid, host: hostname() }));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Two who find the same stale lock must not remove each other's new one: only one of them looks and removes at a time. */
async function removeStale(file: string): Promise<void> {
  const breaker = `${file}.breaking`;
  if (!(await create(breaker))) {
    if (await isStale(breaker)) await rm(breaker, { force: true });
    await delay(POLL_MS);
    return;
  }
  try {
    if (await isStale(file)) await rm(file, { force: true });
  } finally {
    await rm(breaker, { force: true });
  }
}

async function isStale(file: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    if (Date.now() - mtimeMs > STALE_MS) return true;
    // Empty while its holder is writing it.
    return text !== '' && isOfDeadProcess(text);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function isOfDeadProcess(text: string): boolean {
  const [, pid, host] = /^\{"pid":(\d+),"host":(".*")\}$/.exec(text) ?? [];
  if (pid === undefined || host !== JSON.stringify(hostname())) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
