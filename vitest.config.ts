import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PATIENCE_MS } from './test/support/patience.ts';

/** Tests that need the whole program or the whole repository rather than one part of it. */
const WHOLE = ['abuse', 'chaos', 'conformance', 'e2e', 'matrix', 'repo'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

/** What takes longest: one of these alone at the end would leave the other workers idle. */
const LONG = ['test/matrix/', 'test/chaos/', 'test/repo/'];

class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((path) => moduleId.includes(path));
    return Promise.resolve(files.toSorted((one, other) => Number(isLong(other)) - Number(isLong(one))));
  }
}

export default defineConfig({
  test: {
    projects: [
      // What a part needs is loaded once for all files of a worker: loading it takes longer than most of them.
      {
        extends: true,
        test: { name: 'parts', include: ['test/**/*.test.ts'], exclude: WHOLE, isolate: false },
      },
      // A connection to a remote server is made in two ways, of which the second comes late.
      {
        extends: true,
        test: {
          name: 'undici',
          include: ['test/upstream/http/*.test.ts'],
          exclude: ['connections', 'ignored-tools', 'origins', 'switching-dispatcher', 'sse'].map(
            (name) => `test/upstream/http/${name}.test.ts`,
          ),
          isolate: false,
          env: { MCP_RUN_TEST_UNDICI: 'yes' },
        },
      },
      { extends: true, test: { name: 'whole', include: WHOLE } },
    ],
    // Most tests start real processes: forks keep their signals and exit hooks apart. They wait for them half of the
    // time, so that three workers are what two cores carry without starving the processes under test.
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // These bounds turn a hang into a failure. No test depends on them: a busy machine may take many times as long.
    expect: { poll: { timeout: PATIENCE_MS } },
    testTimeout: 3 * PATIENCE_MS,
    hookTimeout: 3 * PATIENCE_MS,
    teardownTimeout: PATIENCE_MS,
    // A test that needs a second attempt is a defect in the test or in the program.
    retry: 0,
    allowOnly: false,
    setupFiles: process.env['NODE_V8_COVERAGE'] === undefined ? [] : ['scripts/vitest-coverage.js'],
    dangerouslyIgnoreUnhandledErrors: false,
    unstubEnvs: true,
  },
});
