import { describe, expect, it } from 'vitest';
import { fitsTemplate, includesUrl, isSameIssuer } from '../../../src/upstream/oauth/names.ts';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

const REALM = {
  metadata: '/.well-known/oauth-authorization-server/realm',
  resourceMetadata: '/.well-known/oauth-protected-resource/mcp',
};

describe('two issuers', () => {
  it.each([
    ['https://h', 'https://h'],
    ['https://h', 'https://h/'],
    ['https://h:8443', 'https://h:8443/'],
    ['https://h/realm', 'https://h/realm'],
    ['https://h/realm/', 'https://h/realm/'],
  ])('%s and %s are the same', (a, b) => {
    expect([isSameIssuer(a, b), isSameIssuer(b, a)]).toEqual([true, true]);
  });

  it.each([
    ['https://h', 'https://h//'],
    ['https://h', 'http://h'],
    ['https://h', 'https://H'],
    ['https://h', 'https://h:443'],
    ['https://h', 'https://h?'],
    ['https://h', 'https://h/?a'],
    ['https://h', 'https://h/#'],
    ['https://h', 'https://u@h/'],
    ['https://h', 'https://h/.'],
    ['https://h/realm', 'https://h/realm/'],
    ['https://h/realm', 'https://h/Realm'],
    ['https://h/a', 'https://h/a?b/'],
    ['https://', 'https:///'],
  ])('%s and %s are different', (a, b) => {
    expect([isSameIssuer(a, b), isSameIssuer(b, a)]).toEqual([false, false]);
  });
});

describe('a resource', () => {
  it.each([
    ['https://h/mcp', 'https://h/mcp'],
    ['https://h/mcp', 'https://h/mcp/'],
    ['https://h/mcp/', 'https://h/mcp'],
    ['https://h/mcp/', 'https://h/mcp/'],
    ['https://h', 'https://h/'],
    ['https://h/', 'https://h/'],
    ['https://h', 'https://h/mcp'],
    ['https://h/', 'https://h/mcp'],
    ['https://h/a', 'https://h/a/mcp'],
    ['https://H/mcp', 'https://h/mcp'],
    ['https://h:443/mcp', 'https://h/mcp'],
    ['https://h/mcp', 'https://h/mcp?key=1'],
    ['https://h/mcp?key=1', 'https://h/mcp?key=1'],
  ])('%s includes %s', (resource, url) => {
    expect(includesUrl(resource, new URL(url))).toBe(true);
  });

  it.each([
    ['https://h/mcp//', 'https://h/mcp'],
    ['https://h/MCP', 'https://h/mcp'],
    ['https://h/mcp/x', 'https://h/mcp'],
    ['https://h/mc', 'https://h/mcp'],
    ['https://h/mcp?key=1', 'https://h/mcp'],
    ['https://h/mcp?key=1', 'https://h/mcp?key=2'],
    ['https://h/mcp#x', 'https://h/mcp'],
    ['https://h:8443/mcp', 'https://h/mcp'],
    ['http://h/mcp', 'https://h/mcp'],
    ['https://u:p@h/mcp', 'https://h/mcp'],
    ['https://other/mcp', 'https://h/mcp'],
    ['api://app', 'https://h/mcp'],
    ['mcp', 'https://h/mcp'],
  ])('%s does not include %s', (resource, url) => {
    expect(includesUrl(resource, new URL(url))).toBe(false);
  });
});

describe('a template of an issuer', () => {
  const template = 'https://login.example/{tenantid}/v2.0';

  it('stands for any tenant of its host, and for nothing else', () => {
    expect(fitsTemplate('https://login.example/8f1d/v2.0', template)).toBe(true);
    for (const other of [
      'https://login.example/v2.0',
      'https://login.example//v2.0',
      'https://login.example/a/b/v2.0',
      'https://login.example/a/v2.0/',
      'https://login.example/a/v2x0',
      'https://evil.example/a/v2.0',
      'https://login.example/a?/v2.0',
    ])
      expect(fitsTemplate(other, template)).toBe(false);
  });

  it('has none in its host', () => {
    expect(fitsTemplate('https://evil/v2.0', 'https://{host}/v2.0')).toBe(false);
    expect(fitsTemplate('https://a.h/x', 'https://{tenant}.h/{x}')).toBe(false);
  });
});

describe('a slash more or less at the end', () => {
  it.each([
    ['', '/'],
    ['/', ''],
    ['/', '/'],
  ])('of an issuer, %j where it is named and %j in its metadata, makes no difference', async (named, own) => {
    const server = await startAuthorizationServer();
    server.rules.resourceMetadata = { authorization_servers: [`${server.origin}${named}`] };
    server.rules.metadata = { issuer: `${server.origin}${own}` };
    const { request, log } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(log.of('oauth.issuer-accepted')).toEqual([]);
  });

  it('of an issuer keeps the tokens and the registration when it changes', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url);
    await first.request();
    server.rules.resourceMetadata = { authorization_servers: [`${server.origin}/`] };
    server.rules.metadata = { issuer: `${server.origin}/` };
    server.revokeAccess();
    const { storeDirectory } = first;
    const { request } = await setUp(server.url, { oauth: { storeDirectory } });
    expect(await request()).toBe(200);
    expect(server.to('/token').map(({ params }) => params.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
    // It registers under the new spelling no more than under the old one.
    server.revokeAccess();
    server.rules.refuses = { refresh_token: { status: 400, error: 'invalid_grant' } };
    expect(await request()).toBe(200);

    expect(server.to('/authorize')).toHaveLength(2);
    expect(server.to('/register')).toHaveLength(1);
  });

  it('of the issuer that is set keeps the tokens', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url, { oauth: { issuer: server.origin } });
    await first.request();
    const { storeDirectory } = first;
    const { request } = await setUp(server.url, {
      oauth: { issuer: `${server.origin}/`, storeDirectory },
    });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')).toHaveLength(1);
  });

  it.each([
    ['/realm', '/realm/'],
    ['/realm/', '/realm'],
  ])('of a path of an issuer makes a difference: %j and %j', async (listed, own) => {
    const server = await startAuthorizationServer();
    server.rules.paths = REALM;
    server.rules.resourceMetadata = { authorization_servers: [`${server.origin}${listed}`] };
    server.rules.metadata = { issuer: `${server.origin}${own}` };

    await expect((await setUp(server.url)).request()).rejects.toMatchObject({
      code: 'AUTHORIZATION_FAILED',
      hint: expect.stringContaining('--oauth-issuer'),
    });
    expect(server.to('/authorize')).toEqual([]);
  });

  it.each([
    ['/mcp', '/mcp/'],
    ['/mcp/', '/mcp'],
    ['/', ''],
    ['', '/'],
  ])('of a resource, %j for the server and %j in its metadata, makes no difference', async (path, own) => {
    const server = await startAuthorizationServer();
    server.rules.resourceMetadata = { resource: `${server.origin}${own}` };
    const { request } = await setUp(`${server.origin}${path}`);

    expect(await request()).toBe(200);
    // As it is published.
    for (const asked of ['/authorize', '/token'])
      expect(server.to(asked)[0]?.params.get('resource')).toBe(`${server.origin}${own}`);
  });
});
