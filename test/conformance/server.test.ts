/** The official conformance suite's server scenarios, through mcp-run in front of stdio servers of every era. */
import { expect, test } from 'vitest';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { installNode24 } from '../support/node24.ts';
import { fixtureServer } from '../support/paths.ts';
import { passedScenarios, requiredScenarios, runSuite } from './suite.ts';

interface Run {
  readonly revision: string;
  readonly server: string;
  readonly required: number;
  /** Scenarios that cannot pass, and why: one that does pass is as wrong here as one that is not here. */
  readonly fails?: Readonly<Record<string, string>>;
}

const RUNS: readonly Run[] = [
  { revision: '2025-11-25', server: 'conformance', required: 30 },
  { revision: '2025-11-25', server: 'modern-conformance', required: 30 },
  { revision: '2025-11-25', server: 'dual-conformance', required: 30 },
  { revision: '2026-07-28', server: 'modern-conformance', required: 37 },
  { revision: '2026-07-28', server: 'dual-conformance', required: 37 },
  {
    revision: '2026-07-28',
    server: 'conformance',
    required: 37,
    fails: {
      'server-stateless':
        'wants -32021 where a server goes on that could not ask: one up to 2025-11-25 may, and often can do without',
      'input-required-result-basic-elicitation':
        'wants the question under a name of its own: a server up to 2025-11-25 gives its questions none',
    },
  },
];

/** What the suite runs but requires of nobody: kept, as it has once been reached. */
const BESIDES: Readonly<Record<string, readonly string[]>> = {
  '2026-07-28': ['http-header-validation', 'http-custom-header-server-validation', 'json-schema-2020-12'],
};

const INSTALL_AND_RUN_MS = 240_000;

for (const { revision, server, required, fails = {} } of RUNS) {
  const title = `passes what ${revision} requires of a server, in front of ${server}.js`;
  test(title, { timeout: INSTALL_AND_RUN_MS }, async () => {
    const node24 = installNode24();
    const gateway = await startMcpRun(serve(['--http'], fixtureServer(server), '--allow-roots'));
    const output = await runSuite(node24, `${gateway.url}/mcp`, revision);
    const scenarios = await requiredScenarios(node24, revision);
    const passed = passedScenarios(output);

    const failed = scenarios.filter((scenario) => !passed.has(scenario)).toSorted();
    const summary = `${scenarios.length - failed.length} of ${scenarios.length} required scenarios passed`;
    console.log(`conformance ${revision}, ${server}: ${summary}`);
    const expected = Object.keys(fails).toSorted();
    const isExpected = failed.join() === expected.join();
    expect({ failed, output: isExpected ? '' : output }).toEqual({ failed: expected, output: '' });
    expect(scenarios).toHaveLength(required);
    expect((BESIDES[revision] ?? []).filter((scenario) => !passed.has(scenario))).toEqual([]);
  });
}
