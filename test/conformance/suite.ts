/** Runs the official conformance suite, and reads what it found. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parse } from 'yaml';
import { json, type Json } from '../support/json.ts';
import type { Node24 } from '../../scripts/node24.js';

/** Whom the suite tests. */
export type Role = 'server' | 'client';

/** By scenario: why it has not passed, empty if it has. */
export type Findings = ReadonlyMap<string, readonly string[]>;

/** `auth/scope-step-up-2026-11-28T08-00-00-000Z`, and `server-ping-…` if servers are tested. */
const RESULT = /^(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/;
/** Much too late is a failure. */
const A_LITTLE_LATE = 'client-sse-retry-timing';
const MAX_DETAILS = 400;
const LAST_LINES = 20;

/** The scenarios that a revision requires, by name. */
export async function requiredScenarios(
  { conformance }: Node24,
  role: Role,
  revision: string,
): Promise<string[]> {
  const file = join(dirname(conformance), '..', 'requirements', `${revision}.yaml`);
  const scenarios = json(parse(await readFile(file, 'utf8')))[role];
  return Array.isArray(scenarios) ? scenarios.map(String) : [];
}

/** All that a revision has for a role; `args` say whom to test. */
export async function runSuite(
  { node, conformance }: Node24,
  role: Role,
  revision: string,
  args: readonly string[],
): Promise<Findings> {
  const results = await mkdtemp(join(tmpdir(), 'mcp-run-conformance-'));
  try {
    const command = [conformance, role, '--requirements', revision, '--output-dir', results, ...args];
    const output = await outputOf(node, command);
    const findings = await readFindings(results, role);
    if (findings.size === 0) throw new Error(`The suite found nothing:\n${lastLines(output)}`);
    return findings;
  } finally {
    await rm(results, { recursive: true });
  }
}

/**
 * What is not as expected: scenarios that have not passed, with what the suite said about them, and such as have
 * although they are said to fail.
 */
export function surprises(
  findings: Findings,
  scenarios: readonly string[],
  fails: Readonly<Record<string, string>> = {},
): string[] {
  return scenarios.flatMap((scenario) => {
    const faults = findings.get(scenario) ?? ['has not been run'];
    if (faults.length > 0 === Object.hasOwn(fails, scenario)) return [];
    return faults.length > 0
      ? faults.map((fault) => `${scenario}: ${fault}`)
      : [`${scenario}: passes, and is listed as one that fails`];
  });
}

function outputOf(node: string, args: readonly string[]): Promise<string> {
  const suite = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [suite.stdout, suite.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    suite.once('error', reject);
    suite.once('close', () => resolve(output));
  });
}

async function readFindings(results: string, role: Role): Promise<Findings> {
  const prefix = role === 'server' ? 'server-' : '';
  const files = await readdir(results, { recursive: true, withFileTypes: true });
  const checks = files.filter(({ name }) => name === 'checks.json');
  return new Map(
    await Promise.all(
      checks.map(async ({ parentPath }): Promise<[string, string[]]> => {
        const folder = relative(results, parentPath);
        const [, name = ''] = RESULT.exec(folder) ?? [];
        return [name.slice(prefix.length), await readFaults(parentPath, role)];
      }),
    ),
  );
}

/** As the suite judges: warnings count for a client only, where one does not depend on what else the machine does. A scenario that checks nothing proves nothing. */
async function readFaults(folder: string, role: Role): Promise<string[]> {
  const value: unknown = JSON.parse(await readFile(join(folder, 'checks.json'), 'utf8'));
  const checks = Array.isArray(value) ? value.map(json) : [];
  const isFault = ({ id, status }: Json): boolean =>
    status === 'FAILURE' || (status === 'WARNING' && role === 'client' && id !== A_LITTLE_LATE);
  const faults = checks.filter(isFault).map(describeCheck);
  if (role === 'client') {
    const failure = await readFile(join(folder, 'stderr.txt'), 'utf8');
    if (failure !== '') faults.push(`the client: ${lastLines(failure)}`);
  }
  if (faults.length > 0) return faults;
  return checks.some(({ status }) => status === 'SUCCESS') ? [] : ['nothing was checked'];
}

function describeCheck({ id, description, errorMessage, details }: Json): string {
  const what = `${String(id)}: ${String(errorMessage ?? description)}`;
  return details === undefined ? what : `${what} ${JSON.stringify(details).slice(0, MAX_DETAILS)}`;
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
}
