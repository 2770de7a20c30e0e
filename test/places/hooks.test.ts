/** Hooks of the application, of its plugins and of mcp-run on MCP's paths: their order, and which of them run. */
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { describe, expect, it } from 'vitest';
import { ALICE, BOB, bearer, callIn, initializeMessage, openSession, ping } from '../support/bearer.ts';
import { MCP_HEADERS, open, postOpen, send, type Answer } from '../support/http.ts';
import { json, type Json } from '../support/json.ts';
import { BEHAVIOURS, createApp, createGate, listen, register, writeManifest } from './host.ts';

const INITIALIZE = JSON.stringify(initializeMessage());

/** A request for `<prefix>/…` and its status; `KEY` stands for a key that the application knows. */
interface Sample {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly status: number;
  /** Undefined where the request is rejected before that. */
  readonly principal?: 'asked';
}

const KEY = { ...MCP_HEADERS, ...bearer(ALICE) };
const SAMPLES: readonly Sample[] = [
  {
    title: 'a session that opens',
    method: 'POST',
    path: '/mcp',
    headers: KEY,
    body: INITIALIZE,
    status: 200,
    principal: 'asked',
  },
  {
    title: 'no key',
    method: 'POST',
    path: '/behaviours/mcp',
    headers: MCP_HEADERS,
    body: INITIALIZE,
    status: 401,
    principal: 'asked',
  },
  {
    title: 'no key for a stream',
    method: 'GET',
    path: '/sse',
    headers: { accept: 'text/event-stream' },
    status: 401,
    principal: 'asked',
  },
  {
    title: 'no key for a message',
    method: 'POST',
    path: '/messages?sessionId=x',
    headers: MCP_HEADERS,
    body: INITIALIZE,
    status: 401,
    principal: 'asked',
  },
  {
    title: 'a foreign Origin',
    method: 'POST',
    path: '/mcp',
    headers: { ...KEY, origin: 'https://foreign.example' },
    body: INITIALIZE,
    status: 403,
  },
  {
    title: 'a foreign Host',
    method: 'GET',
    path: '/behaviours/sse',
    headers: { ...KEY, host: 'foreign.example' },
    status: 403,
  },
  {
    title: 'a server that does not exist',
    method: 'POST',
    path: '/nothing/mcp',
    headers: KEY,
    body: INITIALIZE,
    status: 404,
    principal: 'asked',
  },
  {
    title: 'a session that does not exist',
    method: 'DELETE',
    path: '/mcp',
    headers: { ...KEY, 'mcp-session-id': 'x' },
    status: 404,
    principal: 'asked',
  },
  {
    title: 'another method',
    method: 'PUT',
    path: '/mcp',
    headers: KEY,
    body: INITIALIZE,
    status: 405,
    principal: 'asked',
  },
  {
    title: 'another media type',
    method: 'POST',
    path: '/mcp',
    headers: { ...KEY, 'content-type': 'text/plain' },
    body: INITIALIZE,
    status: 415,
    principal: 'asked',
  },
  {
    title: 'a body that is too large',
    method: 'POST',
    path: '/mcp',
    headers: KEY,
    body: `"${'x'.repeat(5_000_000)}"`,
    status: 413,
    principal: 'asked',
  },
  { title: 'the question which methods there are', method: 'OPTIONS', path: '/mcp', status: 204 },
];

function request(url: string, { method, path, headers = {}, body }: Sample): Promise<Answer> {
  return send(url + path, { method, headers }, body);
}

/** A plugin that adds a hook to every route, as `@fastify/rate-limit` does. */
const routeHooks = fastifyPlugin<{ readonly onRequest: () => void }>(async (app, { onRequest }) => {
  app.addHook('onRoute', (route) => {
    const hook = async () => onRequest();
    route.onRequest = [route.onRequest ?? [], hook].flat();
  });
});

describe('hooks of the application', () => {
  it.each(SAMPLES)('see $title ($status) before mcp-run does', async (sample) => {
    const order: string[] = [];
    const app = createApp();
    app.addHook('onRequest', async (_request, reply) => {
      order.push('before');
      void reply.header('x-own', 'set');
    });
    void app.register(routeHooks, { onRequest: () => void order.push('route') });
    await register(app, {
      prefix: '/tools',
      principal({ headers }) {
        order.push('principal');
        return headers.authorization;
      },
    });
    app.addHook('onRequest', async () => void order.push('after'));
    const url = await listen(app);
    const answer = await request(`${url}/tools`, sample);
    expect(answer.status).toBe(sample.status);
    expect(answer.headers['x-own']).toBe('set');
    expect(order).toEqual([
      'before',
      'after',
      'route',
      ...(sample.principal === 'asked' ? ['principal'] : []),
    ]);
  });

  it.each(SAMPLES.filter(({ status }) => status !== 200))(
    'count $title ($status), such as those of a rate limit',
    async (sample) => {
      const app = createApp();
      await app.register(rateLimit, { max: 2 });
      await register(app, { principal: ({ headers }) => headers.authorization });
      const url = await listen(app);
      for (const remaining of ['1', '0']) {
        const answer = await request(url, sample);
        expect(answer).toMatchObject({
          status: sample.status,
          headers: { 'x-ratelimit-remaining': remaining },
        });
      }
      const limited = await send(`${url}/mcp`, { method: 'POST', headers: KEY }, INITIALIZE);
      expect(limited).toMatchObject({ status: 429, headers: { 'retry-after': expect.any(String) } });
      expect(JSON.parse(limited.text)).toMatchObject({ statusCode: 429, error: 'Too Many Requests' });
    },
  );

  it('fail requests by the error handler of the application', async () => {
    for (const name of ['onRequest', 'preValidation', 'preHandler'] as const) {
      const app = createApp();
      app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ own: error.message }));
      app.addHook(name, async () => {
        throw new Error(`no ${name}`);
      });
      await register(app);
      const { status, text } = await initialize(await listen(app));
      expect([status, text]).toEqual([418, `{"own":"no ${name}"}`]);
    }
  });

  it.each(['onRequest', 'preHandler'] as const)(
    'do not keep the place of a client that leaves before: %s',
    async (name) => {
      const app = createApp();
      const waiting = createGate();
      const [gone, passed] = [createGate(), createGate()];
      let isFirst = true;
      app.addHook(name, async ({ raw }) => {
        if (!isFirst) return;
        isFirst = false;
        raw.socket.once('close', gone.open);
        waiting.open();
        await gone.passed;
        // The next turn is that of the request.
        void nextTurn().then(passed.open);
      });
      const manifest = await writeManifest({ behaviours: BEHAVIOURS }, { maxSessions: 1 });
      await register(app, { manifest });
      const url = await listen(app);
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname);
      socket.write(`GET /sse HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`);
      await waiting.passed;
      socket.destroy();
      await passed.passed;
      const stream = await open(`${url}/sse`, { headers: { accept: 'text/event-stream' } });
      expect(stream.statusCode).toBe(200);
      stream.destroy();
    },
  );
});

function initialize(url: string): Promise<Answer> {
  return send(`${url}/mcp`, { method: 'POST', headers: MCP_HEADERS }, INITIALIZE);
}

/** Hooks of the request's way in; all of them have run before a handler has. */
const IN = ['onRequest', 'preParsing', 'preValidation', 'preHandler'];

/** Records which hooks run. */
function recordHooks(app: FastifyInstance): string[] {
  const seen: string[] = [];
  for (const name of ['onRequest', 'preValidation', 'preHandler', 'onResponse', 'onTimeout'] as const)
    app.addHook(name, async () => void seen.push(name));
  app.addHook('onRequestAbort', async (_request) => void seen.push('onRequestAbort'));
  app.addHook('preParsing', async (_request, _reply, payload) => {
    seen.push('preParsing');
    return payload;
  });
  for (const name of ['preSerialization', 'onSend'] as const) {
    app.addHook(name, async (_request, reply, payload) => {
      seen.push(name);
      void reply.header('x-late', 'set');
      return payload;
    });
  }
  app.addHook('onError', async () => void seen.push('onError'));
  return seen;
}

describe('which hooks run', () => {
  const ROWS: readonly (readonly [title: string, hooks: readonly string[], sample: Partial<Sample>])[] = [
    ['a JSON answer', [...IN, 'onSend', 'onResponse'], {}],
    [
      'an answer without a body',
      [...IN, 'onSend', 'onResponse'],
      { body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' },
    ],
    ['an error of a handler', [...IN, 'onSend', 'onResponse'], { body: '{"jsonrpc":"2.0","id":1}' }],
    [
      'a rejected request without a body',
      ['onRequest', 'onError', 'onSend', 'onResponse'],
      { method: 'GET', body: undefined, headers: { host: 'x' } },
    ],
    [
      'a rejected request with a body',
      ['onRequest', 'onError', 'onResponse'],
      { headers: { ...MCP_HEADERS, host: 'x' } },
    ],
    [
      'a server that does not exist',
      ['onRequest', 'preParsing', 'onError', 'onResponse'],
      { path: '/nothing/mcp' },
    ],
    ['another method', ['onRequest', 'preParsing', 'onError', 'onResponse'], { method: 'PUT' }],
    [
      'another media type',
      ['onRequest', 'preParsing', 'onError', 'onResponse'],
      { headers: { 'content-type': 'text/plain' } },
    ],
    [
      'the question which methods there are',
      ['onRequest', 'preParsing', 'onSend', 'onResponse'],
      { method: 'OPTIONS', body: undefined },
    ],
  ];

  it.each(ROWS)(
    'for %s: %j',
    async (_title, hooks, { method = 'POST', path = '/mcp', headers = {}, ...rest }) => {
      const body = 'body' in rest ? rest.body : INITIALIZE;
      const app = createApp();
      const seen = recordHooks(app);
      await register(app);
      const url = await listen(app);
      const session = await openSession(`${url}/mcp`);
      await expect.poll(() => seen).toContain('onResponse');
      seen.length = 0;
      const own =
        body === INITIALIZE ? { ...MCP_HEADERS, ...headers } : { ...session, ...MCP_HEADERS, ...headers };
      const answer = await send(url + path, { method, headers: own }, body);
      await expect.poll(() => seen).toEqual(hooks);
      expect(answer.headers['x-late']).toBe(hooks.includes('onSend') ? 'set' : undefined);
    },
  );

  it('for an event stream: all but onSend, and onResponse when it has ended', async () => {
    const app = createApp();
    app.addHook(
      'onRequest',
      async (_request, reply) => void reply.headers({ 'x-own': 'set', vary: 'x-own' }),
    );
    const seen = recordHooks(app);
    await register(app);
    const url = `${await listen(app)}/mcp`;
    const session = await openSession(url);
    await expect.poll(() => seen).toContain('onResponse');
    seen.length = 0;
    const params = { name: 'wait', arguments: {}, _meta: { progressToken: 'x' } };
    const stream = await postOpen(
      url,
      { jsonrpc: '2.0', id: 'stream', method: 'tools/call', params },
      session,
    );
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-own': 'set',
      vary: 'x-own',
    });
    expect(stream.headers['x-late']).toBeUndefined();
    expect(seen).toEqual(IN);
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'stream' } };
    await send(url, { method: 'POST', headers: { ...MCP_HEADERS, ...session } }, JSON.stringify(cancelled));
    stream.resume();
    const JSON_ANSWER = [...IN, 'onSend', 'onResponse'];
    await expect.poll(() => seen.toSorted()).toEqual([...IN, 'onResponse', ...JSON_ANSWER].toSorted());
  });

  it('for a stream that its client leaves: onRequestAbort, and onResponse does not', async () => {
    const app = createApp();
    const seen = recordHooks(app);
    await register(app);
    const url = await listen(app);
    const stream = await open(`${url}/sse`);
    stream.destroy();
    await expect.poll(() => seen).toEqual([...IN, 'onRequestAbort']);
  });
});

describe('an onSend hook', () => {
  const call = (size: number): Json => ({
    jsonrpc: '2.0',
    id: 'call',
    method: 'tools/call',
    params: { name: 'large', arguments: { bytes: size } },
  });

  it.each([10, 100_000])('changes an answer of %i bytes, now or later', async (size) => {
    const app = createApp();
    app.addHook('onSend', async (_request, reply, payload) => {
      await nextTurn();
      if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
      const changed = JSON.stringify({ ...json(JSON.parse(String(payload))), changed: 'ä' });
      void reply.header('content-length', Buffer.byteLength(changed));
      return changed;
    });
    await register(app);
    const url = `${await listen(app)}/mcp`;
    const session = await openSession(url);
    const answer = await send(
      url,
      { method: 'POST', headers: { ...MCP_HEADERS, ...session } },
      JSON.stringify(call(size)),
    );
    expect(JSON.parse(answer.text)).toMatchObject({ id: 'call', changed: 'ä' });
    expect(answer.text.length).toBeGreaterThan(size);
  });

  it.each([10, 100_000])('may take longer than a client waits for %i bytes', async (size) => {
    const app = createApp();
    const [waiting, left, held] = [createGate(), createGate(), createGate()];
    app.addHook('onSend', async (request, reply, payload) => {
      if (request.headers['x-leaves'] === undefined) return payload;
      reply.raw.once('close', left.open);
      waiting.open();
      await held.passed;
      return payload;
    });
    await register(app);
    const url = `${await listen(app)}/mcp`;
    const session = await openSession(url);
    const leaving = new AbortController();
    const headers = { ...MCP_HEADERS, ...session, 'x-leaves': 'yes' };
    const sent = open(url, { method: 'POST', headers, signal: leaving.signal }, JSON.stringify(call(size)));
    await waiting.passed;
    leaving.abort();
    await expect(sent).rejects.toThrow('aborted');
    await left.passed;
    held.open();
    expect((await ping(url, session)).status).toBe(200);
    expect(await callIn(url, session, 'echo', { text: BOB })).toMatchObject({ content: [{ type: 'text' }] });
  });

  it('that fails is an error of the application', async () => {
    const app = createApp();
    app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ own: error.message }));
    let fails = true;
    app.addHook('onSend', async () => {
      if (fails) {
        fails = false;
        throw new Error('no onSend');
      }
    });
    await register(app);
    const { status, text } = await initialize(await listen(app));
    expect([status, text]).toEqual([418, '{"own":"no onSend"}']);
  });
});
