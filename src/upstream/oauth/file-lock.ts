import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { every, sleep, type Clock } from '../../clock.ts';
import { readRegularFile } from '../../files/regular-file.ts';

const POLL_MS = 100;

export interface FileLockOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called once if another process holds the lock. */
  onwait?(): void;
  /** How often a holder says that it is alive. */
  readonly heartbeatMs?: number;
}

const HEARTBEAT_MS = 5_000;
/** A lock that has missed so many heartbeats has no holder: its machine is gone, or we cannot see its processes. */
const MAX_MISSED = 6;
/** After a machine has slept its holder needs time to say that it is there. */
const PATIENCE = 1.5;

/**
 * Waits until no other process holds the lock, and takes it. One that a dead process left is taken over.
 * @returns what gives it back
 * @throws the signal's reason, or that the file cannot be written
 */
export async function acquireFileLock(
  file: string,
  { signal, clock, onwait, heartbeatMs = HEARTBEAT_MS }: FileLockOptions,
): Promise<() => Promise<void>> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const mark = markOf();
  let silent: { readonly mtimeMs: number; readonly since: number } | undefined;
  let hasWaited = false;
  while (!(await create(file, mark))) {
    const held = await look(file);
    if (held === undefined) continue;
    const isSilent = clock.date() - held.mtimeMs > MAX_MISSED * heartbeatMs;
    if (!isSilent) silent = undefined;
    else if (silent?.mtimeMs !== held.mtimeMs) silent = { mtimeMs: held.mtimeMs, since: clock.now() };
    const isGivenUp = silent !== undefined && clock.now() - silent.since > PATIENCE * heartbeatMs;
    if (isGivenUp || isOfDeadProcess(held.text)) {
      await removeStale(file, held, heartbeatMs, clock);
      continue;
    }
    if (!hasWaited) onwait?.();
    hasWaited = true;
    await sleep(clock, Math.min(POLL_MS, heartbeatMs), signal);
  }
  const beat = (): void => {
    const now = new Date(clock.date());
    utimes(file, now, now).catch(() => {});
  };
  const stopHeartbeat = every(clock, heartbeatMs, beat, false);
  return async () => {
    stopHeartbeat();
    // Another process may have taken this one for dead.
    if ((await look(file))?.text === mark) await rm(file, { force: true });
  };
}

interface Held {
  /** Its holder's mark; empty while it is being written. */
  readonly text: string;
  /** Of the last heartbeat. */
  readonly mtimeMs: number;
}

/** @returns undefined if there is no such file any more */
async function look(file: string): Promise<Held | undefined> {
  try {
    const [bytes, { mtimeMs }] = await Promise.all([readRegularFile(file), stat(file)]);
    return { text: bytes.toString('utf8'), mtimeMs };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns false if the file is there already */
async function create(file: string, mark: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(mark);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Two processes that find the same stale lock must not remove each other's new one: only one of them looks and removes at a time. */
async function removeStale(file: string, stale: Held, heartbeatMs: number, clock: Clock): Promise<void> {
  const breaker = `${file}.breaking`;
  if (!(await create(breaker, markOf()))) {
    const held = await look(breaker);
    if (held !== undefined && clock.date() - held.mtimeMs > MAX_MISSED * heartbeatMs)
      await rm(breaker, { force: true });
    await sleep(clock, Math.min(POLL_MS, heartbeatMs));
    return;
  }
  try {
    const held = await look(file);
    if (held?.text === stale.text && held.mtimeMs === stale.mtimeMs) await rm(file, { force: true });
  } finally {
    await rm(breaker, { force: true });
  }
}

/** Names the holder of a lock; no two are the same. */
function markOf(): string {
  return JSON.stringify({ pid: process.pid, host: hostname(), nonce: randomUUID() });
}

function isOfDeadProcess(mark: string): boolean {
  const [, pid, host] = /^\{"pid":(\d+),"host":(".*"),"nonce":"[\da-f-]+"\}$/.exec(mark) ?? [];
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
