import { RunError } from '../../errors.ts';
import { readRegularFile } from '../../files/regular-file.ts';

/**
 * A whole text file, which has to be a regular one: UTF-8, or UTF-16 as Windows shells write it, with or without a byte order mark.
 * @throws RunError `MANIFEST_UNREADABLE`, naming the file `label`.
 */
export async function readText(path: string, label: string): Promise<string> {
  const bytes = await readRegularFile(path).catch((error: unknown) => {
    throw new RunError('MANIFEST_UNREADABLE', { file: label, detail: reasonOf(error) }, { cause: error });
  });
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  try {
    return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new RunError(
      'MANIFEST_UNREADABLE',
      { file: label, detail: 'it is not UTF-8 text' },
      { cause: error },
    );
  }
}

const REASONS = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a directory; name the file in it'],
  ['ENOTREG', 'it is a pipe, a device or a socket; only regular files are read'],
  ['EACCES', 'permission denied'],
  ['ENOTDIR', 'a part of its path is not a directory'],
]);

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS.get(code) ?? (error instanceof Error ? error.message : String(error));
}
