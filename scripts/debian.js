// @ts-check
/**
 * Debian packages with programs that tests start, unpacked into `.cache/` instead of installed: no service of theirs
 * starts by itself, and nothing outside of the project changes.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.js';
import { run } from './run.js';

/**
 * The packages, with those that they depend on and that this machine does not have. Downloads them on first use.
 * @param {readonly [string, ...string[]]} names
 * @returns {Promise<{ root: string, env: Record<string, string> }>} the folder to find `usr/sbin/…` in, and the variables
 *   that its programs need
 */
export async function unpackDebian(names) {
  const root = await cached(names[0], names, (folder) => unpack(names, folder));
  const libraries = ['usr/lib', 'lib'].flatMap((path) => subfolders(join(root, path)));
  return { root, env: { LD_LIBRARY_PATH: libraries.join(':') } };
}

/** @param {readonly string[]} names @param {string} root */
async function unpack(names, root) {
  const packages = join(root, 'packages');
  mkdirSync(packages);
  await download(names, packages).catch(async () => {
    // A fresh machine may have no lists of packages, or old ones.
    await run('apt-get', ['update']);
    await download(names, packages);
  });
  for (const file of readdirSync(packages)) await run('dpkg-deb', ['-x', join(packages, file), root]);
  rmSync(packages, { recursive: true });
}

/** Downloads the packages and those of their dependencies that are not installed. @param {readonly string[]} names @param {string} folder */
async function download(names, folder) {
  const plan = await run('apt-get', [
    ...['install', '--simulate', '--reinstall', '--no-install-recommends'],
    ...names,
  ]);
  const wanted = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
  await run('apt-get', ['download', ...wanted], { cwd: folder });
}

/** The folder and its subfolders: libraries are in one that is named after the architecture. @param {string} folder */
function subfolders(folder) {
  try {
    const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [folder, ...entries.map(({ name }) => join(folder, name))];
  } catch {
    return [];
  }
}
