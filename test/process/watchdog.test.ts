/** The script of the watchdog by itself: the pipe to it closes, as when mcp-run is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createMarker, MARKER } from '../../src/process/marker.ts';
import { WATCHDOG_SCRIPT } from '../../src/process/watchdog-script.ts';
import { orphans, processAlive } from '../support/processes.ts';

/** A process in a session of its own, with the marker. */
async function startMarked(value: string): Promise<number> {
  const script = `trap '' TERM; echo; while :; do sleep 1; done`;
  const child = spawn('/bin/sh', ['-c', script], {
    env: { BEFORE: 'a\nb', [MARKER]: value, AFTER: 'c' },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  onTestFinished(async () => void (await orphans([pid], 0)));
  return pid;
}

/** Without `grep`: only what is linked here is found. */
async function bareFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-run-test-'));
  await symlink('/bin/sleep', join(folder, 'sleep'));
  await chmod(folder, 0o700);
  return folder;
}

it.each([
  ['grep', async () => '/usr/bin:/bin'],
  ['the shell alone', bareFolder],
])('finds marked processes by %s, and leaves those of others alone', async (_how, pathOf) => {
  const markers = [createMarker(0, ''), createMarker(0, ''), createMarker(0, '')] as const;
  const [gone, kept, ours] = markers;
  const inner = createMarker(0, ours.value);
  const pids = await Promise.all([gone, kept, ours, inner].map(({ value }) => startMarked(value)));
  const shell = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: await pathOf() },
  });
  // No group has the greatest pid there is.
  const group = 2 ** 22;
  shell.stdin.end(`+ ${gone.id} ${group}\n+ ${ours.id} ${group}\n- ${gone.id}\n`);
  await once(shell, 'exit');
  expect(pids.map(processAlive)).toEqual([true, true, false, false]);
});
