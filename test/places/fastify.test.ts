/** The plugin in applications of others: manifests, paths, instances, logs. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import cors from '@fastify/cors';
import type { FastifyInstance, FastifyServerOptions, InjectOptions } from 'fastify';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { loadManifest } from '../../src/manifest/load.ts';
import { ALICE, bearer, callIn, initializeMessage, openSession, ping, reasonOf } from '../support/bearer.ts';
import { callTool, type ClientFactory } from '../support/clients.ts';
import { MCP_HEADERS, open, post, send } from '../support/http.ts';
import { at, textOf } from '../support/json.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { failureOf } from '../manifest/workspace.ts';
import { readStream } from '../downstream/http/listener.ts';
import { fixtureServer } from '../support/paths.ts';
import {
  BEHAVIOURS,
  createApp,
  createHost,
  createLines,
  DEMO,
  entryOf,
  listen,
  register,
  writeManifest,
} from './host.ts';

/** Transport and client → how a client with it is connected. */
const CLIENTS: readonly (readonly [
  title: string,
  path: string,
  connect: ClientFactory,
  kind: 'http' | 'sse',
])[] = [
  ['Streamable HTTP, SDK v1', '/mcp', connectSdkV1, 'http'],
  ['HTTP+SSE, SDK v1', '/sse', connectSdkV1, 'sse'],
  ['revision 2026-07-28, SDK v2', '/mcp', connectSdkV2Modern, 'http'],
];

const INITIALIZE = JSON.stringify(initializeMessage());

/** Sends `initialize` without a socket. */
function inject(app: FastifyInstance, url: string, headers: InjectOptions['headers'] = {}) {
  return app.inject({ method: 'POST', url, headers: { ...MCP_HEADERS, ...headers }, payload: INITIALIZE });
}

async function echo(connect: ClientFactory, kind: 'http' | 'sse', url: string): Promise<void> {
  const client = await connect({ kind, url });
  expect(textOf(await callTool(client, 'echo', { text: url }))).toContain(url);
  await client.close();
}

describe('a manifest', () => {
  it.each(CLIENTS)('as an object or as a path serves tools: %s', async (_title, path, connect, kind) => {
    const file = await writeManifest({ demo: DEMO });
    for (const manifest of [file, await loadManifest({ files: [file] })]) {
      const url = await listen(await createHost({ manifest }));
      await echo(connect, kind, url + path);
    }
  });

  it.each([
    ['that does not exist', () => '/no/such/mcp.json', 'MANIFEST_UNREADABLE'],
    ['with an error', () => writeManifest({ bad: { comand: 'x' } }), 'MANIFEST_INVALID'],
    ['without a server', () => writeManifest({}), 'NO_SERVERS'],
  ])('%s rejects app.ready()', async (_title, write, code) => {
    const app = createApp();
    await register(app, { manifest: await write() });
    expect(await failureOf(Promise.resolve(app.ready()))).toMatchObject({ code });
  });

  it('as a path may name the address of `mcp-run serve`, which the application does not listen on', async () => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, { host: '0.0.0.0', port: 1 });
    const app = await createHost({ manifest });
    await listen(app);
    expect(app.addresses()).toMatchObject([{ address: '127.0.0.1' }]);
  });

  it('decides with its `transports` which paths there are; stdio is none', async () => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, { transports: ['http', 'stdio'] });
    const app = await createHost({ manifest });
    expect((await inject(app, '/mcp')).statusCode).toBe(200);
    expect((await app.inject('/sse')).statusCode).toBe(404);
  });

  it('serves all servers over the network if it names stdio alone, which serves one', async () => {
    const servers = { one: BEHAVIOURS, two: BEHAVIOURS };
    const app = await createHost({ manifest: await writeManifest(servers, { transports: ['stdio'] }) });
    for (const name of ['one', 'two']) expect((await inject(app, `/${name}/mcp`)).statusCode).toBe(200);
    expect((await app.inject({ url: '/one/sse', method: 'PUT' })).statusCode).toBe(405);
  });
});

describe('paths', () => {
  it.each(CLIENTS)(
    'of a single server are there with and without its name: %s',
    async (_t, path, connect, kind) => {
      const app = createApp();
      await register(app);
      await register(app, { prefix: '/tools' });
      await app.register(async (scope) => register(scope, { prefix: '/inner' }), { prefix: '/outer' });
      await register(app, { prefix: '/tenants/:tenant' });
      const url = await listen(app);
      for (const prefix of ['', '/tools', '/outer/inner', '/tenants/7']) {
        await echo(connect, kind, url + prefix + path);
        await echo(connect, kind, `${url}${prefix}/behaviours${path}`);
      }
    },
  );

  it.each(CLIENTS)('of several servers have their names: %s', async (_title, path, connect, kind) => {
    const manifest = await writeManifest({ '@a/b c': DEMO, behaviours: BEHAVIOURS });
    const url = await listen(await createHost({ manifest, prefix: '/tools' }));
    for (const name of ['@a/b%20c', '%40a%2Fb%20c', 'behaviours'])
      await echo(connect, kind, `${url}/tools/${name}${path}`);
    for (const unknown of [`/tools${path}`, `/tools/b%20c${path}`, `/behaviours${path}`])
      expect((await post(url + unknown, initializeMessage())).status).toBe(404);
  });

  it.each(['', '/tools'])('below %j may end with a slash, which the router may ignore', async (prefix) => {
    for (const settings of [
      {},
      { ignoreTrailingSlash: true },
      { routerOptions: { ignoreTrailingSlash: true } },
    ]) {
      const app = await createHost({ prefix }, settings);
      for (const path of ['/mcp', '/mcp/', '/behaviours/mcp', '/behaviours/mcp/'])
        expect({ path, status: (await inject(app, prefix + path)).statusCode }).toEqual({
          path,
          status: 200,
        });
    }
  });

  it.each(['', '/tools'])('that clients of HTTP+SSE post to begin with %j', async (prefix) => {
    const url = await listen(await createHost({ prefix }));
    for (const name of ['', '/behaviours']) {
      const { data } = await readStream(await open(`${url}${prefix}${name}/sse`)).next();
      expect(data).toMatch(new RegExp(`^${prefix}${name}/messages\\?sessionId=`));
      expect((await post(url + data, initializeMessage())).status).toBe(202);
    }
    const serve = { baseUrl: 'https://public.example/gate' };
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, serve);
    const proxied = await listen(await createHost({ manifest, prefix }));
    const { data } = await readStream(await open(`${proxied}${prefix}/sse`)).next();
    expect(data).toMatch(new RegExp(`^/gate${prefix}/messages\\?sessionId=`));
  });

  it.each(['', '/tools', '/tools/'])('of probes below %j are there if they are asked for', async (prefix) => {
    const base = prefix.replace(/\/$/, '');
    const principal = () => null;
    const url = await listen(await createHost({ prefix, principal, health: true }));
    const foreign = { headers: { host: 'foreign.example' } };
    expect(await send(`${url}${base}/healthz`, foreign)).toMatchObject({
      status: 200,
      text: '{"status":"ok"}',
    });
    expect((await send(`${url}${base}/readyz`, foreign)).status).toBe(403);
    expect(await send(`${url}${base}/readyz`)).toMatchObject({ status: 200, text: '{"status":"ready"}' });
    const without = await createHost({ prefix });
    for (const path of ['/healthz', '/readyz'])
      expect((await without.inject(base + path)).statusCode).toBe(404);
  });
});

describe('several instances in one application', () => {
  it('have servers and sessions of their own', async () => {
    const app = createApp();
    await register(app, { prefix: '/one', manifest: await writeManifest({ demo: DEMO }) });
    await register(app, { prefix: '/two', principal: () => 'alice' });
    const url = await listen(app);
    const [one, two] = [`${url}/one/mcp`, `${url}/two/mcp`];
    const sessions = [await openSession(one), await openSession(two)] as const;
    expect(textOf(await callIn(one, sessions[0], 'echo', { text: 'demo' }))).toBe('demo');
    expect(textOf(await callIn(two, sessions[1], 'echo', { text: 'other' }))).toBe('{"text":"other"}');
    expect(reasonOf(await ping(two, sessions[0]))).toBe('session_not_found');
    expect(reasonOf(await ping(one, sessions[1]))).toBe('session_not_found');
  });

  it.each([{}, { cors: ['https://app.example'] }])('need different prefixes: %j', async (serve) => {
    const app = createApp();
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, serve);
    await register(app, { manifest, prefix: '/tools' });
    await register(app, { manifest, prefix: '/tools' });
    await expect(app.ready()).rejects.toMatchObject({ code: 'FST_ERR_DUPLICATED_ROUTE' });
  });
});

describe("the application's own routes", () => {
  it.each(['', '/tools'])('keep parser, 404 and error handler beside %j', async (prefix) => {
    const app = createApp();
    app.post('/own', ({ body }) => ({ got: body }));
    app.get('/fails', () => {
      throw new Error('broken');
    });
    app.setErrorHandler((error: Error, _request, reply) => reply.code(500).send({ own: error.message }));
    app.setNotFoundHandler((_request, reply) => reply.code(404).send({ own: 'not found' }));
    await register(app, { prefix });
    const own = await app.inject({ method: 'POST', url: '/own', payload: { a: [1] } });
    expect(own.json()).toEqual({ got: { a: [1] } });
    const text = await app.inject({
      method: 'POST',
      url: '/own',
      payload: 'a',
      headers: { 'content-type': 'text/plain' },
    });
    expect(text.json()).toEqual({ got: 'a' });
    expect((await app.inject('/fails')).json()).toEqual({ own: 'broken' });
    for (const url of ['/nowhere', `${prefix}/a/b/c`]) {
      const missing = await app.inject(url);
      expect(missing).toMatchObject({ statusCode: 404 });
      expect(missing.json()).toEqual({ own: 'not found' });
    }
    // A foreign Host is refused by MCP's paths alone.
    const foreign = {
      headers: { host: 'foreign.example' },
      url: '/own',
      method: 'POST',
      payload: {},
    } as const;
    expect((await app.inject(foreign)).statusCode).toBe(200);
  });

  it.each(['', '/t'])('are not opened to pages by `cors` of the manifest at %j', async (prefix) => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, { cors: ['https://app.example'] });
    const app = createApp();
    app.post('/treasure', () => 'own');
    await register(app, { manifest, prefix });
    const headers = {
      host: 'localhost',
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
    };
    const preflight = async (url: string) => app.inject({ method: 'OPTIONS', url, headers });
    expect(await preflight(`${prefix}/mcp`)).toMatchObject({
      statusCode: 204,
      headers: { 'access-control-allow-origin': 'https://app.example' },
    });
    for (const url of ['/treasure', '/nowhere', '/tools']) {
      const answer = await preflight(url);
      expect(answer.statusCode).toBe(404);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    const answer = await inject(app, `${prefix}/mcp`, { origin: 'https://app.example' });
    expect(answer).toMatchObject({
      statusCode: 200,
      headers: { 'access-control-expose-headers': expect.stringContaining('Mcp-Session-Id') },
    });
  });

  it('have their own @fastify/cors, which decides for MCP as well', async () => {
    const { stream, lines } = createLines();
    const app = createApp({ logger: { stream } });
    await app.register(cors, { origin: 'https://own.example', exposedHeaders: ['Mcp-Session-Id'] });
    const serve = { cors: ['https://app.example'], allowOrigin: ['https://own.example'] };
    await register(app, { manifest: await writeManifest({ behaviours: BEHAVIOURS }, serve) });
    for (const origin of ['https://own.example', 'https://app.example']) {
      expect(await inject(app, '/mcp', { origin })).toMatchObject({
        statusCode: 200,
        headers: { 'access-control-allow-origin': 'https://own.example' },
      });
    }
    expect(lines.filter(({ event }) => event === 'http.cors-ignored')).toHaveLength(1);
  });
});

describe('the log', () => {
  it("is the application's own, without secrets", async () => {
    const { stream, lines } = createLines();
    const app = createApp({ logger: { level: 'debug', stream } });
    const secret = 'sk-0123456789abcdefghij';
    const server = { ...BEHAVIOURS, env: { API_TOKEN: secret } };
    await register(app, { manifest: await writeManifest({ behaviours: server }) });
    const url = `${await listen(app)}/mcp`;
    const session = await openSession(url);
    await callIn(url, session, 'stderr', { line: `starting with ${secret}` });
    await expect.poll(() => lines.map(({ event }) => event)).toContain('server.stderr');
    expect(lines.find(({ event }) => event === 'server.stderr')).toMatchObject({
      level: 30,
      plugin: 'mcp-run',
      server: 'behaviours',
      msg: expect.stringMatching(/^starting with /),
    });
    expect(lines.map(({ event }) => event)).toContain('server.started');
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it('masks in warnings about the manifest what a server is started with', async () => {
    const { stream, lines } = createLines();
    const app = createApp({ logger: { stream } });
    const secret = 'sk-0123456789abcdefghij';
    const server = { ...BEHAVIOURS, env: { API_TOKEN: secret }, [`note ${secret}`]: true };
    await register(app, { manifest: await writeManifest({ behaviours: server }) });
    await app.ready();
    expect(lines.map(({ event }) => event)).toContain('manifest.warning');
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it('names what is wrong with an entry, and the other servers are served', async () => {
    const { stream, lines } = createLines();
    const app = createApp({ logger: { stream } });
    const bad = { ...BEHAVIOURS, env: { KEY: '${NO_SUCH_VARIABLE}' } };
    await register(app, { manifest: await writeManifest({ bad, good: BEHAVIOURS }) });
    expect((await inject(app, '/good/mcp')).statusCode).toBe(200);
    expect(lines.find(({ event }) => event === 'manifest.entry-rejected')).toMatchObject({
      level: 50,
      server: 'bad',
      code: 'MANIFEST_INVALID',
    });
  });

  it('may be missing', async () => {
    const url = `${await listen(await createHost({}, { logger: false }))}/mcp`;
    const session = await openSession(url);
    expect(textOf(await callIn(url, session, 'stderr', { line: 'x' }))).toBe('written');
  });
});

describe('admission', () => {
  const SECURE = { tokenFile: 'tokens' };
  const withTokens = () => writeManifest({ behaviours: BEHAVIOURS }, SECURE, { tokens: `${ALICE}\n` });

  test('of app.inject() is the same as over a socket', async () => {
    const app = await createHost({ manifest: await withTokens() });
    const refused = await inject(app, '/mcp');
    expect(refused).toMatchObject({
      statusCode: 401,
      headers: { 'www-authenticate': 'Bearer realm="mcp-run"', 'content-type': 'application/json' },
    });
    expect(at(refused.json(), 'error', 'data', 'reason')).toBe('unauthorized');
    expect((await inject(app, '/mcp', bearer(ALICE))).statusCode).toBe(200);
    const foreign = await inject(app, '/mcp', { ...bearer(ALICE), origin: 'https://foreign.example' });
    expect(foreign.statusCode).toBe(403);
  });

  test('checks Host by the addresses that the application listens on', async () => {
    const foreign = { host: 'foreign.example' };
    const app = await createHost();
    expect((await inject(app, '/mcp', foreign)).statusCode).toBe(200);
    const url = await listen(app);
    expect(reasonOf(await post(`${url}/mcp`, initializeMessage(), foreign))).toBe('forbidden_host');
    expect((await inject(app, '/mcp', foreign)).statusCode).toBe(403);
  });

  test('checks Host where the server is told to listen without the application', async () => {
    const app = await createHost();
    await app.ready();
    await new Promise<void>((resolve) => app.server.listen(0, '127.0.0.1', resolve));
    const url = `${app.listeningOrigin}/mcp`;
    expect((await post(url, initializeMessage(), { host: 'foreign.example' })).status).toBe(403);
    expect((await post(url, initializeMessage())).status).toBe(200);
  });

  test('reads the host of HTTP/2 requests', async () => {
    const app = createApp({ http2: true } as FastifyServerOptions);
    await register(app);
    const client = connect(await listen(app));
    onTestFinished(() => client.destroy());
    const statuses = [];
    for (const authority of ['localhost', 'foreign.example']) {
      const request = client.request({
        ...MCP_HEADERS,
        ':method': 'POST',
        ':path': '/mcp',
        ':authority': authority,
      });
      request.end(INITIALIZE);
      const [headers] = await once(request, 'response');
      statuses.push(at(headers, ':status'));
      request.close();
    }
    expect(statuses).toEqual([200, 403]);
  });

  test('rejects an HTTP/2 request that names two hosts', async () => {
    const app = createApp({ http2: true } as FastifyServerOptions);
    await register(app);
    const client = connect(await listen(app));
    onTestFinished(() => client.destroy());
    const request = client.request({ ':path': '/mcp', ':authority': 'foreign.example', host: 'localhost' });
    const [headers] = await once(request, 'response');
    expect(at(headers, ':status')).toBe(400);
    request.close();
  });

  test('takes the names in the manifest', async () => {
    const serve = { allowHost: ['mcp.example'], baseUrl: 'https://public.example/tools' };
    const manifest = await writeManifest({ tells: entryOf(fixtureServer('behaviours')) }, serve);
    const url = await listen(await createHost({ manifest }));
    for (const host of ['mcp.example', 'public.example'])
      expect((await post(`${url}/mcp`, initializeMessage(), { host })).status).toBe(200);
    expect((await post(`${url}/mcp`, initializeMessage(), { host: 'foreign.example' })).status).toBe(403);
  });
});
