/** The official conformance suite's server scenarios for 2025-11-25, through mcp-run in front of a stdio server. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { installNode24, type Node24 } from '../support/node24.ts';
import { fixtureServer } from '../support/paths.ts';

const REVISION = '2025-11-25';
const INSTALL_AND_RUN_MS = 240_000;

test(
  `passes every scenario that ${REVISION} requires of a server`,
  { timeout: INSTALL_AND_RUN_MS },
  async () => {
    const node24 = installNode24();
    const gateway = await startMcpRun(serve(['--http'], fixtureServer('conformance'), '--allow-roots'));
    const output = await runSuite(node24, `${gateway.url}/mcp`);
    const required = await requiredScenarios(node24);
    const passed = passedScenarios(output);

    const failed = required.filter((scenario) => !passed.has(scenario));
    const summary = `${required.length - failed.length} of ${required.length} required scenarios passed`;
    console.log(`conformance ${REVISION}: ${summary}`);
    expect({ failed, output: failed.length > 0 ? output : '' }).toEqual({ failed: [], output: '' });
    expect(required).toHaveLength(30);
  },
);

/** Scenarios with at least one check, none of which failed: one that checks nothing proves nothing. */
function passedScenarios(output: string): Set<string> {
  const lines = output.matchAll(/^✓ (\S+): (\d+) passed, 0 failed$/gm);
  return new Set(
    [...lines].filter(([, , checks]) => Number(checks) > 0).map(([, scenario = '']) => scenario),
  );
}

async function requiredScenarios({ conformance }: Node24): Promise<string[]> {
  const file = join(dirname(conformance), '..', 'requirements', `${REVISION}.yaml`);
  const { server } = json(parse(await readFile(file, 'utf8')));
  return Array.isArray(server) ? server.map(String) : [];
}

function runSuite({ node, conformance }: Node24, url: string): Promise<string> {
  const suite = spawn(node, [conformance, 'server', '--url', url, '--requirements', REVISION], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [suite.stdout, suite.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    suite.once('error', reject);
    suite.once('close', () => resolve(output));
  });
}
