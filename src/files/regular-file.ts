import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

/** Largest file that is read as a whole. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Opening a pipe for reading waits for a process that writes into it, unless this is set. Windows has neither flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * Reads a whole regular file. A pipe or a device has no end that could be waited for, and opening one may have an effect.
 * @throws Error with the `code` of the system, or `EISDIR`, `ENOTREG` (a pipe, device or socket), `EFBIG` (more than 16 MiB).
 */
export async function readRegularFile(path: string): Promise<Buffer> {
  // Before it is opened: a device may react to that.
  refuseOthers(await stat(path));
  const handle = await open(path, OPEN_FLAGS);
  try {
    // The path may lead to another file by now.
    refuseOthers(await handle.stat());
    return await readBounded(handle);
  } finally {
    await handle.close();
  }
}

/** @throws Error with `code` `EISDIR` or `ENOTREG`, if there is such a path and it is no regular file */
export async function refuseSpecialFile(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined) refuseOthers(stats);
}

/** A file may be larger than its size says (in /proc, all are), or grow. */
async function readBounded(handle: FileHandle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafe(64 * 1024) });
    if (bytesRead === 0) return Buffer.concat(chunks);
    size += bytesRead;
    if (size > MAX_BYTES) throw failure('EFBIG', `it has more than ${MAX_BYTES / 1024 / 1024} MiB`);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

type Kind = Pick<Awaited<ReturnType<FileHandle['stat']>>, 'isFile' | 'isDirectory'>;

function refuseOthers(stats: Kind): void {
  if (stats.isFile()) return;
  if (stats.isDirectory()) throw failure('EISDIR', 'it is a directory');
  throw failure('ENOTREG', 'it is a pipe, a device or a socket, not a regular file');
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
