/** Runs the official conformance suite, and reads what it says. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { json } from '../support/json.ts';
import type { Node24 } from '../support/node24.ts';

/** The scenarios that a revision requires of a server, by name. */
export async function requiredScenarios({ conformance }: Node24, revision: string): Promise<string[]> {
  const file = join(dirname(conformance), '..', 'requirements', `${revision}.yaml`);
  const { server } = json(parse(await readFile(file, 'utf8')));
  return Array.isArray(server) ? server.map(String) : [];
}

/** Everything that the suite says about the server at `url`. */
export function runSuite({ node, conformance }: Node24, url: string, revision: string): Promise<string> {
  const suite = spawn(node, [conformance, 'server', '--url', url, '--requirements', revision], {
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

/** Scenarios with at least one check, none of which failed: one that checks nothing proves nothing. */
export function passedScenarios(output: string): Set<string> {
  const lines = output.matchAll(/^✓ (\S+): (\d+) passed, 0 failed$/gm);
  return new Set(
    [...lines].filter(([, , checks]) => Number(checks) > 0).map(([, scenario = '']) => scenario),
  );
}
