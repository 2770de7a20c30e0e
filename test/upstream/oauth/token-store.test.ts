import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Stored } from '../../../src/upstream/oauth/stored.ts';
import { listTokenStores, openTokenStore, withLock } from '../../../src/upstream/oauth/token-store.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createDirectory, SETTINGS } from './user.ts';

const URL_OF_SERVER = 'https://mcp.example/mcp';
const { signal } = new AbortController();

async function open(url = URL_OF_SERVER) {
  const log = createRecordingLog();
  const storeDirectory = join(await createDirectory(), 'oauth');
  const store = openTokenStore(url, { ...SETTINGS, storeDirectory }, log);
  const save = (stored: Stored) => withLock(store, { signal, clock: systemClock }, () => store.write(stored));
  return { log, storeDirectory, store, save };
}

const STORED: Stored = {
  url: URL_OF_SERVER,
  tokens: {
    issuer: 'https://login.example',
    authorizationServer: 'https://login.example',
    accessToken: 'a',
    refreshToken: 'r',
    expiresAt: 5,
    obtainedAt: 4,
    isRenewed: false,
    scope: 'read',
    requestedScope: 'read write',
    resource: URL_OF_SERVER,
  },
  clients: [
    {
      issuer: 'https://login.example',
      clientId: 'c',
      clientSecret: 's',
      authMethod: 'client_secret_basic',
      redirectUri: 'http://127.0.0.1:1/callback',
      secretExpiresAt: 6,
    },
  ],
  failure: { at: 7, count: 2, detail: 'declined' },
};

describe('what is stored about a server', () => {
  it('comes back as it was, from a file and a directory that are the user’s alone', async () => {
    const { store, save, storeDirectory } = await open();
    expect(await store.read()).toEqual({
      url: URL_OF_SERVER,
      tokens: undefined,
      clients: [],
      failure: undefined,
    });
    await save(STORED);

    expect(await store.read()).toEqual(STORED);
    const files = await readdir(storeDirectory);
    expect(files).toHaveLength(1);
    expect((await stat(join(storeDirectory, files[0] ?? ''))).mode & 0o777).toBe(0o600);
    expect((await stat(storeDirectory)).mode & 0o777).toBe(0o700);
  });

  it.each(['', '{', '[]', '{"version":2,"url":"https://mcp.example/mcp"}', '{"version":1}'])(
    'counts for nothing when the file is damaged: %s',
    async (text) => {
      const { store, save, log, storeDirectory } = await open();
      await save(STORED);
      const [file = ''] = await readdir(storeDirectory);
      await writeFile(join(storeDirectory, file), text);

      expect((await store.read()).tokens).toBeUndefined();
      expect(log.of('oauth.store-unreadable')).toHaveLength(1);
    },
  );

  it('is another one for another client of the same server', async () => {
    const { save, log, storeDirectory } = await open();
    await save(STORED);
    const other = openTokenStore(URL_OF_SERVER, { ...SETTINGS, storeDirectory, clientId: 'mine' }, log);

    expect((await other.read()).tokens).toBeUndefined();
  });

  it('is listed with that of others, and gone when it is removed', async () => {
    const { store, save, log, storeDirectory } = await open();
    await save(STORED);
    await writeFile(join(storeDirectory, 'notes.json'), '{}');
    expect((await listTokenStores(storeDirectory, log)).map(({ stored }) => stored.url)).toEqual([
      URL_OF_SERVER,
    ]);

    await store.remove();
    expect(await listTokenStores(storeDirectory, log)).toEqual([]);
    expect(await listTokenStores(join(storeDirectory, 'missing'), log)).toEqual([]);
  });

  it('is kept for this process where nothing can be written', async () => {
    const directory = await createDirectory();
    await writeFile(join(directory, 'file'), '');
    const log = createRecordingLog();
    const store = openTokenStore(
      URL_OF_SERVER,
      { ...SETTINGS, storeDirectory: join(directory, 'file', 'oauth') },
      log,
    );
    let inside = 0;
    const save = () =>
      withLock(store, { signal, clock: systemClock }, async () => {
        inside += 1;
        expect(inside).toBe(1);
        await store.write(STORED);
        inside -= 1;
      });
    await Promise.all([save(), save(), save()]);

    expect(await store.read()).toEqual(STORED);
    expect(log.of('oauth.store-unwritable')).toHaveLength(1);
  });

  it('has no token in its name', async () => {
    const { save, storeDirectory } = await open('https://mcp.example/mcp?key=secret');
    await save(STORED);
    const [file = ''] = await readdir(storeDirectory);
    expect(file).not.toContain('secret');
    expect(await readFile(join(storeDirectory, file), 'utf8')).toContain('"version": 1');
  });
});
