/** Streamable HTTP without sessions, as curl, a load balancer or a serverless platform sends it. */
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { callTool } from '../support/clients.ts';
import { eventsOf, open, post, postOpen, send, MCP_HEADERS, type SseEvent } from '../support/http.ts';
import { at, textOf, type Json } from '../support/json.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2 } from '../support/sdk-v2.ts';
import { endpointOf, INITIALIZE, serversOf, startWith } from './shared-server.ts';

const LIST = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
const JSON_TYPE = 'application/json';
const STREAM_TYPE = 'text/event-stream';
const CLIENTS = [
  ['SDK v1', connectSdkV1],
  ['SDK v2', connectSdkV2],
] as const;

const call = (name: string, args: Json = {}, id: unknown = 3): Json => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args, _meta: { progressToken: 'p' } },
});

test.each([[['--stateless']], [['--stateless', '--json-response']]])(
  'with %j any request is answered by itself, in any order, with or without a handshake',
  async (args) => {
    const gateway = await startWith(...args);
    const url = `${gateway.url}/mcp`;
    const list = await post(url, LIST);
    expect(list.headers).toMatchObject({ 'content-type': JSON_TYPE });
    expect(list.headers['mcp-session-id']).toBeUndefined();
    expect(at(JSON.parse(list.text), 'result', 'tools', 0, 'name')).toBe('echo');

    const initialized = await post(url, INITIALIZE);
    expect(initialized.headers['mcp-session-id']).toBeUndefined();
    expect(at(JSON.parse(initialized.text), 'result', 'protocolVersion')).toBe('2025-11-25');
    const note = await post(url, { jsonrpc: '2.0', method: 'notifications/initialized' });
    expect([note.status, note.text]).toEqual([202, '']);
    expect((await post(url, { jsonrpc: '2.0', id: 9, result: {} })).status).toBe(202);
    // Initialize again, and with a session id from who knows where.
    const again = await post(url, { ...INITIALIZE, id: 'x' }, { 'mcp-session-id': '__proto__' });
    expect(again.status).toBe(200);
    expect((await post(url, LIST, { 'mcp-session-id': 'f'.repeat(32) })).status).toBe(200);
    expect(serversOf(gateway)).toHaveLength(1);
  },
);

test('has nothing to GET or DELETE', async () => {
  const gateway = await startWith('--stateless');
  for (const method of ['GET', 'DELETE', 'PUT', 'HEAD']) {
    const answer = await send(`${gateway.url}/mcp`, {
      method,
      headers: { ...MCP_HEADERS, accept: STREAM_TYPE },
    });
    expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, 'POST']);
  }
});

test('streams what belongs to a call, its answer last, without ids to come back with', async () => {
  const { url } = await startWith('--stateless');
  const answer = await postOpen(`${url}/mcp`, call('burst', { count: 3 }));
  expect(answer.headers['content-type']).toBe(STREAM_TYPE);
  const events = await allEventsOf(answer);
  expect(events.map(({ id }) => id)).toEqual([undefined, undefined, undefined, undefined]);
  const messages = events.map(({ data }): unknown => JSON.parse(data));
  expect(messages.slice(0, 3)).toMatchObject(
    [1, 2, 3].map((progress) => ({ params: { progressToken: 'p', progress } })),
  );
  expect(messages[3]).toMatchObject({ id: 3, result: {} });
});

test('with --json-response answers with the answer alone, and takes clients that accept nothing else', async () => {
  const { url } = await startWith('--stateless', '--json-response');
  for (const accept of [JSON_TYPE, '*/*', MCP_HEADERS.accept]) {
    const answer = await post(`${url}/mcp`, call('burst', { count: 50 }), { accept });
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 3, result: {} });
  }
  expect((await post(`${url}/mcp`, LIST, { accept: STREAM_TYPE })).status).toBe(406);
});

test.each(CLIENTS)('serves the client of %s, with and without streams', async (_name, connect) => {
  for (const args of [['--stateless'], ['--stateless', '--json-response']]) {
    const gateway = await startWith(...args);
    const clients = await Promise.all([connect(endpointOf(gateway)), connect(endpointOf(gateway))]);
    for (const client of clients) {
      expect(at(await client.request('tools/list'), 'tools', 0, 'name')).toBe('echo');
      expect(textOf(await callTool(client, 'burst', { count: 10 }, { onProgress: () => {} }))).toBe(
        'sent 10',
      );
      const progress = client.incoming.filter(({ method }) => method === 'notifications/progress');
      expect(progress).toHaveLength(args.length === 1 ? 10 : 0);
      await client.close();
    }
  }
});

test('never starts a process for a request: 200 requests, 20 at a time, meet one', async () => {
  const gateway = await startWith('--stateless');
  const url = `${gateway.url}/mcp`;
  const pids = new Set<unknown>();
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const { text } = await post(url, call('process', {}, i));
        expect(at(JSON.parse(text), 'id')).toBe(i);
        pids.add(at(JSON.parse(text), 'result', 'structuredContent', 'pid'));
      }),
    );
    expect(serversOf(gateway)).toHaveLength(1);
  }
  expect([...pids]).toEqual(serversOf(gateway));
});

test('a client that leaves has its call cancelled, and nobody else', async () => {
  const gateway = await startWith('--stateless');
  const url = `${gateway.url}/mcp`;
  const staying = postOpen(url, call('wait', { ms: 1_000 }));
  const leaving = new AbortController();
  const answer = await open(
    url,
    { method: 'POST', headers: MCP_HEADERS, signal: leaving.signal },
    JSON.stringify(call('wait')),
  );
  for await (const { data } of eventsOf(answer)) {
    expect(JSON.parse(data)).toMatchObject({ method: 'notifications/progress' });
    break;
  }
  leaving.abort();
  await expect.poll(async () => (await receivedBy(url, 'notifications/cancelled')).length).toBe(1);
  const events = await allEventsOf(await staying);
  expect(events.at(-1)?.data).toContain('waited');
  expect(await receivedBy(url, 'notifications/cancelled')).toHaveLength(1);
});

test('the death of the process fails its calls, and the next request meets the next one', async () => {
  const gateway = await startWith('--stateless');
  const url = `${gateway.url}/mcp`;
  const dead = await post(url, call('kill'));
  expect([dead.status, at(JSON.parse(dead.text), 'error', 'data', 'reason')]).toEqual([
    200,
    'upstream_exited',
  ]);
  const next = await post(url, call('echo', { a: 1 }));
  expect(at(JSON.parse(next.text), 'result', 'structuredContent', 'arguments')).toEqual({ a: 1 });
  // A trial start may be just about to end.
  await expect.poll(() => serversOf(gateway)).toHaveLength(1);
});

test('the server is told that nobody can be asked', async () => {
  const { url } = await startWith('--stateless');
  const params = { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } };
  const answer = await post(`${url}/mcp`, call('ask', params));
  expect(at(JSON.parse(answer.text), 'result', 'structuredContent', 'error', 'code')).toBe(-32_601);
});

test.each([['--stateless'], ['--stateless --json-response']])(
  'with %s a batch is a batch in revision 2025-03-26, and in no other',
  async (args) => {
    const { url } = await startWith(...args.split(' '));
    const batch = [
      call('echo', { n: 1 }, 'a'),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      call('echo', { n: 2 }, 2),
    ];
    for (const headers of [{}, { 'mcp-protocol-version': '2025-03-26' }]) {
      const { text, status } = await post(`${url}/mcp`, batch, headers);
      expect(status).toBe(200);
      const answers: unknown = JSON.parse(text);
      expect(answers).toHaveLength(2);
      expect(answers).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ id: 'a', result: expect.anything() }),
          expect.objectContaining({ id: 2, result: expect.anything() }),
        ]),
      );
    }
    const twice = await post(`${url}/mcp`, [call('echo', {}, 1), call('echo', {}, 1)]);
    const late = await post(`${url}/mcp`, batch, { 'mcp-protocol-version': '2025-06-18' });
    const withInitialize = await post(`${url}/mcp`, [INITIALIZE]);
    for (const { status, text } of [twice, late, withInitialize, await post(`${url}/mcp`, [])]) {
      expect([status, at(JSON.parse(text), 'error', 'code')]).toEqual([400, -32_600]);
    }
    expect((await post(`${url}/mcp`, [batch[1]])).status).toBe(202);
  },
);

test.each([
  ['not JSON', '{', 400, -32_700],
  ['no body', '', 400, -32_700],
  ['not JSON-RPC', '{"a":1}', 400, -32_600],
  ['a key that is there twice', '{"jsonrpc":"2.0","id":1,"id":1,"method":"tools/list"}', 400, -32_600],
  ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"no/such"}', 200, -32_601],
])('answers %s with an error of its own', async (_what, body, status, code) => {
  const { url } = await startWith('--stateless');
  const answer = await post(`${url}/mcp`, body);
  expect([answer.status, at(JSON.parse(answer.text), 'error', 'code')]).toEqual([status, code]);
});

test('with --json-response and sessions there is never a stream', async () => {
  const gateway = await startWith('--json-response');
  const url = `${gateway.url}/mcp`;
  const initialized = await post(url, INITIALIZE, { accept: JSON_TYPE });
  expect(initialized.headers['content-type']).toBe(JSON_TYPE);
  const session = { 'mcp-session-id': String(initialized.headers['mcp-session-id']) };
  expect((await post(url, { jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status).toBe(
    202,
  );

  const burst = await post(url, call('burst', { count: 100 }), { ...session, accept: JSON_TYPE });
  expect(burst.headers['content-type']).toBe(JSON_TYPE);
  expect(JSON.parse(burst.text)).toMatchObject({ id: 3, result: {} });
  const logged = await post(url, call('log', { messages: ['a', 'b'] }), session);
  expect(logged.headers['content-type']).toBe(JSON_TYPE);
  const params = { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } };
  const asked = await post(url, call('ask', params), session);
  expect(at(JSON.parse(asked.text), 'result', 'structuredContent', 'error', 'code')).toBe(-32_601);

  const streaming = await send(url, { headers: { accept: STREAM_TYPE, ...session } });
  expect([streaming.status, streaming.headers.allow]).toEqual([405, 'POST, DELETE']);
  expect((await send(url, { method: 'DELETE', headers: session })).status).toBe(204);
  expect((await post(url, LIST, session)).status).toBe(404);
});

test('with --json-response HTTP+SSE streams as ever', async () => {
  const gateway = await startWith('--json-response');
  const client = await connectRaw(endpointOf(gateway, 'sse'));
  await callTool(client, 'burst', { count: 5 }, { onProgress: () => {} });
  expect(client.incoming.filter(({ method }) => method === 'notifications/progress')).toHaveLength(5);
});

test('lets a request in flight finish when it is told to stop, and takes no other', async () => {
  const gateway = await startWith('--stateless', '--json-response');
  const url = `${gateway.url}/mcp`;
  const running = post(url, call('wait', { ms: 1_000 }));
  await expect.poll(async () => (await receivedBy(url, '"wait"')).length).toBe(1);
  gateway.signal('SIGTERM');
  await expect.poll(async () => (await post(url, LIST).catch(() => ({ status: 0 }))).status).toBe(503);
  expect(JSON.parse((await running).text)).toMatchObject({ id: 3, result: {} });
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
});

async function allEventsOf(answer: IncomingMessage): Promise<SseEvent[]> {
  const events: SseEvent[] = [];
  for await (const event of eventsOf(answer)) events.push(event);
  return events;
}

async function receivedBy(url: string, containing: string): Promise<unknown[]> {
  const { text } = await post(url, call('received', { containing }));
  const lines = at(JSON.parse(text), 'result', 'structuredContent', 'lines');
  if (!Array.isArray(lines)) throw new Error(text);
  return lines.filter((line) => !String(line).includes('"received"'));
}
