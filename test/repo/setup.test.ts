/** What a newcomer does first, in a fresh clone with nothing but Node and npm; and what CI does. */
import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, cloneFresh, root } from './support/places.ts';
import { readyUrl, startShell, type Running } from './support/shell.ts';

/** npm on a setting of the machine, which is not about this repository. */
const UNKNOWN_SETTING = /Unknown (user|env|global) config/;

describe.sequential('a fresh clone', () => {
  let clone: string;
  const started: Running[] = [];

  function run(command: string): Running {
    const running = startShell(command, { cwd: clone, env: cleanEnvironment() });
    started.push(running);
    return running;
  }

  beforeAll(() => {
    clone = cloneFresh();
  });
  afterAll(async () => {
    await Promise.all(started.map((running) => running.stop()));
    rmSync(clone, { recursive: true, force: true });
  });

  test('npm run demo installs without a warning, builds, and serves until Ctrl-C', async () => {
    const demo = run('exec npm run demo -- --port 0 --log-format json');
    const client = new Client({ name: 'setup-test', version: '1.0.0' });
    await client.connect(new StreamableHTTPClientTransport(await readyUrl(demo)));
    expect(JSON.stringify(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toContain(
      'hello',
    );
    await client.close();
    expect(complaintsOf(demo.output())).toEqual([]);
    // A terminal interrupts its whole foreground group. npm then ends by the signal, whatever its script does.
    demo.signal('SIGINT');
    await demo.ended;
    expect(demo.isAlive()).toBe(false);
  });

  test('the script behind npm run demo ends with 0 on Ctrl-C', async () => {
    const demo = run('exec node scripts/demo.js --port 0 --log-format json');
    await readyUrl(demo);
    demo.signal('SIGINT');
    expect({ exitCode: await demo.ended, output: demo.output() }).toMatchObject({ exitCode: 0 });
  });

  test('npm test with a filter runs those tests and ends with the count', async () => {
    const tests = run('npm test -- test/repo/blocks.test.ts');
    expect({ exitCode: await tests.ended, output: tests.output() }).toMatchObject({ exitCode: 0 });
    expect(tests.output().trimEnd().split('\n').at(-1)).toMatch(/^tests: \d+ passed, 0 failed, 0 skipped$/);
  });
});

test('CI runs npm test with everything', () => {
  const script = join(root, '.ci', 'run');
  accessSync(script, constants.X_OK);
  expect(readFileSync(script, 'utf8')).toMatch(/^exec npm test .*--full$/m);
});

test('npm run check runs what CI runs', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(scripts.check).toBe(`${scripts.test} --full`);
});

test('the lock file names no host and nothing deprecated', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const entries = Object.entries<{ resolved?: string; deprecated?: string; optional?: boolean }>(packages);
  expect(entries.length).toBeGreaterThan(100);
  expect(entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  expect(entries.filter(([, { deprecated }]) => deprecated !== undefined).map(([path]) => path)).toEqual([]);
});

/** What npm had to say about this repository. */
function complaintsOf(output: string): string[] {
  const lines = output.split('\n').filter((line) => !line.startsWith('{') && !UNKNOWN_SETTING.test(line));
  return lines.filter((line) => /\b(warn|error|deprecated)/i.test(line));
}
