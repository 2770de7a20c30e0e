import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readRegularFile, refuseSpecialFile } from '../../src/files/regular-file.ts';
import { createWorkspace } from '../manifest/workspace.ts';

test('reads a file whole, links and files without a size included', async () => {
  const folder = await createWorkspace({ a: 'x'.repeat(200_000), empty: '' });
  expect((await readRegularFile(join(folder, 'a'))).length).toBe(200_000);
  expect((await readRegularFile(join(folder, 'empty'))).length).toBe(0);
  expect((await readRegularFile('/proc/self/status')).toString()).toContain('Pid:');
});

test('refuses a pipe at once, though no process writes into it', async () => {
  const folder = await createWorkspace();
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expect(readRegularFile(pipe)).rejects.toMatchObject({ code: 'ENOTREG' });
  await expect(refuseSpecialFile(pipe)).rejects.toMatchObject({ code: 'ENOTREG' });
});

test('refuses devices, sockets and directories', async () => {
  const folder = await createWorkspace();
  const socket = createServer().listen(join(folder, 'socket'));
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  for (const path of ['/dev/zero', '/dev/null', '/dev/tty', join(folder, 'socket')])
    await expect(readRegularFile(path), path).rejects.toMatchObject({ code: 'ENOTREG' });
  await expect(readRegularFile(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});

test('refuses a file of more than 16 MiB, and accepts a missing one to write', async () => {
  const folder = await createWorkspace();
  const file = join(folder, 'large');
  await writeFile(file, '');
  await truncate(file, 16 * 1024 * 1024 + 1);
  await expect(readRegularFile(file)).rejects.toMatchObject({ code: 'EFBIG' });
  await expect(refuseSpecialFile(join(folder, 'missing'))).resolves.toBeUndefined();
  await expect(readRegularFile(join(folder, 'missing'))).rejects.toMatchObject({ code: 'ENOENT' });
});
