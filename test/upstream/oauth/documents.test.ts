import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { OAuthContext } from '../../../src/upstream/oauth/context.ts';
import { discover } from '../../../src/upstream/oauth/discovery.ts';
import { GuardedFetch } from '../../../src/upstream/oauth/guarded-fetch.ts';
import { readResourceMetadata } from '../../../src/upstream/oauth/resource-metadata.ts';
import type { OAuthSettings } from '../../../src/config/types.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
  type Raw,
} from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

const PLACE = '/.well-known/oauth-protected-resource/mcp';
const ROOT = '/.well-known/oauth-protected-resource';
const AS = '/.well-known/oauth-authorization-server';
const OIDC = '/.well-known/openid-configuration';

const HTML: Raw = { type: 'text/html; charset=utf-8', body: '<!doctype html><title>Hello</title>' };
const status = (code: number): Raw => ({ status: code, type: 'application/json', body: '{}' });

/** Answers that are no documents, each with what is said about them. */
const UNREADABLE: readonly (readonly [name: string, answer: Raw, text: string])[] = [
  ['a status of 500', status(500), 'HTTP status 500'],
  ['a status of 502', status(502), 'HTTP status 502'],
  ['a status of 503', status(503), 'HTTP status 503'],
  ['a status of 429', status(429), 'HTTP status 429'],
  ['JSON that is cut off', { body: '{"resource":' }, 'not a JSON object'],
  ['an empty body', { body: '' }, 'not a JSON object'],
  ['plain text', { type: 'text/plain', body: 'ok' }, 'not a JSON object'],
  ['a list', { body: '[]' }, 'not a JSON object'],
  ['another object', { body: '{"resource":1}' }, 'resource'],
  [
    'a member that is not as it must be',
    { body: '{"resource":"http://h/","authorization_servers":1}' },
    'authorization_servers',
  ],
  ['more than is read', { body: `"${'x'.repeat(1024 * 1024)}"` }, 'more than'],
];

/** Its own origin is an authorization server as well, which must not be asked. */
function expectNobodyAsked(server: AuthorizationServer): void {
  for (const path of [AS, OIDC, '/register', '/authorize', '/token']) expect(server.to(path)).toEqual([]);
}

describe('metadata of the resource that cannot be read, namely', () => {
  it.each(UNREADABLE)('%s, where the challenge points is an error', async (_, answer, text) => {
    const server = await startAuthorizationServer({ answers: { [PLACE]: answer } });
    const { request } = await setUp(server.url);
    const error: unknown = await request().catch((caught: unknown) => caught);

    expect(error).toMatchObject({ code: 'AUTHORIZATION_FAILED' });
    expect(String(error)).toContain(`${server.origin}${PLACE}`);
    expect(String(error)).toContain(text);
    expectNobodyAsked(server);
  });

  it.each([
    ['HTML', HTML, 'HTML in place of JSON'],
    ['HTML that does not say so', { body: '<html lang="en">' }, 'HTML in place of JSON'],
    ['a status of 401', status(401), 'HTTP status 401'],
    ['a status of 403', status(403), 'HTTP status 403'],
    ['a status of 400', status(400), 'HTTP status 400'],
  ])('%s, where the challenge points is an error', async (_, answer, text) => {
    const server = await startAuthorizationServer({ answers: { [PLACE]: answer } });
    const { request } = await setUp(server.url);

    await expect(request()).rejects.toThrow(`${server.origin}${PLACE} (${text})`);
    expectNobodyAsked(server);
  });

  it.each(UNREADABLE)('%s, at a well-known place is an error', async (_, answer, text) => {
    const server = await startAuthorizationServer({
      answers: { [PLACE]: answer },
      challenge: () => undefined,
    });
    const { request } = await setUp(server.url);
    const error: unknown = await request().catch((caught: unknown) => caught);

    expect(String(error)).toContain(`${server.origin}${PLACE}`);
    expect(String(error)).toContain(text);
    expectNobodyAsked(server);
  });

  it('a redirect to another origin, at a well-known place is an error', async () => {
    const server = await startAuthorizationServer({
      challenge: () => undefined,
      redirects: { [PLACE]: 'https://login.example/?next=x' },
      resourceMetadata: null,
    });
    const { request } = await setUp(server.url);

    await expect(request()).rejects.toThrow('a redirect to https://login.example/, which is not followed');
    expectNobodyAsked(server);
  });
});

describe('a server without metadata of its own', () => {
  it.each([404, 405, 410])('is known by a status of %i at the well-known places', async (code) => {
    const server = await startAuthorizationServer({
      answers: { [PLACE]: status(code), [ROOT]: status(code) },
      challenge: () => undefined,
    });
    expect(await (await setUp(server.url)).request()).toBe(200);
  });

  it.each([
    ['a status of 400', status(400)],
    ['a status of 401', status(401)],
    ['a status of 403', status(403)],
    ['HTML', HTML],
  ])('is not known by %s, unless oauth.issuer names its authorization server', async (_, answer) => {
    const server = await startAuthorizationServer({
      answers: { [PLACE]: answer, [ROOT]: answer },
      challenge: () => undefined,
    });
    await expect((await setUp(server.url)).request()).rejects.toMatchObject({
      message: expect.stringContaining(`${server.origin}${PLACE}`),
      hint: expect.stringContaining('--oauth-issuer'),
    });
    expectNobodyAsked(server);

    const { request, log } = await setUp(server.url, { oauth: { issuer: server.origin } });
    expect(await request()).toBe(200);
    expect(log.of('oauth.no-metadata')).toHaveLength(1);
  });

  it.each([
    ['a status of 401', status(401)],
    ['a status of 403', status(403)],
    ['HTML', HTML],
  ])('for its path, answering with %s there, has its origin’s', async (_, answer) => {
    const issuer = await startAuthorizationServer();
    const server = await startAuthorizationServer({
      answers: { [PLACE]: answer },
      challenge: () => undefined,
      paths: { metadata: AS, resourceMetadata: ROOT },
      resourceMetadata: { authorization_servers: [issuer.origin] },
      accepts: (token) => issuer.isValid(token),
    });
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to('/authorize')).toEqual([]);
  });

  it.each([404, 405, 410])('may still name it, with a status of %i there', async (code) => {
    const server = await startAuthorizationServer({
      answers: { '/named': status(code) },
    });
    server.rules.challenge = () => `Bearer resource_metadata="${server.origin}/named"`;
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(server.to(PLACE)).toHaveLength(1);
  });
});

describe('metadata that the server names at a place that cannot be reached', () => {
  const unreachable = 'http://127.0.0.1:1/.well-known/elsewhere';

  it.each([
    ['the same path at its own origin', '/.well-known/elsewhere'],
    ['the well-known place of its URL', PLACE],
    ['the well-known place of its origin', ROOT],
  ])('is read at %s, which is logged', async (_, place) => {
    const server = await startAuthorizationServer({
      paths: { metadata: AS, resourceMetadata: place },
      challenge: () => `Bearer resource_metadata="${unreachable}"`,
    });
    const { request, log } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(log.of('oauth.metadata-elsewhere')).toMatchObject([
      { url: unreachable, used: `${server.origin}${place}` },
    ]);
  });

  it('and that is nowhere else is an error that names all places', async () => {
    const server = await startAuthorizationServer({
      resourceMetadata: null,
      challenge: () => `Bearer resource_metadata="${unreachable}"`,
    });
    const error: unknown = await (await setUp(server.url)).request().catch((caught: unknown) => caught);

    for (const place of [unreachable, `${server.origin}${PLACE}`, `${server.origin}${ROOT}`])
      expect(String(error)).toContain(place);
    expectNobodyAsked(server);
  });

  it('and that cannot be read elsewhere either is an error that names both', async () => {
    const server = await startAuthorizationServer({
      answers: { [PLACE]: status(500) },
      challenge: () => `Bearer resource_metadata="${unreachable}"`,
    });
    const error: unknown = await (await setUp(server.url)).request().catch((caught: unknown) => caught);

    expect(String(error)).toContain(unreachable);
    expect(String(error)).toContain(`${server.origin}${PLACE} (HTTP status 500)`);
    expectNobodyAsked(server);
  });

  it.each(['http://internal.example/m', 'http://10.0.0.1:3000/m', 'https://169.254.169.254/m'])(
    '(%s) is not requested for a server at a public address',
    async (named) => {
      const requested: string[] = [];
      const url = new URL('https://8.8.8.8/mcp');
      const guarded = new GuardedFetch({
        server: 'far',
        url,
        tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
        clock: systemClock,
      });
      const found = await readResourceMetadata(url, new URL(named), {
        server: 'far',
        log: createRecordingLog(),
        fetch: async (input) => {
          await guarded.check(new URL(input));
          requested.push(String(input));
          if (!String(input).endsWith('/m')) return new Response('', { status: 404 });
          return Response.json({ resource: url.href, authorization_servers: [url.origin] });
        },
      });
      expect(requested).toEqual(['https://8.8.8.8/m']);
      expect(found?.url.href).toBe('https://8.8.8.8/m');
    },
  );
});

describe('metadata of the authorization server that cannot be read, namely', () => {
  const unreadable: readonly (readonly [string, Raw, string])[] = [
    ...UNREADABLE.slice(0, 8),
    ['HTML', HTML, 'HTML in place of JSON'],
    ['a status of 401', status(401), 'HTTP status 401'],
    ['a status of 403', status(403), 'HTTP status 403'],
    ['an object without what is needed', { body: '{"issuer":"x"}' }, 'token_endpoint'],
  ];

  it.each(unreadable)('%s, is an error, and its endpoints are not guessed', async (_, answer, text) => {
    const server = await startAuthorizationServer({ answers: { [AS]: answer }, resourceMetadata: null });
    const { request } = await setUp(server.url);
    const error: unknown = await request().catch((caught: unknown) => caught);

    expect(String(error)).toContain(`${server.origin}${AS}`);
    expect(String(error)).toContain(text);
    for (const path of ['/register', '/authorize', '/token']) expect(server.to(path)).toEqual([]);
  });

  it.each(unreadable)('%s, is read by OpenID Connect Discovery where it is there', async (_, answer) => {
    const server = await startAuthorizationServer({
      answers: { [AS]: answer },
      paths: { metadata: OIDC, resourceMetadata: PLACE },
    });
    expect(await (await setUp(server.url)).request()).toBe(200);
  });

  it('does not end what is signed in: the token is used until the server refuses it', async () => {
    const server = await startAuthorizationServer({ token: { expires_in: 3600 } });
    const { request, pages } = await setUp(server.url);
    await request();
    server.rules.answers = { [AS]: status(503) };
    expect(await request()).toBe(200);
    server.revokeAccess();

    await expect(request()).rejects.toThrow('HTTP status 503');
    expect(pages).toHaveLength(1);
  });
});

describe('an authorization server that the metadata of the resource names by plain HTTP', () => {
  const tls = { caFile: undefined, certFile: undefined, keyFile: undefined };

  async function find(url: string, named: string) {
    const guarded = new GuardedFetch({ server: 'far', url: new URL(url), tls, clock: systemClock });
    const requested: string[] = [];
    const log = createRecordingLog();
    const settings: Partial<OAuthSettings> = {};
    const context = {
      server: 'far',
      url: new URL(url),
      log,
      settings,
      signal: new AbortController().signal,
      checkUrl: (named: URL) => guarded.check(named),
      fetch: async (input: string | URL) => {
        await guarded.check(new URL(input));
        requested.push(String(input));
        if (String(input).includes('protected-resource'))
          return Response.json({ resource: url, authorization_servers: [named] });
        const { origin } = new URL(input);
        return Response.json({ issuer: origin, token_endpoint: `${origin}/token` });
      },
    };
    const { authority } = await discover(context as unknown as OAuthContext, undefined);
    return { authority, requested, log };
  }

  it('is asked by https where plain HTTP is refused, which is logged', async () => {
    const { authority, requested, log } = await find('https://8.8.8.8/mcp', 'http://8.8.4.4');
    expect(requested.at(-1)).toBe('https://8.8.4.4/.well-known/oauth-authorization-server');
    expect(authority.issuer).toBe('https://8.8.4.4');
    expect(log.of('oauth.issuer-by-https')).toMatchObject([{ issuer: 'http://8.8.4.4' }]);
  });

  it('at another port is refused', async () => {
    await expect(find('https://8.8.8.8/mcp', 'http://8.8.4.4:8080')).rejects.toThrow('is not https');
  });

  it('on this machine is asked by plain HTTP by a server on this machine', async () => {
    const { authority, log } = await find('https://127.0.0.1/mcp', 'http://127.0.0.1');
    expect(authority.issuer).toBe('http://127.0.0.1');
    expect(log.of('oauth.issuer-by-https')).toEqual([]);
  });
});

it('metadata as another type, or behind a byte order mark, is read', async () => {
  const server = await startAuthorizationServer();
  const resource = { resource: server.url, authorization_servers: [server.origin] };
  server.rules.answers = { [PLACE]: { type: 'text/html', body: `\uFEFF${JSON.stringify(resource)}` } };

  expect(await (await setUp(server.url)).request()).toBe(200);
});

it.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
])(
  'metadata that is compressed with %s, though nothing asks for it, is read, up to its limit',
  async (name, compress) => {
    const bodies = { small: '{"resource":"http://h/"}', large: JSON.stringify('x'.repeat(2 * 1024 * 1024)) };
    const server = createServer((request, response) => {
      if (request.url === '/none') return void response.writeHead(404, { 'content-encoding': name }).end();
      const body = request.url === '/small' ? bodies.small : bodies.large;
      response.writeHead(200, { 'content-encoding': name }).end(compress(body));
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = new URL(`http://127.0.0.1:${port}/mcp`);
    const tls = { caFile: undefined, certFile: undefined, keyFile: undefined };
    const guarded = new GuardedFetch({ server: 'near', url, tls, clock: systemClock });
    onTestFinished(() => guarded.close());
    const fetch = guarded.fetch(new AbortController().signal);

    expect(await (await fetch(new URL('/small', url))).json()).toEqual({ resource: 'http://h/' });
    expect((await fetch(new URL('/none', url))).status).toBe(404);
    await expect(fetch(new URL('/large', url))).rejects.toThrow('more than');
  },
);
