import { X509Certificate } from 'node:crypto';
import { createSecureContext, rootCertificates } from 'node:tls';
import { RunError } from '../../errors.ts';
import { readRegularFile } from '../../files/regular-file.ts';
import type { TlsSettings } from '../../config/types.ts';

export interface TlsContext {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads what connections to a server trust, and prove.
 * @param extraFile trusted by all connections that are not told what to trust
 * @throws RunError `TLS_FILE_UNREADABLE`
 */
export async function readTlsFiles(
  server: string,
  { caFile, certFile, keyFile }: TlsSettings,
  extraFile: string | undefined,
): Promise<TlsContext> {
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readPem(server, file)));
  // Node.js says by itself that it cannot be read.
  const extra = ca === undefined ? undefined : await readPem(server, extraFile).catch(() => undefined);
  const context: TlsContext = {
    // A list of one's own replaces the usual one.
    ...(ca !== undefined && { ca: [...rootCertificates, ca, ...(extra === undefined ? [] : [extra])] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  if (ca !== undefined) check(server, caFile, () => new X509Certificate(ca));
  if (cert !== undefined) check(server, certFile, () => createSecureContext({ cert }));
  if (key !== undefined) check(server, keyFile, () => createSecureContext({ cert, key }));
  return context;
}

/** An invalid certificate would show with the first connection only, and that error does not name the file. */
function check(server: string, file = '', use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw unreadable(server, file, error);
  }
}

async function readPem(server: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return (await readRegularFile(file)).toString('utf8');
  } catch (error) {
    throw unreadable(server, file, error);
  }
}

function unreadable(server: string, file: string, error: unknown): RunError {
  const detail = error instanceof Error ? error.message : String(error);
  return new RunError('TLS_FILE_UNREADABLE', { server, file, detail }, { cause: error });
}
