import { describe, expect, it } from 'vitest';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

const { signal } = new AbortController();
const grantsOf = (server: Awaited<ReturnType<typeof startAuthorizationServer>>) =>
  server.to('/token').map(({ params }) => params.get('grant_type'));

describe('a token that is not good any more', () => {
  it('is renewed when the server refuses it', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url);
    await request();
    server.revokeAccess();

    expect(await Promise.all([request(), request(), request()])).toEqual([200, 200, 200]);
    expect(grantsOf(server)).toEqual(['authorization_code', 'refresh_token']);
    expect(server.to('/token')[1]?.params.get('resource')).toBe(server.url);
  });

  it('is renewed before it expires', async () => {
    const server = await startAuthorizationServer({ token: { expires_in: 0 } });
    const { request, authorization } = await setUp(server.url);
    await request();
    server.rules.token = {};
    const before = server.to('/mcp').length;
    await authorization.header(() => signal);

    expect(await request()).toBe(200);
    // Without a refusal in between.
    expect(server.to('/mcp')).toHaveLength(before + 1);
    expect(grantsOf(server).at(-1)).toBe('refresh_token');
  });

  it('is renewed once for everybody who shares the store', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url);
    await first.request();
    const { storeDirectory } = first;
    const others = await Promise.all([1, 2, 3].map(() => setUp(server.url, { oauth: { storeDirectory } })));
    await Promise.all(others.map(({ authorization }) => authorization.header(() => signal)));
    server.revokeAccess();

    expect(await Promise.all([first, ...others].map(({ request }) => request()))).toEqual([
      200, 200, 200, 200,
    ]);
    expect(grantsOf(server)).toEqual(['authorization_code', 'refresh_token']);
  });

  it('has the user asked again when it cannot be renewed', async () => {
    const server = await startAuthorizationServer({
      refuses: { refresh_token: { status: 400, error: 'invalid_grant' } },
    });
    const { request, pages } = await setUp(server.url);
    await request();
    server.revokeAccess();

    expect(await request()).toBe(200);
    expect(pages).toHaveLength(2);
  });

  it('has nobody asked while the authorization server is out of order', async () => {
    const server = await startAuthorizationServer();
    const { request, pages } = await setUp(server.url);
    await request();
    server.revokeAccess();
    server.rules.refuses = { refresh_token: { status: 503, error: 'server_error' } };

    await expect(request()).rejects.toMatchObject({ code: 'AUTHORIZATION_FAILED' });
    server.rules.refuses = {};
    expect(await request()).toBe(200);
    expect(pages).toHaveLength(1);
  });

  it('is not obtained again when somebody else has done so', async () => {
    const server = await startAuthorizationServer();
    const { request, authorization } = await setUp(server.url);
    await request();
    const before = server.requests.length;
    const challenge = { status: 401, wwwAuthenticate: undefined, sent: 'Bearer outdated' };

    expect(await authorization.challenged(challenge, signal)).toBe(true);
    expect(server.requests).toHaveLength(before);
  });

  it('is not asked for without end when the server is never content', async () => {
    const server = await startAuthorizationServer({ accepts: () => false });
    const { request, pages } = await setUp(server.url);
    const ends: unknown[] = [];
    for (let count = 0; count < 5; count += 1) ends.push(await request().catch(({ code }) => code));

    expect(ends.at(-1)).toBe('AUTHORIZATION_FAILED');
    expect(pages).toHaveLength(2);
  });

  it.each([
    ['of another type', { token_type: 'mac' }, 'type mac'],
    ['that no header can carry', { access_token: 'a\r\nb' }, 'characters'],
    ['that is not there', { access_token: undefined }, 'access_token'],
  ])('%s is not used', async (_, token, text) => {
    const server = await startAuthorizationServer({ token });
    const { request, pages } = await setUp(server.url);

    await expect(request()).rejects.toThrow(text);
    expect(pages).toMatchObject([{ status: 400 }]);
  });
});

describe('the scope that is asked for', () => {
  const challenge = (scope: string) => (pointer: string) => `Bearer scope="${scope}", ${pointer}`;
  const supported = { resourceMetadata: { scopes_supported: ['all', 'of', 'it'] } };

  it.each([
    ['what the settings say', 'mine', { ...supported, challenge: challenge('read') }, { scope: 'mine' }],
    ['else what the challenge says', 'read', { ...supported, challenge: challenge('read') }, {}],
    ['else what the resource supports', 'all of it', supported, {}],
    ['else none', null, {}, {}],
    [
      'also that for lasting access, where it is supported',
      'read offline_access',
      { challenge: challenge('read'), metadata: { scopes_supported: ['read', 'offline_access'] } },
      {},
    ],
    [
      'nothing for lasting access, if nobody is there to consent',
      'read',
      { challenge: challenge('read'), metadata: { scopes_supported: ['read', 'offline_access'] } },
      { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush' } as const,
    ],
  ])('is %s', async (_, expected, rules, oauth) => {
    const server = await startAuthorizationServer(rules);
    const { request } = await setUp(server.url, { oauth });

    expect(await request()).toBe(200);
    const path = 'grant' in oauth ? '/token' : '/authorize';
    expect(server.to(path)[0]?.params.get('scope')).toBe(expected);
  });

  it('grows with what the server asks for, and loses nothing', async () => {
    const server = await startAuthorizationServer({ challenge: challenge('read') });
    const { request } = await setUp(server.url);
    await request();
    server.rules.needs = 'write';

    expect(await request()).toBe(200);
    expect(server.to('/authorize').map(({ params }) => params.get('scope'))).toEqual(['read', 'read write']);
  });

  it('grows for a client without a user, too', async () => {
    const server = await startAuthorizationServer({ challenge: challenge('read'), needs: 'write' });
    const { request } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush' },
    });

    expect(await request()).toBe(200);
    expect(server.to('/token').map(({ params }) => params.get('scope'))).toEqual(['read', 'read write']);
  });

  it('does not grow beyond what the settings say', async () => {
    const server = await startAuthorizationServer({ needs: 'write' });
    const { request, log, pages } = await setUp(server.url, { oauth: { scope: 'read' } });

    expect(await request()).toBe(403);
    expect(pages).toHaveLength(1);
    expect(log.of('oauth.scope-pinned')).toMatchObject([{ scope: 'write' }]);
  });

  it('is not asked for again when the server is not content with it', async () => {
    const server = await startAuthorizationServer({ needs: 'write', accepts: () => true });
    server.rules.grants = () => 'something else';
    const { request, pages } = await setUp(server.url);
    const ends: unknown[] = [];
    for (let count = 0; count < 4; count += 1) ends.push(await request().catch(({ code }) => code));

    expect(ends).toEqual(Array.from({ length: 4 }, () => 'AUTHORIZATION_FAILED'));
    expect(pages).toHaveLength(2);
  });
});
