import { RunError } from '../../errors.ts';
import { parseHeader, toHeaders, type Headers } from '../schema/headers.ts';
import { readSecretFile } from './secret-file.ts';

/** What is kept in files of its own, because arguments and manifests are read by others. */
export interface FromFile<T> {
  readonly value: T;
  readonly warnings: readonly string[];
}

/**
 * Headers, one `Name: value` a line; lines with `#` are comments.
 * @throws RunError `MANIFEST_UNREADABLE`
 */
export async function readHeaderFile(file: string): Promise<FromFile<Headers>> {
  const { text, warnings } = await readSecretFile(file);
  const pairs: (readonly [string, string])[] = [];
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const header = parseHeader(line);
    if ('fault' in header) throw unreadable(file, `line ${index + 1}: ${header.fault}`);
    pairs.push(header.value);
  }
  return { value: toHeaders(pairs), warnings };
}

/**
 * A client's secret, alone in its file.
 * @throws RunError `MANIFEST_UNREADABLE`
 */
export async function readClientSecret(file: string): Promise<FromFile<string>> {
  const { text, warnings } = await readSecretFile(file);
  const value = text.trim();
  if (value === '' || value.includes('\n')) throw unreadable(file, 'it does not hold one line, the secret');
  return { value, warnings };
}

/**
 * A client's private key, as PEM.
 * @throws RunError `MANIFEST_UNREADABLE`
 */
export async function readPrivateKey(file: string): Promise<FromFile<string>> {
  const { text, warnings } = await readSecretFile(file);
  const kind = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----/.exec(text)?.[1];
  if (kind === undefined) throw unreadable(file, 'it holds no private key in PEM');
  if (kind.startsWith('ENCRYPTED')) throw unreadable(file, 'the key in it needs a passphrase; remove that');
  return { value: text, warnings };
}

function unreadable(file: string, detail: string): RunError {
  return new RunError('MANIFEST_UNREADABLE', { file, detail });
}
