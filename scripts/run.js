// @ts-check
/** Child processes for the scripts of this folder. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Nothing the checks start takes this long; what does, hangs. */
const TIMEOUT_MS = 120 * 60_000;

/**
 * @typedef {object} Options
 * @property {string} [cwd] By default the repository.
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [show] Let the output through, to stderr, instead of collecting it.
 */

/**
 * Runs a program to its end and resolves with what it wrote; rejects with a `CommandFailed` when it fails.
 * @param {string} command @param {readonly string[]} args @param {Options} [options]
 * @returns {Promise<string>}
 */
export function run(command, args, { cwd = root, env = process.env, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = show
      ? /** @type {const} */ (['inherit', 2, 2])
      : /** @type {const} */ (['ignore', 'pipe', 'pipe']);
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: [...stdio],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => (output += text));
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new CommandFailed([command, ...args].join(' '), code ?? signal, output));
    });
  });
}

/**
 * The command of a development dependency.
 * @param {string} command @param {readonly string[]} args
 * @param {string} [from] The package, when it is not called like its command.
 */
export function tool(command, args, from = command) {
  const folder = join(root, 'node_modules', ...from.split('/'));
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return run(process.execPath, [join(folder, typeof bin === 'string' ? bin : bin[command]), ...args]);
}

/**
 * npm, the one that runs us if there is one.
 * @param {readonly string[]} args @param {Options} [options]
 */
export function npm(args, options) {
  const cli = process.env['npm_execpath'];
  if (cli?.endsWith('npm-cli.js')) return run(process.execPath, [cli, ...args], options);
  // On Windows `npm` is a batch file, which only the shell can start.
  if (process.platform === 'win32') return run('cmd.exe', ['/d', '/c', 'npm', ...args], options);
  return run('npm', args, options);
}

/** A program that ended with anything but 0. */
export class CommandFailed extends Error {
  /** @param {string} command @param {number | string | null} status @param {string} output */
  constructor(command, status, output) {
    super(`${command} ended with ${status}`);
    this.output = output;
  }
}
