/** Processes that have left the process group of their server; Linux only, like the tests of orphans. */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { startChild, type Child } from '../../src/process/child.ts';
import { ProcessRegistry } from '../../src/process/process-registry.ts';
import { createRecordingLog, type RecordingLog } from '../observe/recording-log.ts';
import { fixtureServer } from '../support/paths.ts';
import { orphans, processAlive, processesWith } from '../support/processes.ts';

const registry = new ProcessRegistry(systemClock);

interface Started {
  readonly child: Child;
  /** Of the process that it has started in a session of its own. */
  readonly pid: number;
  /** In the environment of all that is started, unless they clear it. */
  readonly mark: string;
  readonly log: RecordingLog;
}

async function start(kind: string, more: Readonly<Record<string, string>> = {}): Promise<Started> {
  const [command = '', ...args] = fixtureServer('unit/process', 'detaches', kind);
  const log = createRecordingLog();
  const mark = randomUUID();
  const env = { MARK: mark, PATH: process.env['PATH'] ?? '', ...more };
  // The end of stdin always ends it; a descendant that ignores SIGTERM need not be waited for.
  const ladder = { endMs: 600_000, termMs: 200 };
  const child = await startChild(
    { server: 'files', command, args, cwd: undefined, env, ladder, log },
    registry,
  );
  child.stderr.resume();
  const line = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  const pid = Number(line.split(' ')[1]);
  expect(pid).toBeGreaterThan(0);
  return { child, pid, mark, log };
}

/** All that has been started and is still there when `child.stop()` has returned; ended then. */
async function leftAfter({ pid, mark }: Started): Promise<string[]> {
  return await orphans([...new Set([pid, ...processesWith(mark)])], 0);
}

describe.concurrent('a process in a session of its own', () => {
  it.each(['plain', 'stubborn', 'reborn', 'restless', 'orphan', 'cleared'])(
    'that is %s has ended when its server has been stopped',
    async (kind) => {
      const started = await start(kind);
      expect(await started.child.stop()).toMatchObject({ code: 7, stopped: true });
      expect(await leftAfter(started)).toEqual([]);
      expect(started.log.of('server.descendants-ended')).toMatchObject([{ level: 'debug' }]);
      expect(started.log.of('server.left-running')).toEqual([]);
    },
  );

  it.each(['plain', 'stubborn', 'reborn', 'restless', 'orphan'])(
    'that is %s has ended when its server has been killed',
    async (kind) => {
      const started = await start(kind);
      process.kill(started.child.pid, 'SIGKILL');
      expect(await started.child.stop()).toMatchObject({ code: 137 });
      expect(await leftAfter(started)).toEqual([]);
    },
  );

  it('is not touched when another process of the same server is stopped', async () => {
    const [one, other] = await Promise.all([start('plain'), start('plain')]);
    await one.child.stop();
    expect(await leftAfter(one)).toEqual([]);
    expect(processAlive(other.pid)).toBe(true);
    await other.child.stop();
    expect(await leftAfter(other)).toEqual([]);
  });

  it('stays if it has been released', async () => {
    const started = await start('released');
    await started.child.stop();
    expect(processAlive(started.pid)).toBe(true);
    expect(await leftAfter(started)).toHaveLength(1);
  });

  it('that has cleared its environment and lost its parent is logged while it holds a pipe', async () => {
    const started = await start('cleared-holder');
    await started.child.stop();
    expect(started.log.of('server.left-running')).toMatchObject([
      { level: 'warn', text: expect.stringContaining('cleared its environment') },
    ]);
    expect(await leftAfter(started)).toHaveLength(1);
  });
});
