import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startAuthorizationServer, type Recorded } from '../../support/authorization-server.ts';
import { freePort, setUp } from './user.ts';

const METADATA_URL = 'https://app.example/client.json';

describe('mcp-run is known to an authorization server', () => {
  it('by registering once, as a native program', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url, { oauth: { scope: 'read' } });
    await first.request();
    server.revokeAccess();
    server.rules.refuses = { refresh_token: { status: 400, error: 'invalid_grant' } };
    const { storeDirectory } = first;
    const second = await setUp(server.url, { oauth: { storeDirectory, scope: 'read' } });

    expect(await second.request()).toBe(200);
    expect(server.to('/register').map(({ body }) => body)).toEqual([
      {
        client_name: 'mcp-run',
        redirect_uris: [server.to('/authorize')[0]?.params.get('redirect_uri')],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        scope: 'read',
      },
    ]);
    // With the port that it is registered with.
    const [before, after] = server.to('/authorize').map(({ params }) => params.get('redirect_uri'));
    expect(after).toBe(before);
  });

  it('by registering anew when it is not known any more', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url);
    await request();
    server.revokeAccess();
    server.rules.refuses = { refresh_token: { status: 401, error: 'invalid_client' } };

    expect(await request()).toBe(200);
    expect(server.to('/register')).toHaveLength(2);
  });

  it('by a metadata document, where that is supported', async () => {
    const server = await startAuthorizationServer({
      metadata: { client_id_metadata_document_supported: true },
    });
    const { request } = await setUp(server.url, { oauth: { clientMetadataUrl: METADATA_URL } });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')[0]?.params.get('client_id')).toBe(METADATA_URL);
    expect(server.to('/register')).toEqual([]);
  });

  it('by registering where metadata documents are not supported', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, { oauth: { clientMetadataUrl: METADATA_URL } });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')[0]?.params.get('client_id')).toMatch(/^client-/);
  });

  it.each([
    [
      'client_secret_basic',
      { authorization: `Basic ${btoa('mine:hush')}`, client_id: null, client_secret: null },
    ],
    ['client_secret_post', { authorization: undefined, client_id: 'mine', client_secret: 'hush' }],
    ['none', { authorization: undefined, client_id: 'mine', client_secret: null }],
  ])('as the client of the user’s, by %s', async (method, expected) => {
    const server = await startAuthorizationServer({
      metadata: { token_endpoint_auth_methods_supported: [method] },
    });
    const { request } = await setUp(server.url, { oauth: { clientId: 'mine', clientSecret: 'hush' } });

    expect(await request()).toBe(200);
    expect(server.to('/register')).toEqual([]);
    expect(secretsIn(server.to('/token')[0])).toEqual(expected);
  });

  it('or else not, which is an error that says what to do', async () => {
    const server = await startAuthorizationServer({ metadata: { registration_endpoint: undefined } });
    const { request } = await setUp(server.url);

    await expect(request()).rejects.toThrow('--oauth-client-id');
  });

  it('and says why it is not taken', async () => {
    const server = await startAuthorizationServer();
    server.rules.paths = { ...server.rules.paths };
    server.rules.metadata = { registration_endpoint: `${server.origin}/missing` };
    const { request } = await setUp(server.url);

    await expect(request()).rejects.toThrow('refused with HTTP status 404');
  });
});

describe('credentials stay with their issuer', () => {
  it('so that another one gets neither tokens nor the client, and the first one nothing of the other', async () => {
    const next = await startAuthorizationServer();
    const server = await startAuthorizationServer();
    // Also when the browser comes back to the same place.
    const { request } = await setUp(server.url, { oauth: { callbackPort: await freePort() } });
    await request();
    server.rules.resourceMetadata = { authorization_servers: [next.origin] };
    server.rules.accepts = (token) => next.isValid(token);
    expect(await request()).toBe(200);
    server.rules.resourceMetadata = {};
    server.rules.accepts = undefined;
    server.revokeAccess();
    expect(await request()).toBe(200);

    const [atFirst, atNext] = [server, next].map((each) => each.to('/token').map(({ params }) => params));
    expect(atFirst?.map((params) => params.get('grant_type'))).toEqual([
      'authorization_code',
      'authorization_code',
    ]);
    expect(atNext?.map((params) => params.get('grant_type'))).toEqual(['authorization_code']);
    expect(next.to('/register')).toHaveLength(1);
    expect(atFirst?.map((params) => params.get('client_id'))).not.toContain(atNext?.[0]?.get('client_id'));
  });

  it('so that a client of the user’s is not shown to another one', async () => {
    const next = await startAuthorizationServer();
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, { oauth: { clientId: 'mine', clientSecret: 'hush' } });
    await request();
    server.revokeAccess();
    server.rules.resourceMetadata = { authorization_servers: [next.origin] };

    await expect(request()).rejects.toThrow(`the client mine belongs to ${server.origin}`);
    expect(next.to('/token')).toEqual([]);
  });
});

describe('without a user', () => {
  it('a client with a secret gets a token for itself', async () => {
    const server = await startAuthorizationServer({ metadata: { registration_endpoint: undefined } });
    const { request, pages } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', clientSecret: 'hush', scope: 'read' },
    });

    expect(await request()).toBe(200);
    expect(pages).toEqual([]);
    const [asked] = server.to('/token');
    expect(Object.fromEntries(asked?.params ?? [])).toEqual({
      grant_type: 'client_credentials',
      scope: 'read',
      resource: server.url,
    });
    expect(secretsIn(asked).authorization).toBe(`Basic ${btoa('mine:hush')}`);
  });

  it.each([
    ['rsa', 'RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ec', 'ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ] as const)('a client with an %s key signs what it asks for', async (_, alg, generate) => {
    const server = await startAuthorizationServer();
    const { privateKey, publicKey } = generate();
    const { request } = await setUp(server.url, {
      oauth: {
        grant: 'client-credentials',
        clientId: 'mine',
        privateKey: privateKey.export({ type: alg === 'RS256' ? 'pkcs1' : 'sec1', format: 'pem' }).toString(),
      },
    });

    expect(await request()).toBe(200);
    const { params } = server.to('/token')[0] ?? {};
    expect(params?.get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    );
    const [head = '', claims = '', signature = ''] = params?.get('client_assertion')?.split('.') ?? [];
    expect(parse(head)).toMatchObject({ alg });
    expect(parse(claims)).toMatchObject({ iss: 'mine', sub: 'mine', aud: server.origin });
    const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }));
    const signed = Buffer.from(`${head}.${claims}`);
    expect(
      verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')),
    ).toBe(true);
  });

  it.each([
    ['no key', 'nonsense', 'not a PEM file'],
    [
      'a key that does not sign',
      generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'x25519',
    ],
    ['nothing', undefined, 'needs a client secret or a private key'],
  ])('a client with %s is told so', async (_, privateKey, text) => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, {
      oauth: { grant: 'client-credentials', clientId: 'mine', privateKey },
    });

    await expect(request()).rejects.toThrow(text);
  });
});

function secretsIn(request: Recorded | undefined) {
  return {
    authorization: request?.headers.authorization,
    client_id: request?.params.get('client_id'),
    client_secret: request?.params.get('client_secret'),
  };
}

function parse(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}
