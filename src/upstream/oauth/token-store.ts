import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../observe/log.ts';
import type { OAuthSettings, RemoteTarget } from '../target.ts';
import { withFileLock, type FileLockOptions } from './file-lock.ts';
import { emptyStored, formatStored, parseStored, type Stored } from './stored.ts';

/** Tokens and clients of one server, as one file that only its user can read. */
export interface TokenStore {
  read(): Promise<Stored>;
  /** Atomic: a reader sees the old or the new. Only under the lock. */
  write(stored: Stored): Promise<void>;
  /** Forgets everything. */
  remove(): Promise<void>;
  /** Runs `work` while no other process does. */
  locked<T>(options: FileLockOptions, work: () => Promise<T>): Promise<T>;
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

/** Nothing is created before the first write. */
export function openTokenStore(url: string, settings: OAuthSettings, log: Log): TokenStore {
  const key = [url, settings.grant, settings.clientId ?? null, settings.resource ?? null];
  const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
  return openStoreFile(join(settings.storeDirectory, `${name}.json`), url, log);
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

function openStoreFile(file: string, url: string, log: Log): TokenStore {
  return {
    async read() {
      const text = await readText(file);
      if (text === undefined) return emptyStored(url);
      const stored = parseStored(text);
      if (stored !== undefined) return stored;
      log.warn(
        { event: 'oauth.store-corrupt', file },
        `${file} is not readable as a token store: it is left out of account`,
      );
      return emptyStored(url);
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
    locked: (options, work) => withFileLock(`${file}.lock`, options, work),
  };
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
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
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
