// @ts-check
/** Programs that only tests need, kept in `.cache/`. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from './run.js';

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
      await delay(250);
      continue;
    }
    try {
      if (!existsSync(home)) await make(home, fill);
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return home;
}

/** @param {string} home @param {(folder: string) => Promise<void>} fill */
async function make(home, fill) {
  const staging = `${home}.new`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging);
  await fill(staging);
  renameSync(staging, home);
}

/** A lock whose owner died is taken over. @param {string} lock */
function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!ownerIsAlive(lock)) rmSync(lock, { force: true });
    return false;
  }
}

/** @param {string} lock */
function ownerIsAlive(lock) {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    // Empty: its owner is between creating and writing it.
    if (owner > 0) process.kill(owner, 0);
    return true;
  } catch {
    return false;
  }
}
