import { describe, expect, it } from 'vitest';
import { startAuthorizationServer, type AuthorizationServer } from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

const RESOURCE_PLACE = '/.well-known/oauth-protected-resource/mcp';
const OIDC_OF_TENANT = '/tenant-1/v2.0/.well-known/openid-configuration';

/** One like Entra ID: an issuer that is a template, no word of PKCE, no registration, no resource indicators. */
async function startEntra(): Promise<AuthorizationServer> {
  const server = await startAuthorizationServer({
    paths: { metadata: OIDC_OF_TENANT, resourceMetadata: RESOURCE_PLACE },
    rejectsResource: true,
  });
  server.rules.metadata = {
    issuer: `${server.origin}/{tenantid}/v2.0`,
    registration_endpoint: undefined,
    code_challenge_methods_supported: undefined,
  };
  server.rules.resourceMetadata = { authorization_servers: [`${server.origin}/tenant-1/v2.0`] };
  return server;
}

describe('an authorization server whose metadata names another issuer', () => {
  it('is refused, and the error names the setting', async () => {
    const server = await startEntra();
    const { request } = await setUp(server.url, { oauth: { clientId: 'mine' } });

    await expect(request()).rejects.toMatchObject({
      message: expect.stringContaining(`${server.origin}/{tenantid}/v2.0`),
      hint: expect.stringMatching(/"oauth": \{"issuer": .*--oauth-issuer/),
    });
    expect(server.to('/authorize')).toEqual([]);
  });

  it.each(['{tenantid}', 'tenant-1'])('is used where %s is accepted, which is logged', async (tenant) => {
    const server = await startEntra();
    const issuer = `${server.origin}/${tenant}/v2.0`;
    const oauth = { clientId: 'mine', issuer, assumePkce: true, resource: false } as const;
    const first = await setUp(server.url, { oauth });

    expect(await first.request()).toBe(200);
    expect(first.log.of('oauth.issuer-accepted')).toMatchObject([{ level: 'warn', accepted: issuer }]);
    expect(first.log.of('oauth.pkce-assumed')).toMatchObject([{ level: 'warn', issuer }]);
    expect(first.log.of('oauth.no-resource')).toMatchObject([{ level: 'warn' }]);
    for (const path of ['/authorize', '/token'])
      expect(server.to(path)[0]?.params.has('resource')).toBe(false);
    // It is renewed as well, and so it is by another process.
    server.revokeAccess();
    const { storeDirectory } = first;
    const second = await setUp(server.url, { oauth: { ...oauth, storeDirectory } });
    expect(await second.request()).toBe(200);
    expect(server.to('/token')[1]?.params.get('grant_type')).toBe('refresh_token');
  });

  it.each(['{tenantid}', 'tenant-1'])('gets the secret of a client where %s is accepted', async (tenant) => {
    const server = await startEntra();
    const { request } = await setUp(server.url, {
      oauth: {
        grant: 'client-credentials',
        clientId: 'mine',
        clientSecret: 'hush',
        issuer: `${server.origin}/${tenant}/v2.0`,
        resource: false,
      },
    });
    expect(await request()).toBe(200);
    expect(server.to('/token')).toHaveLength(1);
  });

  it.each([
    ['another', 'https://elsewhere.example'],
    ['another tenant', 'ORIGIN/tenant-2/v2.0x'],
    ['a template of another host', 'https://elsewhere.example/{tenantid}/v2.0'],
  ])('is refused where %s is accepted', async (_, issuer) => {
    const server = await startEntra();
    const { request } = await setUp(server.url, {
      oauth: { clientId: 'mine', assumePkce: true, issuer: issuer.replace('ORIGIN', server.origin) },
    });

    await expect(request()).rejects.toThrow('names another issuer');
    expect(server.to('/authorize')).toEqual([]);
  });

  it.each(['{tenantid}', 'tenant-1'])('may come back as the tenant where %s is accepted', async (tenant) => {
    const server = await startEntra();
    server.rules.callback = { iss: `${server.origin}/tenant-1/v2.0` };
    const { request } = await setUp(server.url, {
      oauth: {
        clientId: 'mine',
        assumePkce: true,
        resource: false,
        issuer: `${server.origin}/${tenant}/v2.0`,
      },
    });
    expect(await request()).toBe(200);

    server.revokeAccess();
    server.rules.refuses = { refresh_token: { status: 400, error: 'invalid_grant' } };
    server.rules.callback = { iss: 'https://evil.example/tenant-1/v2.0' };
    await expect(request()).rejects.toThrow('RFC 9207');
  });
});

describe('the issuer that is set', () => {
  it('picks one of several authorization servers', async () => {
    const [first, second] = [await startAuthorizationServer(), await startAuthorizationServer()];
    const server = await startAuthorizationServer({
      resourceMetadata: { authorization_servers: [first.origin, second.origin] },
      accepts: (token) => second.isValid(token),
    });
    const { request } = await setUp(server.url, { oauth: { issuer: `${second.origin}/` } });

    expect(await request()).toBe(200);
    expect(first.requests).toEqual([]);
  });

  it.each([
    ['no metadata', null],
    ['metadata that names none', { authorization_servers: null }],
  ])('is used by a server with %s', async (_, resourceMetadata) => {
    const issuer = await startAuthorizationServer();
    const server = await startAuthorizationServer({
      resourceMetadata,
      accepts: (token) => issuer.isValid(token),
    });
    const { request } = await setUp(server.url, { oauth: { issuer: issuer.origin } });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')).toEqual([]);
  });

  it('is sent nothing where it has no metadata', async () => {
    const issuer = await startAuthorizationServer({ metadata: null });
    const server = await startAuthorizationServer({ metadata: null });
    const { request } = await setUp(server.url, { oauth: { issuer: issuer.origin } });

    await expect(request()).rejects.toThrow(`no metadata of ${issuer.origin} is at`);
    expect(issuer.to('/register')).toEqual([]);
    expect(server.to('/register')).toEqual([]);
  });

  it('and the audience have tokens of their own', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url);
    await first.request();
    const { storeDirectory } = first;
    for (const oauth of [
      { issuer: server.origin },
      { audience: 'a' },
      { audience: 'b' },
      { resource: false },
    ] as const) {
      const { request } = await setUp(server.url, { oauth: { ...oauth, storeDirectory }, interactive: true });
      expect(await request()).toBe(200);
    }
    expect(server.to('/authorize')).toHaveLength(5);
  });
});

describe('an authorization server that does not mention PKCE', () => {
  it('is refused, and the error names the setting', async () => {
    const server = await startAuthorizationServer({
      metadata: { code_challenge_methods_supported: undefined },
    });
    await expect((await setUp(server.url)).request()).rejects.toMatchObject({
      message: expect.stringContaining('PKCE'),
      hint: expect.stringMatching(/"assumePkce": true.*--oauth-assume-pkce/),
    });
  });

  it.each([undefined, null, []])('(%j) is used where it is assumed, with PKCE', async (methods) => {
    const server = await startAuthorizationServer({
      metadata: { code_challenge_methods_supported: methods },
    });
    const { request, log } = await setUp(server.url, { oauth: { assumePkce: true } });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')[0]?.params.get('code_challenge_method')).toBe('S256');
    expect(log.of('oauth.pkce-assumed')).toHaveLength(1);
  });

  it('but mentions the plain method only is refused in any case', async () => {
    const server = await startAuthorizationServer({
      metadata: { code_challenge_methods_supported: ['plain'] },
    });
    await expect((await setUp(server.url, { oauth: { assumePkce: true } })).request()).rejects.toThrow(
      'PKCE',
    );
  });
});

describe('the audience that is set', () => {
  it('is asked for with the user, and when the token is renewed', async () => {
    const server = await startAuthorizationServer();
    const { request, log } = await setUp(server.url, { oauth: { audience: 'https://api.example' } });
    await request();
    server.revokeAccess();
    await request();

    for (const asked of [...server.to('/authorize'), ...server.to('/token')])
      expect(asked.params.get('audience')).toBe('https://api.example');
    expect(server.to('/token')).toHaveLength(2);
    expect(log.of('oauth.audience')).toMatchObject([{ level: 'warn' }, { level: 'warn' }]);
  });

  it('is asked for without a user', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush', audience: 'api' },
    });

    expect(await request()).toBe(200);
    expect(server.to('/token')[0]?.params.get('audience')).toBe('api');
  });
});
