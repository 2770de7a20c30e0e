// @ts-check
/** Runs vitest and counts what it ran. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailed, root, run } from './run.js';

/** Tests of one part of the program; see vitest.config.ts. */
export const ONLY_UNIT = ['--project', 'parts'];

/**
 * @param {object} options
 * @param {string} options.report Name of the JSON report in .cache/reports.
 * @param {readonly string[]} [options.args]
 * @param {NodeJS.ProcessEnv} [options.env] Added to ours.
 * @param {string} [options.executable] Another Node than ours.
 * @param {boolean} [options.show] Let the output through instead of showing it on failure.
 * @returns {Promise<import('./report.js').Result>}
 */
export async function vitest({ report, args = [], env = {}, executable = process.execPath, show = false }) {
  const file = join(root, '.cache', 'reports', `${report}.json`);
  rmSync(file, { force: true });
  const { output, failure } = await attempt(
    run(
      executable,
      [
        join(root, 'node_modules', 'vitest', 'vitest.mjs'),
        'run',
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
        ...args,
      ],
      { env: { ...process.env, ...env }, show },
    ),
  );
  return { ...count(file, failure), output };
}

/** A failing run has counts too. @param {Promise<string>} running */
async function attempt(running) {
  try {
    return { output: await running, failure: undefined };
  } catch (error) {
    if (error instanceof CommandFailed) return { output: error.output, failure: error };
    throw error;
  }
}

/** @param {string} file @param {CommandFailed | undefined} failure */
function count(file, failure) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = read(file, failure);
  const unloadable = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  // Vitest can also fail without a failing test: an unhandled rejection, a worker that died.
  const failed = Math.max(numFailedTests + unloadable, failure === undefined ? 0 : 1);
  const counts = { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
  return { counts, note: `${counts.passed} passed in ${testResults.length} files` };
}

/**
 * @param {string} file @param {CommandFailed | undefined} failure
 * @returns {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { status: string, assertionResults: unknown[] }[] }}
 */
function read(file, failure) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // Without a report there was no run.
    throw failure ?? error;
  }
}
