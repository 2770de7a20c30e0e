import { createHash, randomUUID } from 'node:crypto';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRegularFile } from '../../files/regular-file.ts';
import type { Log } from '../../observe/log.ts';
import type { OAuthSettings, RemoteTarget } from '../../config/types.ts';
import { acquireFileLock, type FileLockOptions } from './file-lock.ts';
import { keepInMemory } from './memory-store.ts';
import { canonicalIssuer } from './names.ts';
import { emptyStored, formatStored, parseStored, type Stored } from './stored.ts';

/** Tokens and clients of one server, as one file that only its user can read. */
export interface TokenStore {
  read(): Promise<Stored>;
  /** Atomic: a reader sees the old or the new. Only under the lock. */
  write(stored: Stored): Promise<void>;
  /** Forgets everything. */
  remove(): Promise<void>;
  /** Only one process has it. @returns what gives it back */
  lock(options: FileLockOptions): Promise<() => Promise<void>>;
}

/** What a server is known by. */
export function serverUrl({ url }: Pick<RemoteTarget, 'url'>): URL {
  const known = new URL(url);
  known.hash = '';
  return known;
}

/** One that there is a file for. */
export interface StoredServer extends TokenStore {
  readonly stored: Stored;
}

/** Nothing is created before the first lock. What cannot be written is kept for this process. */
export function openTokenStore(url: string, settings: OAuthSettings, log: Log): TokenStore {
  // Other settings get tokens of their own.
  const { grant, clientId = null, resource = null, scope = null, issuer, audience } = settings;
  const key: unknown[] = [url, grant, clientId, resource, scope];
  // Files that are there already keep their names.
  if (issuer !== undefined || audience !== undefined) {
    key.push(issuer === undefined ? null : canonicalIssuer(issuer), audience ?? null);
  }
  const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
  return keepInMemory(openStoreFile(join(settings.storeDirectory, `${name}.json`), url, log), log);
}

/** Everything in a directory that can be read. */
export async function listTokenStores(directory: string, log: Log): Promise<StoredServer[]> {
  const stores: StoredServer[] = [];
  for (const name of await namesIn(directory)) {
    if (!/^[\da-f]{32}\.json$/.test(name)) continue;
    const store = openStoreFile(join(directory, name), '', log);
    const stored = await store.read();
    if (stored.url !== '') stores.push({ ...store, stored });
  }
  return stores.toSorted((a, b) => a.stored.url.localeCompare(b.stored.url));
}

/** Runs `work` while no other process does. */
export async function withLock<T>(
  store: Pick<TokenStore, 'lock'>,
  options: FileLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const release = await store.lock(options);
  try {
    options.signal.throwIfAborted();
    return await work();
  } finally {
    await release();
  }
}

function openStoreFile(file: string, url: string, log: Log): TokenStore {
  return {
    async read() {
      const bytes = await readRegularFile(file).catch((error: unknown) => unreadable(error));
      if (bytes === undefined) return emptyStored(url);
      const stored = parseStored(bytes.toString('utf8'));
      if (stored === undefined) warn('it is not what mcp-run has written');
      return stored ?? emptyStored(url);
    },
    async write(stored) {
      // Its directory is there: the lock has made it.
      const draft = `${file}.${randomUUID()}.tmp`;
      try {
        await writeFile(draft, formatStored(stored), { mode: 0o600, flag: 'wx' });
        await rename(draft, file);
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },
    remove: () => rm(file, { force: true }),
    lock: (options) => acquireFileLock(`${file}.lock`, options),
  };

  function unreadable(error: unknown): undefined {
    if (!isMissing(error)) warn(error instanceof Error ? error.message : String(error));
  }

  function warn(detail: string): void {
    log.warn(
      { event: 'oauth.store-unreadable', file, detail },
      `The tokens in ${file} are not used: ${detail}`,
    );
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
