// @ts-check
/** What the checks print: a line a step, the output of what failed, and the total. */
import { CommandFailed } from './run.js';

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/**
 * @typedef {object} Result
 * @property {Counts} [counts] Absent: the step is one test, which passed.
 * @property {string} [note] Printed behind the step's title.
 * @property {string} [output] Shown when `counts` has failures.
 */
/** @typedef {{ title: string, act: () => Promise<Result | void> }} Step */

export function createReport() {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const startedAt = performance.now();

  return {
    /** Runs one step; resolves with whether it passed. @param {Step} step */
    async run({ title, act }) {
      const stepStartedAt = performance.now();
      const { counts = { passed: 1, failed: 0, skipped: 0 }, note = '', output = '' } = await attempt(act);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
      const passed = counts.failed === 0;
      if (!passed) process.stdout.write(`${output.trimEnd()}\n`);
      const mark = passed ? 'ok  ' : 'FAIL';
      process.stdout.write(`${mark} ${title} (${seconds(stepStartedAt)})${note === '' ? '' : ` ${note}`}\n`);
      return passed;
    },

    /** Prints the total and sets the exit code. */
    finish() {
      process.stdout.write(`\nTook ${seconds(startedAt)}\n`);
      process.stdout.write(
        `tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
      );
      process.exitCode = total.failed === 0 ? 0 : 1;
    },
  };
}

/** @param {Step['act']} act @returns {Promise<Result>} */
async function attempt(act) {
  try {
    return (await act()) ?? {};
  } catch (error) {
    const output = error instanceof CommandFailed ? `${error.output}\n${error.message}` : inspect(error);
    return { counts: { passed: 0, failed: 1, skipped: 0 }, output };
  }
}

/** @param {unknown} error */
function inspect(error) {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** @param {number} since */
function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
