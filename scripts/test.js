// @ts-check
/**
 * `npm test [-- filters]`: all tests (or those whose path contains a filter), after installing and building what is missing.
 * `npm run test:all [-- filters]`: with all that they have, of which the others leave some out, see tiers.js.
 * `npm run check`, which CI runs: everything that has to hold, see steps.js.
 *
 * The last line is always `tests: N passed, N failed, N skipped`; a step that is no test run counts as one test.
 */
import { parseArgs } from 'node:util';
import { ensureReady } from './ensure-ready.js';
import { createReport } from './report.js';
import { FULL } from './steps.js';
import { ONLY_UNIT, vitest } from './vitest.js';

const { values, positionals } = parseArgs({
  options: {
    full: { type: 'boolean' },
    only: { type: 'string' },
    unit: { type: 'boolean' },
    all: { type: 'boolean' },
  },
  allowPositionals: true,
});
const report = createReport();
const ready = await report.run({ title: 'install and build', act: () => ensureReady() });
if (ready) {
  if (values.full) await runAll(FULL.map((steps) => steps.filter(isWanted)));
  else await report.run({ title: 'tests', act: test });
}
report.finish();

function test() {
  return vitest({
    report: 'all',
    args: values.unit ? [...ONLY_UNIT, ...positionals] : positionals,
    env: values.all ? { MCP_RUN_TEST_TIER: 'all' } : {},
    show: true,
  });
}

/** @param {import('./report.js').Step} step */
function isWanted({ title }) {
  return title.includes(values.only ?? '');
}

/** All of them: a failure hides nothing that comes after it. @param {typeof FULL} stages */
async function runAll(stages) {
  for (const steps of stages) await Promise.all(steps.map((step) => report.run(step)));
}
