// @ts-check
/**
 * `npm run test:repeat -- [--times 20] [--quiet] [filters]`: runs tests again and again on a busy machine, until one fails.
 * With `--quiet` nothing else runs.
 */
import { parseArgs } from 'node:util';
import { ensureReady } from './ensure-ready.js';
import { startLoad } from './load.js';
import { createReport } from './report.js';
import { vitest } from './vitest.js';

const { values, positionals } = parseArgs({
  options: { times: { type: 'string', default: '20' }, quiet: { type: 'boolean' } },
  allowPositionals: true,
});
const times = Number(values.times);
if (!Number.isInteger(times) || times < 1) throw new Error('--times needs a whole number, at least 1');
const report = createReport();
if (await report.run({ title: 'install and build', act: () => ensureReady() })) await repeat();
report.finish();

async function repeat() {
  const stopLoad = values.quiet ? () => {} : startLoad();
  try {
    for (let run = 1; run <= times; run += 1) {
      const title = `run ${run} of ${times}`;
      if (!(await report.run({ title, act: () => vitest({ report: 'repeat', args: positionals }) }))) break;
    }
  } finally {
    stopLoad();
  }
}
