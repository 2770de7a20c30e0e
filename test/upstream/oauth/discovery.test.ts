import { describe, expect, it } from 'vitest';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

const OIDC = '/.well-known/openid-configuration';
const OIDC_METADATA = {
  jwks_uri: 'https://login.example/jwks',
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
};

describe('an authorization server is found', () => {
  it.each([
    [
      'where the challenge points',
      { resourceMetadata: '/elsewhere', metadata: '/.well-known/oauth-authorization-server' },
    ],
    [
      'by OpenID Connect Discovery',
      { resourceMetadata: '/.well-known/oauth-protected-resource/mcp', metadata: OIDC },
    ],
  ])('%s', async (_, paths) => {
    const server = await startAuthorizationServer({
      paths,
      metadata: paths.metadata === OIDC ? OIDC_METADATA : {},
    });
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to('/authorize')).toHaveLength(1);
  });

  it.each(['/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource'])(
    'without a challenge at %s',
    async (resourceMetadata) => {
      const server = await startAuthorizationServer({
        paths: { resourceMetadata, metadata: '/.well-known/oauth-authorization-server' },
        challenge: () => undefined,
        resourceMetadata: { scopes_supported: ['read'] },
      });
      const { request } = await setUp(server.url);

      expect(await request()).toBe(200);
      expect(server.to('/authorize')[0]?.params.get('scope')).toBe('read');
    },
  );

  it('at the server’s own origin when it says nothing, as in revision 2025-03-26', async () => {
    const server = await startAuthorizationServer({
      metadata: null,
      resourceMetadata: null,
      challenge: () => undefined,
    });
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to('/register')).toHaveLength(1);
    expect(server.to('/authorize')[0]?.params.get('resource')).toBe(server.url);
  });

  it('at another origin, whose metadata are read there', async () => {
    const issuer = await startAuthorizationServer();
    const server = await startAuthorizationServer({
      metadata: null,
      resourceMetadata: { authorization_servers: [issuer.origin] },
      accepts: (token) => issuer.isValid(token),
    });
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(issuer.to('/authorize')[0]?.params.get('resource')).toBe(server.url);
    expect(server.to('/authorize')).toEqual([]);
  });
});

describe('nothing is asked of an authorization server', () => {
  it.each([
    ['that says it is another', { metadata: { issuer: 'https://honest.example' } }, 'honest.example'],
    [
      'for another resource',
      { resourceMetadata: { resource: 'https://honest.example/mcp' } },
      'another resource',
    ],
    ['without PKCE', { metadata: { code_challenge_methods_supported: undefined } }, 'PKCE'],
    ['with plain PKCE only', { metadata: { code_challenge_methods_supported: ['plain'] } }, 'PKCE'],
    [
      'in a page that is no web page',
      { metadata: { authorization_endpoint: 'ftp://127.0.0.1/' } },
      'not https',
    ],
  ])('%s', async (_, rules, text) => {
    const server = await startAuthorizationServer(rules);
    const { request, pages } = await setUp(server.url);

    await expect(request()).rejects.toMatchObject({
      code: 'AUTHORIZATION_FAILED',
      message: expect.stringContaining(text),
    });
    expect(pages).toEqual([]);
    expect(server.to('/token')).toEqual([]);
  });
});

it('nothing is asked for a part of the resource', async () => {
  const server = await startAuthorizationServer();
  server.rules.resourceMetadata = { resource: `${server.url}/deeper` };
  const { request, pages } = await setUp(server.url);

  await expect(request()).rejects.toThrow('another resource');
  expect(pages).toEqual([]);
});

describe('the resource that tokens are for', () => {
  it('is what the settings say, to the letter', async () => {
    const server = await startAuthorizationServer({
      resourceMetadata: { resource: 'https://internal.example' },
    });
    const { request } = await setUp(server.url, { oauth: { resource: 'HTTPS://Public.example' } });

    expect(await request()).toBe(200);
    for (const path of ['/authorize', '/token'])
      expect(server.to(path)[0]?.params.get('resource')).toBe('HTTPS://Public.example');
  });

  it('is else what the metadata say, to the letter', async () => {
    const server = await startAuthorizationServer();
    server.rules.resourceMetadata = { resource: server.origin };
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to('/token')[0]?.params.get('resource')).toBe(server.origin);
  });
});
