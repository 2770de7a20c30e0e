import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { MARKER } from '../../src/process/marker.ts';
import { ProcessRegistry } from '../../src/process/process-registry.ts';
import { startChild, STOP_LADDER, type Child, type ChildOptions } from '../../src/process/child.ts';
import { fixtureServer } from '../support/paths.ts';
import { orphans, processAlive } from '../support/processes.ts';

/** Longer than any test takes. */
const NEVER_MS = 600_000;

interface Started {
  readonly child: Child;
  /** The first line that it prints. */
  readonly line: string;
}

const registry = new ProcessRegistry(systemClock);
const started: Child[] = [];
afterAll(() => Promise.all(started.map((child) => child.stop())));

async function start(mode: string, argument = '', more: Partial<ChildOptions> = {}): Promise<Started> {
  const [command = '', ...args] = fixtureServer('unit/process', mode, argument);
  const child = await startChild(
    { server: 'files', command, args, cwd: undefined, env: {}, ...more },
    registry,
  );
  child.stderr.resume();
  started.push(child);
  const line = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout })
      .once('line', resolve)
      .once('close', () => resolve(''));
  });
  return { child, line };
}

describe.concurrent('stopping', () => {
  it('waits for nothing with a process that ends with its stdin, which tells its exit code', async () => {
    const { child } = await start('ends-with-stdin', '', { ladder: { endMs: NEVER_MS, termMs: NEVER_MS } });
    expect(await child.stop()).toEqual({ code: 7, signal: null, stopped: true });
  });

  it('sends SIGTERM to a process that does not end with its stdin', async () => {
    const { child } = await start('ignores-stdin', '', { ladder: { endMs: 100, termMs: NEVER_MS } });
    expect(await child.stop()).toEqual({ code: 143, signal: 'SIGTERM', stopped: true });
  });

  it('sends SIGKILL to a process that ignores SIGTERM, after 2 s and 3 s unless told otherwise', async () => {
    expect(STOP_LADDER).toEqual({ endMs: 2_000, termMs: 3_000 });
    const { child } = await start('ignores-sigterm');
    const startedAt = performance.now();
    expect(await child.stop()).toEqual({ code: 137, signal: 'SIGKILL', stopped: true });
    // No upper bound: a busy machine takes any time.
    expect(performance.now() - startedAt).toBeGreaterThan(4_900);
    expect(await orphans([child.pid])).toEqual([]);
  });

  it('takes a stubborn grandchild along that outlives its parent', async () => {
    const { child, line } = await start('leaves-grandchild');
    const grandchild = Number(line.split(' ')[1]);
    expect(processAlive(grandchild)).toBe(true);
    expect(await child.stop()).toMatchObject({ code: 7, stopped: true });
    expect(await orphans([child.pid, grandchild])).toEqual([]);
  });

  it('happens once, however often it is asked for', async () => {
    const { child } = await start('ends-with-stdin');
    const [one, two] = await Promise.all([child.stop(), child.stop()]);
    expect(one).toBe(two);
    expect(await child.stop()).toBe(one);
  });

  it('of a process that has ended by itself tells so', async () => {
    const { child } = await start('exits-with', '5');
    await child.exited;
    expect(await child.stop()).toEqual({ code: 5, signal: null, stopped: false });
  });
});

describe.concurrent('a process that ends by itself', () => {
  it.each([
    ['exits-with', '0', { code: 0, signal: null }],
    ['exits-with', '3', { code: 3, signal: null }],
    ['exits-with', '255', { code: 255, signal: null }],
    ['kills-itself', 'SIGKILL', { code: 137, signal: 'SIGKILL' }],
    ['kills-itself', 'SIGTERM', { code: 143, signal: 'SIGTERM' }],
    ['kills-itself', 'SIGSEGV', { code: 139, signal: 'SIGSEGV' }],
  ])('%s %s', async (mode, argument, expected) => {
    const { child } = await start(mode, argument);
    expect(await child.exited).toEqual({ ...expected, stopped: false });
  });

  it('leaves nobody behind, not even one who holds its stdout open', async () => {
    const { child, line } = await start('leaves-grandchild', 'holds-stdout');
    const grandchild = Number(line.split(' ')[1]);
    expect(await child.exited).toMatchObject({ code: 3, stopped: false });
    // The grandchild may hold the pipe for ever: it is ended only after `exited`.
    expect(processAlive(grandchild)).toBe(true);
    expect(await orphans([grandchild])).toEqual([]);
  });

  it('does not mind what is written to it afterwards', async () => {
    const { child } = await start('exits-with', '0');
    child.stdin.write('x'.repeat(1_000_000));
    expect(await child.exited).toMatchObject({ code: 0 });
    child.stdin.write('more');
  });
});

describe('a process that cannot be started', () => {
  const options = { server: 'files', args: [], cwd: undefined, env: { PATH: '/usr/bin:/bin' } };

  it.each(['no-such-command-anywhere', '/no/such/file', './no-such-file'])(
    'is not found: %s',
    async (command) => {
      await expect(startChild({ ...options, command }, registry)).rejects.toMatchObject({
        code: 'COMMAND_NOT_FOUND',
        exitCode: 4,
        fields: { server: 'files', command },
      });
    },
  );

  it('has a working directory that is missing', async () => {
    const starting = startChild({ ...options, command: process.execPath, cwd: '/no/such/folder' }, registry);
    await expect(starting).rejects.toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringContaining('/no/such/folder'),
    });
  });

  it('has a working directory that is a file', async () => {
    const starting = startChild({ ...options, command: process.execPath, cwd: process.execPath }, registry);
    await expect(starting).rejects.toMatchObject({ code: 'SPAWN_FAILED' });
  });

  it('is not executable', async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'mcp-run-test-')));
    onTestFinished(() => rm(folder, { recursive: true }));
    const command = join(folder, 'plain.txt');
    await writeFile(command, 'text');
    await chmod(command, 0o600);
    const starting = startChild({ ...options, command }, registry);
    await expect(starting).rejects.toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringContaining('not executable'),
    });
  });

  it('is a folder', async () => {
    await expect(startChild({ ...options, command: tmpdir() }, registry)).rejects.toMatchObject({
      code: 'SPAWN_FAILED',
    });
  });

  it('has a zero byte in its arguments', async () => {
    const starting = startChild({ ...options, command: process.execPath, args: ['a\0b'] }, registry);
    await expect(starting).rejects.toMatchObject({ code: 'SPAWN_FAILED' });
  });
});

it('starts with the environment and the folder that it is given, its marker, and without a shell', async () => {
  const cwd = await realpath(tmpdir());
  const env = { ONLY: '$HOME `id` "x"', PATH: '/usr/bin' };
  const { line } = await start('prints-environment', '$(touch /tmp/no); *', { env, cwd });
  const seen = JSON.parse(line);
  // Node passes its own variable on to every process, so that coverage is measured there, too.
  delete seen.env.NODE_V8_COVERAGE;
  expect(seen).toEqual({ env: { ...env, [MARKER]: expect.stringMatching(/^[0-9a-z]+$/) }, cwd });
});
