/** The official conformance suite's client scenarios, through mcp-run behind clients of either era. */
import { expect, test } from 'vitest';
import { TIER } from '../../scripts/tiers.js';
import type { Era } from '../../src/link/link.ts';
import { toolsOfNode24 } from '../../scripts/node24.js';
import { createClient } from './client.ts';
import { openHarness } from './harness.ts';
import { requiredScenarios, runSuite, surprises } from './suite.ts';

interface Run {
  readonly revision: string;
  readonly era: Era;
  readonly required: number;
  /** Of the client's own revision: nothing is translated. */
  readonly isOwn: boolean;
}

const RUNS: readonly Run[] = [
  { revision: '2025-11-25', era: 'legacy', required: 18, isOwn: true },
  { revision: '2025-11-25', era: 'modern', required: 18, isOwn: false },
  { revision: '2026-07-28', era: 'legacy', required: 32, isOwn: false },
  { revision: '2026-07-28', era: 'modern', required: 32, isOwn: true },
];

/** What the suite runs but requires of nobody: kept, as it has once been reached. */
const BESIDES = [
  'auth/client-credentials-basic',
  'auth/client-credentials-jwt',
  'json-schema-2020-12-preservation',
];

const INSTALL_AND_RUN_MS = 240_000;

for (const { revision, era, required, isOwn } of RUNS) {
  const title = `passes what ${revision} requires of a client, behind a ${era} one`;
  test(title, { timeout: INSTALL_AND_RUN_MS }, async () => {
    const node24 = await toolsOfNode24();
    const scenarios = await requiredScenarios(node24, 'client', revision);
    const played = [...scenarios, ...BESIDES].filter(
      // Where messages are translated, those about authorization see none of that.
      (scenario) => TIER.isWhole || isOwn || !scenario.startsWith('auth/'),
    );
    const command = await openHarness(createClient(era, played));
    const args = ['--command', command, '--timeout', String(INSTALL_AND_RUN_MS)];
    const findings = await runSuite(node24, 'client', revision, args);
    const passed = played.filter((scenario) => findings.get(scenario)?.length === 0);
    console.log(
      `conformance ${revision}, ${era} client: ${passed.length} of ${played.length} scenarios passed, ${required} required`,
    );
    expect(scenarios).toHaveLength(required);
    expect(surprises(findings, played)).toEqual([]);
  });
}
