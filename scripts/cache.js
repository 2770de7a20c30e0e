// @ts-check
/** Programs that only tests need, kept in `.cache/`. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from './run.js';

const POLL_MS = 250;
const BEAT_MS = 2_000;
/** A lock that is not touched for so long has no owner. */
const STALE_MS = 60_000;

/**
 * Fills a folder in `.cache/`, once; processes that need it at the same time wait for the first.
 * @param {string} name
 * @param {readonly string[]} contents Names its contents: a changed list is a new folder, never a stale one.
 * @param {(folder: string) => Promise<void>} fill Fills an empty folder, which is moved to its place after that.
 * @returns {Promise<string>} its absolute path
 */
export async function cached(name, contents, fill) {
  const digest = createHash('sha256').update(contents.join()).digest('hex').slice(0, 8);
  const home = join(root, '.cache', `${name}-${digest}`);
  const lock = `${home}.lock`;
  mkdirSync(join(root, '.cache'), { recursive: true });
  while (!existsSync(home)) {
    if (!takeLock(lock)) {
      await delay(POLL_MS);
      continue;
    }
    const heartbeat = setInterval(() => touch(lock), BEAT_MS);
    try {
      if (!existsSync(home)) await make(home, fill);
    } finally {
      clearInterval(heartbeat);
      rmSync(lock, { force: true });
    }
  }
  return home;
}

/** @param {string} home @param {(folder: string) => Promise<void>} fill */
async function make(home, fill) {
  const staging = mkdtempSync(`${home}.new-`);
  try {
    // Daemons that drop their privileges must be able to enter it.
    chmodSync(staging, 0o755);
    await fill(staging);
    renameSync(staging, home);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** The lock of a process that has ended does not change any more, and is removed. @param {string} lock */
function takeLock(lock) {
  try {
    writeFileSync(lock, '', { flag: 'wx' });
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_MS) rmSync(lock, { force: true });
    return false;
  }
}

/** @param {string} lock */
function touch(lock) {
  const now = new Date();
  try {
    utimesSync(lock, now, now);
  } catch {
    // Taken for stale: the process that removed it fills a folder of its own.
  }
}
