import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registerClient } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import {
  parseObject,
  registrationFetch,
  tokenFetch,
  withoutUnset,
} from '../../../src/upstream/oauth/answers.ts';
import { parseStored } from '../../../src/upstream/oauth/stored.ts';
import { startAuthorizationServer, type Raw } from '../../support/authorization-server.ts';
import type { Json } from '../../support/json.ts';
import { setUp } from './user.ts';

const UNSET = [null, ''] as const;
const ENDPOINT = 'https://as.example/token';
const REDIRECT = 'http://127.0.0.1:1/callback';

const REGISTRATION = [
  'application_type',
  'client_id_issued_at',
  'client_name',
  'client_secret',
  'client_secret_expires_at',
  'client_uri',
  'contacts',
  'grant_types',
  'jwks',
  'jwks_uri',
  'logo_uri',
  'policy_uri',
  'redirect_uris',
  'response_types',
  'scope',
  'software_id',
  'software_statement',
  'software_version',
  'token_endpoint_auth_method',
  'tos_uri',
];
const METADATA = [
  'acr_values_supported',
  'claims_supported',
  'client_id_metadata_document_supported',
  'dpop_signing_alg_values_supported',
  'grant_types_supported',
  'id_token_signing_alg_values_supported',
  'introspection_endpoint',
  'jwks_uri',
  'op_policy_uri',
  'op_tos_uri',
  'response_modes_supported',
  'response_types_supported',
  'revocation_endpoint',
  'revocation_endpoint_auth_methods_supported',
  'scopes_supported',
  'service_documentation',
  'subject_types_supported',
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported',
  'ui_locales_supported',
  'userinfo_endpoint',
];
const RESOURCE = [
  'authorization_details_types_supported',
  'authorization_servers',
  'bearer_methods_supported',
  'dpop_bound_access_tokens_required',
  'jwks_uri',
  'resource_documentation',
  'resource_name',
  'resource_policy_uri',
  'resource_signing_alg_values_supported',
  'resource_tos_uri',
  'scopes_supported',
  'tls_client_certificate_bound_access_tokens',
];
const TOKEN = ['expires_in', 'id_token', 'refresh_token', 'scope', 'token_type', 'issued_token_type'];

const all = (names: readonly string[], value: unknown): Json =>
  Object.fromEntries(names.map((name) => [name, value]));
const contextOf = ({ status = 200, type = 'application/json', body }: Raw) => ({
  server: 'files',
  settings: {},
  fetch: (): Promise<Response> =>
    Promise.resolve(new Response(body, { status, headers: { 'content-type': type } })),
});

describe('an unset member', () => {
  it.each(UNSET)('written as %j is absent from an object, its lists and its objects', (unset) => {
    const object = { a: unset, b: ['x', unset], c: [unset], d: [], e: { f: unset, g: 1 }, h: false, i: 0 };
    expect(withoutUnset(object)).toEqual({ b: ['x'], d: [], e: { g: 1 }, h: false, i: 0 });
  });

  it.each(REGISTRATION.flatMap((name) => UNSET.map((unset) => [name, unset] as const)))(
    'of a registration, %s: %j, counts as absent',
    async (name, unset) => {
      const body = JSON.stringify({ client_id: 'me', redirect_uris: [REDIRECT], [name]: unset });
      const client = await registerClient('https://as.example', {
        clientMetadata: { redirect_uris: [REDIRECT] },
        fetchFn: registrationFetch(contextOf({ status: 201, body }), REDIRECT),
      });
      expect(client).toEqual({ client_id: 'me', redirect_uris: [REDIRECT] });
    },
  );

  it.each(TOKEN.flatMap((name) => UNSET.map((unset) => [name, unset] as const)))(
    'of a token answer, %s: %j, counts as absent',
    async (name, unset) => {
      const usual = {
        access_token: 'a',
        token_type: 'Bearer',
        scope: 's',
        refresh_token: 'r',
        expires_in: 9,
      };
      const answer = await tokenFetch(contextOf({ body: JSON.stringify({ ...usual, [name]: unset }) }))(
        ENDPOINT,
      );
      const { [name]: _, ...others } = { ...usual } as Json;
      expect(await answer.json()).toEqual({ ...others, ...(name === 'token_type' && { token_type: '' }) });
    },
  );

  it.each(UNSET)('written as %j in the store counts as absent', (unset) => {
    const text = JSON.stringify({
      version: 1,
      url: 'https://h/mcp',
      tokens: {
        issuer: 'https://h',
        accessToken: 'a',
        ...all(['refreshToken', 'scope', 'expiresAt'], unset),
      },
      clients: [{ issuer: 'https://h', clientId: 'c', ...all(['clientSecret', 'redirectUri'], unset) }],
      failure: unset,
    });
    const { tokens, clients, failure } = parseStored(text) ?? {};
    expect([tokens?.refreshToken, tokens?.scope, tokens?.expiresAt, failure]).toEqual(
      Array.from({ length: 4 }),
    );
    expect(clients).toMatchObject([{ clientSecret: undefined, redirectUri: undefined }]);
  });
});

describe('a user is signed in where unset members are written as', () => {
  it.each(
    UNSET.flatMap(
      (unset) =>
        [
          [unset, 'the authorization server’s metadata', { metadata: all(METADATA, unset) }],
          [unset, 'the resource’s metadata', { resourceMetadata: all(RESOURCE, unset) }],
          [unset, 'the registration', { registration: all(REGISTRATION, unset) }],
          [unset, 'the token answer', { token: all(TOKEN, unset) }],
          [
            unset,
            'metadata of OpenID Connect',
            {
              metadata: all(METADATA, unset),
              paths: {
                metadata: '/.well-known/openid-configuration',
                resourceMetadata: '/.well-known/oauth-protected-resource/mcp',
              },
            },
          ],
        ] as const,
    ),
  )('%j in %s', async (_, __, rules) => {
    const server = await startAuthorizationServer(rules);
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to('/token')).toHaveLength(1);
  });

  it.each(UNSET)('%j for the registration endpoint, as a client of the user’s', async (unset) => {
    const server = await startAuthorizationServer({ metadata: { registration_endpoint: unset } });
    await expect((await setUp(server.url)).request()).rejects.toThrow('--oauth-client-id');
    const { request } = await setUp(server.url, { oauth: { clientId: 'mine' } });

    expect(await request()).toBe(200);
    expect(server.to('/register')).toEqual([]);
  });

  it.each(UNSET)('%j for the authorization endpoint, as a client without a user', async (unset) => {
    const server = await startAuthorizationServer({ metadata: { authorization_endpoint: unset } });
    await expect((await setUp(server.url)).request()).rejects.toThrow('names no authorization endpoint');
    const { request } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush' },
    });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')).toEqual([]);
  });

  it.each(UNSET)('%j for the methods of PKCE is refused as if it were not there', async (unset) => {
    const server = await startAuthorizationServer({
      metadata: { code_challenge_methods_supported: unset },
    });
    await expect((await setUp(server.url)).request()).rejects.toThrow('PKCE');
  });
});

describe('the lifetime of a token', () => {
  it.each([
    ['3600', 3600],
    [3600, 3600],
    [59.5, 59.5],
    [0, 0],
    [-1, -1],
    ['soon', undefined],
    [true, undefined],
    [{}, undefined],
    [1e18, undefined],
  ])('%j is %j seconds', async (expires_in, expected) => {
    const body = JSON.stringify({ access_token: 'a', expires_in });
    const answer: Json = (await (await tokenFetch(contextOf({ body }))(ENDPOINT)).json()) as Json;
    expect(answer['expires_in']).toBe(expected);
  });

  it.each([0, -1])('of %j seconds does not renew it at every use', async (expires_in) => {
    const server = await startAuthorizationServer({ token: { expires_in } });
    const { request } = await setUp(server.url);
    for (let count = 0; count < 5; count += 1) expect(await request()).toBe(200);

    expect(server.to('/token').map(({ params }) => params.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
  });

  it('of 0 seconds does not renew that of a client without a user at every use', async () => {
    const server = await startAuthorizationServer({ token: { expires_in: 0 } });
    const { request } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush' },
    });
    for (let count = 0; count < 5; count += 1) expect(await request()).toBe(200);

    expect(server.to('/token')).toHaveLength(2);
  });

  it.each([null, '', undefined])('that is %j does not renew it', async (expires_in) => {
    const server = await startAuthorizationServer({ token: { expires_in } });
    const { request } = await setUp(server.url);
    for (let count = 0; count < 3; count += 1) expect(await request()).toBe(200);

    expect(server.to('/token')).toHaveLength(1);
  });
});

describe('a token that is renewed', () => {
  it.each([null, '', undefined])('keeps what renews it where the answer says %j', async (unset) => {
    const server = await startAuthorizationServer({ token: { scope: 'read' } });
    server.rules.keepsRefreshTokens = true;
    const { request, storeDirectory } = await setUp(server.url);
    await request();
    server.rules.token = { refresh_token: unset, scope: unset, expires_in: unset, token_type: unset };
    for (let count = 0; count < 3; count += 1) {
      server.revokeAccess();
      await makeOlder(storeDirectory);
      expect(await request()).toBe(200);
    }
    expect(server.to('/authorize')).toHaveLength(1);
  });
});

describe('a token answer', () => {
  const form = (answer: Json, type: string | undefined): Raw => ({
    ...(type !== undefined && { type }),
    body: new URLSearchParams(
      Object.entries(answer).map(([name, value]): [string, string] => [name, String(value)]),
    ).toString(),
  });

  it.each([
    ['application/x-www-form-urlencoded'],
    ['application/x-www-form-urlencoded; charset=utf-8'],
    ['text/plain'],
    ['text/html'],
    [undefined],
  ])('in form encoding as %s is read', async (type) => {
    const server = await startAuthorizationServer({ encode: (answer) => form(answer, type) });
    const { request } = await setUp(server.url);
    await request();
    server.revokeAccess();

    expect(await request()).toBe(200);
    expect(server.to('/token').map(({ params }) => params.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
    expect(server.to('/token')[0]?.headers.accept).toBe('application/json');
  });

  it.each([['text/html'], ['text/plain'], ['application/x-www-form-urlencoded'], [undefined]])(
    'in JSON as %s, behind a byte order mark, is read',
    async (type) => {
      const server = await startAuthorizationServer({
        encode: (answer) => ({
          ...(type !== undefined && { type }),
          body: `\uFEFF${JSON.stringify(answer)}`,
        }),
      });
      expect(await (await setUp(server.url)).request()).toBe(200);
    },
  );

  it.each([
    ['a form', 'error=bad_verification_code&error_description=The+code+is+old', 'The code is old'],
    ['JSON', '{"error":"bad_verification_code","error_description":null}', 'bad_verification_code'],
    ['a form with a gap', 'access_token=&error=bad_verification_code', 'bad_verification_code'],
  ])('with the status of a success that reports an error in %s is an error', async (_, body, text) => {
    const server = await startAuthorizationServer({ encode: () => ({ type: 'text/plain', body }) });
    await expect((await setUp(server.url)).request()).rejects.toThrow(text);
  });

  it.each([['<html>hello</html>'], ['hello=world'], ['[]'], ['']])('of %j is an error', async (body) => {
    const server = await startAuthorizationServer({ encode: () => ({ body }) });
    await expect((await setUp(server.url)).request()).rejects.toThrow(
      `${server.origin}/token sent an answer that is neither JSON nor a form`,
    );
  });

  it('without a type is taken for a bearer token, which is logged', async () => {
    const server = await startAuthorizationServer({ token: { token_type: null } });
    const { request, log } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(log.of('oauth.no-token-type')).toMatchObject([{ issuer: server.origin }]);
  });

  it('with a list of scopes is read', async () => {
    const server = await startAuthorizationServer({ token: { scope: ['read', null, 'write'] } });
    const { request, authorization } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(await authorization.header(() => new AbortController().signal)).toMatch(/^Bearer access-/);
  });
});

describe('a registration', () => {
  it('without a secret is that of a public client, whatever it says', async () => {
    const server = await startAuthorizationServer({
      registration: { client_secret: null, token_endpoint_auth_method: 'client_secret_basic' },
    });
    expect(await (await setUp(server.url)).request()).toBe(200);
    expect(server.to('/token')[0]?.headers.authorization).toBeUndefined();
  });

  it('that reports an error with the status of a success is refused', async () => {
    const server = await startAuthorizationServer({
      registration: { client_id: null, error: 'invalid_redirect_uri' },
    });
    await expect((await setUp(server.url)).request()).rejects.toThrow('invalid_redirect_uri');
  });
});

/** One that was just renewed is not renewed again. */
async function makeOlder(directory: string): Promise<void> {
  const [name = ''] = await readdir(directory);
  const file = join(directory, name);
  const stored = JSON.parse(await readFile(file, 'utf8')) as { tokens: Json };
  const tokens = { ...stored.tokens, obtainedAt: Date.now() - 60_000 };
  await writeFile(file, JSON.stringify({ ...stored, tokens }));
}

it.each(['[]', 'null', '1', '', 'x'])('%j is no object', (text) => {
  expect(parseObject(text)).toBeUndefined();
});
