import { stat } from 'node:fs/promises';
import { readText } from '../read/read-text.ts';

export interface SecretFile {
  readonly text: string;
  /** Other users that may read it. */
  readonly warnings: readonly string[];
}

const OTHERS_MAY_USE = 0o006;

/**
 * A text file that holds secrets.
 * @throws RunError `MANIFEST_UNREADABLE`; no message ever holds its content.
 */
export async function readSecretFile(file: string): Promise<SecretFile> {
  return { text: await readText(file, file), warnings: await warningsAbout(file) };
}

async function warningsAbout(file: string): Promise<readonly string[]> {
  if (process.platform === 'win32') return [];
  const { mode } = await stat(file);
  return (mode & OTHERS_MAY_USE) === 0
    ? []
    : [`${file}: other users of this machine may read or change it; chmod 600 helps`];
}
