// @ts-check
/**
 * Installs, once, what the tests run with a newer Node than ours: Node 24 itself, the official conformance suite and
 * the Inspector's CLI. They live in `.cache/` and are no dependencies of the project, whose own Node is too old for
 * them. Prints their paths as JSON: `node test/support/node24-install.js`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const NODE_PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const PACKAGES = [
  `${NODE_PACKAGE}@24.21.0`,
  '@modelcontextprotocol/conformance@0.2.0-alpha.12',
  '@modelcontextprotocol/inspector@2.12.0',
];

const cache = fileURLToPath(new URL('../../.cache/', import.meta.url));
// The folder's name says what is in it: a changed list is a new folder, never a stale one.
const home = join(cache, `node24-${createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 8)}`);
const lock = `${home}.lock`;

mkdirSync(cache, { recursive: true });
while (!existsSync(home)) {
  if (takeLock()) await install();
  else await delay(250);
}
process.stdout.write(
  `${JSON.stringify({
    node: join(home, 'node_modules', NODE_PACKAGE, 'bin', process.platform === 'win32' ? 'node.exe' : 'node'),
    conformance: entryOf('@modelcontextprotocol/conformance', 'conformance'),
    inspector: entryOf('@modelcontextprotocol/inspector', 'mcp-inspector'),
  })}\n`,
);

/** Test files run in parallel: one installs, the others wait. A lock whose owner died is taken over. */
function takeLock() {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!ownerIsAlive()) rmSync(lock, { force: true });
    return false;
  }
}

function ownerIsAlive() {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    // Empty: its owner is between creating and writing it.
    if (owner > 0) process.kill(owner, 0);
    return true;
  } catch {
    return false;
  }
}

async function install() {
  const staging = `${home}.new`;
  try {
    if (existsSync(home)) return;
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging);
    writeFileSync(join(staging, 'package.json'), '{"private":true}\n');
    // npm would check the engines against the Node that runs it, which is not the one that runs these.
    await run('npm', [
      'install',
      '--prefix',
      staging,
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '--force',
      ...PACKAGES,
    ]);
    renameSync(staging, home);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** @param {string} name @param {string} command */
function entryOf(name, command) {
  const folder = join(home, 'node_modules', ...name.split('/'));
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/** @param {string} command @param {string[]} args @returns {Promise<void>} */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`)),
    );
  });
}
