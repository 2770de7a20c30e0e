import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Most tests start real processes: forks keep their signals and exit hooks apart, and two workers are what two
    // cores carry without starving the processes under test.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // A test that needs a second attempt is a defect in the test or in the program.
    retry: 0,
    allowOnly: false,
    setupFiles: process.env['NODE_V8_COVERAGE'] === undefined ? [] : ['scripts/vitest-coverage.js'],
    dangerouslyIgnoreUnhandledErrors: false,
    unstubEnvs: true,
  },
});
