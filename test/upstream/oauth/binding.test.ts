/** The secret or the private key of a user's client, and the issuers that a server names for it. */
import { generateKeyPairSync } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { logOut } from '../../../src/gateway/tokens.ts';
import { listBindings, openBindingStore } from '../../../src/upstream/oauth/issuer-binding.ts';
import type { OAuthSettings } from '../../../src/config/types.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { startAuthorizationServer, type AuthorizationServer } from '../../support/authorization-server.ts';
import { createDirectory, freePort, SETTINGS, setUp } from './user.ts';

const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const METADATA_URL = 'https://app.example/client.json';
const SECRET = { clientId: 'mine', clientSecret: 'hush' } as const;
const ALONE = { grant: 'client-credentials', ...SECRET } as const;
const NO_TLS = { caFile: undefined, certFile: undefined, keyFile: undefined };
const { signal } = new AbortController();

/** A server, its authorization server, and another one that it may name. */
async function startServers() {
  const supported = { client_id_metadata_document_supported: true };
  const next = await startAuthorizationServer({ metadata: supported });
  const first = await startAuthorizationServer({ metadata: supported });
  const server = await startAuthorizationServer({ accepts: (token) => first.isValid(token) });
  const name = (issuer: AuthorizationServer): void => {
    server.rules.resourceMetadata = { authorization_servers: [issuer.origin] };
    server.rules.accepts = (token) => issuer.isValid(token);
  };
  name(first);
  return { server, first, next, name };
}

describe('the first issuer that a server names', () => {
  it.each<[string, Partial<OAuthSettings>]>([
    ['a client with a secret, without a user', ALONE],
    ['a client with a secret', SECRET],
    ['a client with a key, without a user', { grant: 'client-credentials', clientId: 'mine', privateKey }],
    ['a client with a key', { clientId: 'mine', privateKey }],
    ['a metadata document and a key', { clientMetadataUrl: METADATA_URL, privateKey }],
  ])('is the only one for %s, in other processes and after a logout as well', async (_, oauth) => {
    const { server, first, next, name } = await startServers();
    const mine = await setUp(server.url, { oauth });
    expect(await mine.request()).toBe(200);
    const clientId = oauth.clientId ?? METADATA_URL;
    expect(mine.log.of('oauth.issuer-bound')).toMatchObject([
      { level: 'warn', issuer: first.origin, clientId },
    ]);
    const { storeDirectory } = mine;
    expect(await listBindings(storeDirectory)).toMatchObject([
      { url: server.url, clientId, issuer: first.origin },
    ]);

    name(next);
    first.revokeAccess();
    const refused = {
      code: 'AUTHORIZATION_FAILED',
      message: expect.stringMatching(
        new RegExp(`the client ${clientId} belongs to ${first.origin}, .* now names ${next.origin}`),
      ),
      hint: expect.stringContaining(`"oauth": {"issuer": "${next.origin}"}`),
    };
    await expect(mine.request()).rejects.toMatchObject(refused);
    // Each of them has tokens of its own.
    for (const more of [{}, { scope: 'read' }, { audience: 'api' }, { resource: false }] as const) {
      const other = await setUp(server.url, { oauth: { ...oauth, ...more, storeDirectory } });
      await expect(other.request()).rejects.toMatchObject(refused);
      expect(other.log.of('oauth.issuer-bound')).toEqual([]);
    }
    const log = createRecordingLog();
    const [done] = await logOut(storeDirectory, undefined, { log, signal, clock: systemClock });
    expect(done?.bindings).toMatchObject([{ clientId, issuer: first.origin }]);
    const after = await setUp(server.url, { oauth: { ...oauth, storeDirectory } });
    await expect(after.request()).rejects.toMatchObject(refused);
    for (const path of ['/token', '/authorize', '/register']) expect(next.to(path)).toEqual([]);

    const named = await setUp(server.url, { oauth: { ...oauth, storeDirectory, issuer: next.origin } });
    expect(await named.request()).toBe(200);
    expect(named.log.of('oauth.issuer-bound')).toEqual([]);
  });

  it('is used as long as the server lists it, in any order', async () => {
    const { server, first, next } = await startServers();
    const { request } = await setUp(server.url, { oauth: ALONE });
    await request();
    first.revokeAccess();
    server.rules.resourceMetadata = { authorization_servers: [next.origin, first.origin] };
    expect(await request()).toBe(200);
    expect(next.requests).toEqual([]);
  });

  it.each([401, 500])('stays the only one when it answers with HTTP status %i', async (status) => {
    const { server, first, next, name } = await startServers();
    first.rules.refuses = { client_credentials: { status, error: 'invalid_client' } };
    const { request } = await setUp(server.url, { oauth: ALONE });
    await expect(request()).rejects.toThrow('invalid_client');
    name(next);
    await expect(request()).rejects.toThrow(`belongs to ${first.origin}`);
    expect(next.to('/token')).toEqual([]);
  });

  it('stays the only one when it does not know the client any more', async () => {
    const { server, first, next, name } = await startServers();
    const { request } = await setUp(server.url, { oauth: SECRET });
    await request();
    first.revokeAccess();
    first.rules.refuses = {
      refresh_token: { status: 401, error: 'invalid_client' },
      authorization_code: { status: 401, error: 'invalid_client' },
    };
    await expect(request()).rejects.toThrow('invalid_client');
    name(next);
    await expect(request()).rejects.toThrow(`belongs to ${first.origin}`);
    expect(next.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('is asked for as before by a client without a secret, which is bound by its tokens', async () => {
    const { server } = await startServers();
    const { request, log, storeDirectory } = await setUp(server.url, { oauth: { clientId: 'mine' } });
    expect(await request()).toBe(200);
    expect(log.of('oauth.issuer-bound')).toEqual([]);
    expect(await listBindings(storeDirectory)).toEqual([]);
  });

  it('counts in this process where nothing can be stored', async () => {
    const { server, first, next, name } = await startServers();
    const file = join(await createDirectory(), 'file');
    await writeFile(file, '');
    const { request, log } = await setUp(server.url, {
      oauth: { ...ALONE, storeDirectory: join(file, 'oauth') },
    });
    expect(await request()).toBe(200);
    expect(log.of('oauth.issuer-bound')).toMatchObject([
      { text: expect.stringContaining('by this process') },
    ]);
    first.revokeAccess();
    name(next);
    await expect(request()).rejects.toThrow(`belongs to ${first.origin}`);
    expect(next.to('/token')).toEqual([]);
  });

  it('is not replaced when its file cannot be read', async () => {
    const { server, first } = await startServers();
    const { request, storeDirectory } = await setUp(server.url, { oauth: ALONE });
    await request();
    first.revokeAccess();
    const [name = ''] = (await readdir(storeDirectory)).filter((each) => each.endsWith('.issuer.json'));
    await writeFile(join(storeDirectory, name), '{}');
    await expect(request()).rejects.toThrow(name);
    expect(first.to('/token')).toHaveLength(1);
  });

  it('is the same for all that bind the client at once', async () => {
    const storeDirectory = await createDirectory();
    const open = () =>
      openBindingStore(
        { server: 'far', url: 'https://h/mcp', clock: systemClock },
        { ...SETTINGS, ...SECRET, storeDirectory },
      );
    const issuers = ['https://a', 'https://b', 'https://c', 'https://d', 'https://e'];
    const bound = await Promise.all(issuers.map((issuer) => open().bind(issuer, signal)));
    expect(new Set(bound.map(({ binding }) => binding.issuer)).size).toBe(1);
    expect(bound.filter(({ isNew }) => isNew)).toHaveLength(1);
  });
});

describe('metadata of another server that names the issuer of the settings', () => {
  /** The server names one that says that it is the issuer. */
  async function startImpostor(issuer: string, change: (impostor: AuthorizationServer) => void = () => {}) {
    const impostor = await startAuthorizationServer({ metadata: { issuer } });
    change(impostor);
    return await startAuthorizationServer({
      resourceMetadata: { authorization_servers: [impostor.origin] },
    }).then((server) => ({ server, impostor }));
  }

  it.each<[string, Partial<OAuthSettings>]>([
    ['a secret', ALONE],
    ['a key', { grant: 'client-credentials', clientId: 'mine', privateKey }],
    ['a secret and a user', SECRET],
    ['neither', {}],
  ])('gets nothing of a client with %s', async (_, oauth) => {
    const good = await startAuthorizationServer();
    const { server, impostor } = await startImpostor(good.origin);
    server.rules.accepts = (token) => good.isValid(token);
    const { request } = await setUp(server.url, { oauth: { ...oauth, issuer: good.origin } });
    expect(await request()).toBe(200);
    expect(impostor.requests).toEqual([]);
  });

  it.each([ALONE, SECRET])('gets no secret while the issuer cannot be reached: %j', async (oauth) => {
    const issuer = `http://127.0.0.1:${await freePort()}`;
    const { server, impostor } = await startImpostor(issuer);
    const { request } = await setUp(server.url, { oauth: { ...oauth, issuer } });
    await expect(request()).rejects.toThrow(`the client belongs to ${issuer}`);
    for (const path of ['/token', '/authorize', '/register']) expect(impostor.to(path)).toEqual([]);
  });

  it('gets neither tokens nor registered clients of the issuer while that cannot be reached', async () => {
    const good = await startAuthorizationServer({
      registration: { client_secret: 'registered', token_endpoint_auth_method: 'client_secret_post' },
    });
    const { server, impostor } = await startImpostor(good.origin);
    server.rules.accepts = (token) => good.isValid(token);
    const oauth = { issuer: good.origin, callbackPort: await freePort() };
    const first = await setUp(server.url, { oauth });
    expect(await first.request()).toBe(200);
    good.revokeAccess();
    good.rules.metadata = null;
    server.rules.accepts = (token) => impostor.isValid(token);
    const { storeDirectory } = first;
    const second = await setUp(server.url, { oauth: { ...oauth, storeDirectory } });
    await second.request();

    const sent = impostor.to('/token').map(({ params }) => Object.fromEntries(params));
    expect(sent.map(({ grant_type: grant }) => grant)).toEqual(['authorization_code']);
    expect(JSON.stringify([sent, impostor.to('/authorize').map(({ params }) => [...params])])).not.toMatch(
      new RegExp(`registered|${good.to('/authorize')[0]?.params.get('client_id')}`),
    );
  });
});

describe('a private key', () => {
  it('is not used for a client that was registered for us', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, { oauth: { clientMetadataUrl: METADATA_URL, privateKey } });
    expect(await request()).toBe(200);
    server.revokeAccess();
    expect(await request()).toBe(200);
    expect(server.to('/token')).toHaveLength(2);
    for (const { params } of server.to('/token')) expect(params.has('client_assertion')).toBe(false);
  });
});

describe('a logout', () => {
  /** Signs in as one client, and out with the settings of another. */
  async function signInAndOut(before: Partial<OAuthSettings>, after: Partial<OAuthSettings>) {
    const server = await startAuthorizationServer();
    server.rules.metadata = { revocation_endpoint: `${server.origin}/revoke` };
    const { request, storeDirectory } = await setUp(server.url, { oauth: before });
    expect(await request()).toBe(200);
    const account = {
      url: server.url,
      tls: NO_TLS,
      oauth: { ...SETTINGS, ...after, storeDirectory },
    };
    await logOut(storeDirectory, [account], { log: createRecordingLog(), signal, clock: systemClock });
    const [revoked] = server.to('/revoke');
    return { ...revoked?.headers, ...Object.fromEntries(revoked?.params ?? []) };
  }

  it('authenticates with the secret of the client', async () => {
    expect(await signInAndOut(SECRET, SECRET)).toMatchObject({ authorization: `Basic ${btoa('mine:hush')}` });
  });

  it.each<[string, Partial<OAuthSettings>, Partial<OAuthSettings>]>([
    ['the secret of another client', {}, SECRET],
    ['the secret of another client of the user', { clientId: 'other' }, SECRET],
    ['the key of another client', {}, { clientId: 'mine', privateKey }],
    [
      'a secret that is meant for another issuer',
      { clientId: 'mine' },
      { ...SECRET, issuer: 'https://elsewhere.example' },
    ],
  ])('does not send %s', async (_, before, after) => {
    const sent = await signInAndOut(before, after);
    expect(sent).toMatchObject({ token: expect.stringMatching(/^refresh-/) });
    expect(JSON.stringify(sent)).not.toMatch(/hush|client_assertion/);
    expect(sent).not.toHaveProperty('authorization');
  });
});
