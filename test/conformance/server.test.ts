/** The official conformance suite's server scenarios, through mcp-run in front of stdio servers of every era. */
import { expect, test } from 'vitest';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { toolsOfNode24 } from '../../scripts/node24.js';
import { fixtureServer } from '../support/paths.ts';
import { requiredScenarios, runSuite, surprises } from './suite.ts';

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
    const node24 = await toolsOfNode24();
    const gateway = await startMcpRun(serve(['--http'], fixtureServer(server), '--allow-roots'));
    const findings = await runSuite(node24, 'server', revision, ['--url', `${gateway.url}/mcp`]);
    const scenarios = await requiredScenarios(node24, 'server', revision);
    const passed = scenarios.filter((scenario) => findings.get(scenario)?.length === 0);
    console.log(
      `conformance ${revision}, ${server}: ${passed.length} of ${scenarios.length} required scenarios passed`,
    );
    expect(scenarios).toHaveLength(required);
    expect(surprises(findings, [...scenarios, ...(BESIDES[revision] ?? [])], fails)).toEqual([]);
  });
}
