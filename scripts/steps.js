// @ts-check
/** Everything that has to hold before a change is merged, in order; `npm run check` and CI run this list. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolsOfNode24 } from './node24.js';
import { pack } from './pack.js';
import { root, run, tool } from './run.js';
import { ONLY_UNIT, vitest } from './vitest.js';

/** @typedef {import('./report.js').Step} Step */

/** What oxlint reads: always said explicitly, because finding nothing to read would pass. */
const LINTED = ['src', 'test', 'scripts', 'fixtures', 'bench', 'bin', 'vitest.config.ts'];

const coverage = join(root, '.cache', 'coverage');

/**
 * Steps that stand together run at the same time: alone, each would leave half of the machine idle.
 * @type {readonly (readonly Step[])[]}
 */
export const FULL = [
  [{ title: 'generated files are up to date', act: () => node('scripts/generate.js', '--check') }],
  [
    { title: 'format', act: async () => void (await tool('oxfmt', ['-c', '.oxfmtrc.json', '--check', '.'])) },
    { title: 'lint', act: lint },
    { title: 'types', act: async () => void (await tool('tsc', ['--noEmit'], 'typescript')) },
    { title: 'unused code', act: async () => void (await tool('knip', [])) },
  ],
  [{ title: 'build for coverage', act: () => node('scripts/build.js', '--source-maps') }],
  [{ title: 'tests with coverage', act: testWithCoverage }],
  [{ title: 'install Node 24', act: async () => void (await toolsOfNode24()) }],
  [
    { title: 'coverage', act: reportCoverage },
    { title: 'Node 24: unit tests', act: unitTestsOnNode24 },
  ],
  [
    { title: 'build', act: () => node('scripts/build.js') },
    { title: 'Node 24: build', act: () => onNode24('scripts/build.js', '--out', '.cache/dist-node24') },
  ],
  [
    { title: 'package', act: checkPackage },
    { title: 'Node 24: end to end', act: smokeTestOnNode24 },
  ],
  [
    {
      title: 'installed package',
      act: () => vitest({ report: 'package', args: ['test/repo/package.test.ts'] }),
    },
  ],
];

async function lint() {
  await tool('oxlint', ['-c', '.oxlintrc.json', '--type-aware', '--deny-warnings', ...LINTED]);
}

/** Most Node processes below vitest write what they executed, the spawned ones included (vitest-coverage.js). */
function testWithCoverage() {
  rmSync(coverage, { recursive: true, force: true });
  mkdirSync(coverage, { recursive: true });
  // The installed package has a step of its own, after the build it is made from.
  const args = ['--exclude', 'test/repo/package.test.ts'];
  return vitest({ report: 'tests', args, env: { NODE_V8_COVERAGE: coverage } });
}

/** Reported, without a threshold: one would pull tests of whole processes back into vitest's own. */
async function reportCoverage() {
  const output = await tool('c8', [
    'report',
    ...['--temp-directory', coverage, '--reports-dir', 'coverage'],
    ...['--reporter', 'text', '--reporter', 'lcovonly'],
    ...['--all', '--src', 'src', '--include', 'src/**', '--exclude-after-remap'],
  ]);
  const [, statements = '?'] = /^All files\s*\|\s*([\d.]+)/m.exec(output) ?? [];
  return { note: `${statements}% of src/ (details in coverage/)` };
}

/** The tarball as it would be published, judged by publint and attw. */
async function checkPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-pack-'));
  try {
    const tarball = await pack(folder);
    await tool('publint', ['--strict', tarball]);
    await tool('attw', [tarball, '--profile', 'esm-only'], '@arethetypeswrong/cli');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function unitTestsOnNode24() {
  const { node: executable } = await toolsOfNode24();
  return vitest({ report: 'node24', args: ONLY_UNIT, executable });
}

/** The tests run on our Node and drive an mcp-run that runs on Node 24. */
async function smokeTestOnNode24() {
  const { node: executable } = await toolsOfNode24();
  const env = { MCP_RUN_TEST_NODE: executable };
  return vitest({ report: 'node24-smoke', args: ['test/e2e/smoke.test.ts'], env });
}

/** @param {readonly string[]} args */
async function onNode24(...args) {
  const { node: executable } = await toolsOfNode24();
  await run(executable, args);
}

/** @param {readonly string[]} args */
async function node(...args) {
  await run(process.execPath, args);
}
