// @ts-check
/** Makes a checkout runnable with nothing but Node and npm: installs what is missing, builds what is outdated. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { npm, root, run } from './run.js';

const STAMP = join('dist', '.inputs');
/** The lock file says which versions of packages are in the bundle. */
const OTHER_INPUTS = [
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'package-lock.json',
  'scripts/build.js',
  'scripts/bundle.js',
];

/**
 * @param {{ say?: (line: string) => void }} [options] `say` is told what takes time; by default stderr is.
 * @returns {Promise<void>}
 */
export async function ensureReady({ say = (line) => process.stderr.write(`${line}\n`) } = {}) {
  if (!isInstalled()) {
    say('Installing dependencies…');
    // Also under `npm test --silent`, whose settings it would inherit.
    await npm(['ci', '--loglevel=warn'], { show: true });
  }
  if (!isBuilt()) {
    say('Building…');
    await run(process.execPath, [join(root, 'scripts', 'build.js')]);
  }
}

/** Compares what is installed with the lock file, rather than dates, which a checkout changes at will. */
function isInstalled() {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' || optional || devOptional || present[path]?.version === version,
  );
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }>}
 */
function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {};
}

/** Whether `dist/` was built from the sources as they are now. */
export function isBuilt() {
  const stamp = join(root, STAMP);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hashInputs();
}

/** One digest over everything that decides what `dist/` contains. */
export function hashInputs() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  for (const file of [...sources, ...OTHER_INPUTS.map((path) => join(root, path))]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}
