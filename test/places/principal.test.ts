/** The identity that an application gives its clients. */
import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../../src/places/fastify.ts';
import {
  ALICE,
  BOB,
  bearer,
  callIn,
  initializeMessage,
  openSession,
  ping,
  reasonOf,
} from '../support/bearer.ts';
import { open, post, send, type Answer } from '../support/http.ts';
import { at, json } from '../support/json.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';
import { readStream } from '../downstream/http/listener.ts';
import { BEHAVIOURS, createApp, createHost, createLines, listen, register, writeManifest } from './host.ts';

/** Key → user, as an application knows them. */
const USERS: Readonly<Record<string, string>> = { 'key-a': 'alice', 'key-b': 'bob' };

function userOf({ headers }: FastifyRequest): string | undefined {
  return USERS[String(headers['x-key'])];
}

const KEYS = [{ 'x-key': 'key-a' }, { 'x-key': 'key-b' }] as const;

const FORMS: readonly (readonly [
  title: string,
  principal: (request: FastifyRequest) => Identity | Promise<Identity>,
])[] = [
  ['a string', userOf],
  ['a promise of a string', async (request) => userOf(request)],
  ['an object with claims', (request) => ({ id: userOf(request) ?? '', claims: { team: 'red' } })],
  ['an object without claims', async (request) => ({ id: userOf(request) ?? '' })],
];

/** Calls a tool without a session. @returns the pid of its process */
async function pidOf(url: string, headers: Record<string, string>, modern: boolean): Promise<unknown> {
  const params = { name: 'process', arguments: {} };
  const message = modern
    ? modernRequest('tools/call', 1, params)
    : { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
  const { text } = await post(url, message, { ...headers, ...(modern && mirroredHeaders(json(message))) });
  return at(JSON.parse(text), 'result', 'structuredContent', 'pid');
}

describe('a principal', () => {
  it.each([undefined, null, 'no'])('that is rejected with %j admits no request', async (reason) => {
    const principal = (): Promise<string> => new Promise((_resolve, reject) => reject(reason));
    const url = `${await listen(await createHost({ principal }))}/mcp`;
    for (const method of ['POST', 'PUT', 'DELETE']) expect((await send(url, { method })).status).toBe(500);
  });

  it.each(FORMS)('is %s, and owns its sessions', async (_title, principal) => {
    const url = `${await listen(await createHost({ principal }))}/mcp`;
    const alice = await openSession(url, KEYS[0]);
    expect((await ping(url, alice)).status).toBe(200);
    const stolen = await ping(url, { ...alice, ...KEYS[1] });
    expect([stolen.status, reasonOf(stolen)]).toEqual([404, 'session_not_found']);
    expect((await send(url, { method: 'DELETE', headers: { ...alice, ...KEYS[1] } })).status).toBe(404);
    expect(await callIn(url, alice, 'echo', {})).toMatchObject({ content: [{ text: '{}' }] });
  });

  it('owns its streams of HTTP+SSE', async () => {
    const url = await listen(await createHost({ principal: userOf }));
    const { data } = await readStream(await open(`${url}/sse`, { headers: KEYS[0] })).next();
    expect((await post(url + data, initializeMessage(), KEYS[1])).status).toBe(404);
    expect((await post(url + data, initializeMessage(), KEYS[0])).status).toBe(202);
  });

  it.each([
    ['of revision 2026-07-28', true, {}],
    ['without sessions', false, { stateless: true }],
  ])('owns its processes: requests %s', async (_title, modern, serve) => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, serve);
    const url = `${await listen(await createHost({ manifest, principal: userOf }))}/mcp`;
    const pids = [];
    for (const key of [...KEYS, ...KEYS]) pids.push(await pidOf(url, key, modern));
    expect(pids).toEqual([expect.any(Number), expect.any(Number), pids[0], pids[1]]);
    expect(pids[0]).not.toBe(pids[1]);
    expect((await post(url, modernRequest('tools/list'))).status).toBe(401);
  });

  it('takes the place of the tokens in the manifest', async () => {
    const serve = { tokenFile: 'tokens' };
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, serve, { tokens: `${ALICE}\n` });
    const url = `${await listen(await createHost({ manifest, principal: userOf }))}/mcp`;
    expect((await post(url, initializeMessage(), bearer(ALICE))).status).toBe(401);
    expect((await post(url, initializeMessage(), KEYS[0])).status).toBe(200);
  });

  it('comes from what hooks of the application have found out', async () => {
    const app = createApp();
    const users = new WeakMap<FastifyRequest, string>();
    await register(app, { principal: (request) => users.get(request) });
    app.addHook('onRequest', async (request) => {
      const user = userOf(request);
      if (user !== undefined) users.set(request, user);
    });
    const url = `${await listen(app)}/mcp`;
    expect((await ping(url, { ...(await openSession(url, KEYS[0])), ...KEYS[1] })).status).toBe(404);
  });

  it('is asked for once a request, and for none that another site has sent', async () => {
    let asked = 0;
    const url = `${await listen(await createHost({ principal: () => `user-${++asked}` }))}/mcp`;
    const statuses = [
      await post(url, initializeMessage(), { host: 'foreign.example' }),
      await post(url, initializeMessage(), { origin: 'https://foreign.example' }),
      await send(url, { method: 'OPTIONS' }),
      await post(url, initializeMessage()),
    ].map(({ status }: Answer) => status);
    expect(statuses).toEqual([403, 403, 204, 200]);
    expect(asked).toBe(1);
  });
});

describe('a client without an identity', () => {
  it.each([undefined, null, Promise.resolve(undefined)])(
    '(%s) is a 401 with a JSON-RPC body',
    async (identity) => {
      const url = await listen(await createHost({ principal: () => identity }));
      const answers = [
        await post(`${url}/mcp`, initializeMessage()),
        await post(`${url}/mcp`, modernRequest('tools/list')),
        await post(`${url}/messages?sessionId=x`, initializeMessage()),
        await send(`${url}/sse`),
      ];
      for (const answer of answers) expect([answer.status, reasonOf(answer)]).toEqual([401, 'unauthorized']);
    },
  );
});

describe('a function that fails', () => {
  const failure = () => Object.assign(new Error('pay first'), { statusCode: 402 });
  it.each([
    [
      'at once',
      () => {
        throw failure();
      },
    ],
    ['later', () => Promise.reject(failure())],
  ])('%s is an error of the application', async (_title, principal) => {
    const url = `${await listen(await createHost({ principal }))}/mcp`;
    const answer = await post(url, initializeMessage());
    expect(JSON.parse(answer.text)).toEqual({
      statusCode: 402,
      error: 'Payment Required',
      message: 'pay first',
    });
    const app = createApp();
    app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ own: error.message }));
    await register(app, { principal });
    const own = await post(`${await listen(app)}/mcp`, initializeMessage());
    expect([own.status, own.text]).toEqual([418, '{"own":"pay first"}']);
  });

  it.each([
    ['an empty id', ''],
    ['no id', { claims: {} }],
  ])('to return an id is reported: %s', async (_title, identity) => {
    const { stream, lines } = createLines();
    const app = createApp({ logger: { stream } });
    await register(app, { principal: () => identity });
    const answer = await post(`${await listen(app)}/mcp`, initializeMessage(), bearer(BOB));
    expect([answer.status, reasonOf(answer)]).toEqual([500, 'internal']);
    expect(lines.filter(({ event }) => event === 'http.internal-error')).toMatchObject([
      { level: 50, msg: expect.stringContaining('`principal`') },
    ]);
  });
});
