/** Headers of a POST that repeat its body: a proxy that trusts them must not be made to let something else through. */
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { MCP_HEADERS, post, postOpen, type Answer } from '../../support/http.ts';
import { mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { expectFault, listen, openSession, openStream, request, type Harness } from './listener.ts';

type Headers = Record<string, string | string[]>;

const MISMATCH = { status: 400, code: -32_020, reason: 'header_mismatch' };
const CALL = request('tools/call', 1, { name: 'read', arguments: { region: 'eu' } });
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;

/** Sends header lines as they are, one name several times included. */
async function send(url: string, message: unknown, headers: Headers): Promise<Answer> {
  const body = typeof message === 'string' ? message : JSON.stringify(message);
  return await new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, {
      method: 'POST',
      agent: false,
      headers: { ...MCP_HEADERS, ...headers },
    });
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const WRONG: readonly [title: string, headers: Headers][] = [
  ['another method', { 'mcp-method': 'tools/list' }],
  ['a method in another case', { 'mcp-method': 'Tools/Call' }],
  ['an empty method', { 'mcp-method': '' }],
  ['a method twice', { 'mcp-method': ['tools/call', 'tools/call'] }],
  ['two methods', { 'mcp-method': ['tools/call', 'tools/list'] }],
  ['a method in base64', { 'mcp-method': base64('tools/call') }],
  ['another name', { 'mcp-name': 'write' }],
  ['a name in another case', { 'mcp-name': 'Read' }],
  ['another name in base64', { 'mcp-method': 'tools/call', 'mcp-name': base64('write') }],
  ['a name that is not well-formed', { 'mcp-name': '=?base64?*?=' }],
  ['a name twice', { 'mcp-name': ['read', 'read'] }],
  ['a parameter twice', { 'mcp-param-region': ['eu', 'eu'] }],
  ['a parameter that is not well-formed', { 'mcp-param-x': '=?base64?*?=' }],
];
const RIGHT: readonly Headers[] = [
  {},
  { 'mcp-method': 'tools/call' },
  { 'mcp-name': 'read' },
  { 'mcp-method': 'tools/call', 'mcp-name': base64('read') },
  { 'mcp-param-region': 'anything, since the tool is not known' },
];

/** A POST of a call to an open session, or without one. */
async function openWay(way: 'session' | 'stateless', batch: boolean) {
  const harness = await listen(way === 'stateless' ? { stateless: true } : {});
  const opened = way === 'session' ? (await openSession(harness, '2025-03-26')).headers : {};
  const before = harness.accepted.length;
  return {
    harness,
    send: (message: unknown, headers: Headers) =>
      send(harness.mcp, batch ? [message] : message, {
        'mcp-protocol-version': '2025-03-26',
        ...opened,
        ...headers,
      }),
    frames: () => harness.accepted.slice(way === 'session' ? 0 : before).flatMap(({ frames }) => frames),
  };
}

describe.each([
  ['session', false],
  ['session', true],
  ['stateless', false],
  ['stateless', true],
] as const)('a call of an older revision (%s, in a batch: %s)', (kind, isBatch) => {
  it.each(WRONG)('is refused with %s', async (_title, headers) => {
    const way = await openWay(kind, isBatch);
    expectFault(await way.send(CALL, headers), {
      ...MISMATCH,
      ...(!isBatch || kind === 'stateless' ? { id: 1 } : {}),
    });
    expect(way.frames().some(({ method }) => method === 'tools/call')).toBe(false);
  });

  it.each(RIGHT)('is taken with %j', async (headers) => {
    const way = await openWay(kind, isBatch);
    const answer = way.send(CALL, headers);
    await expect.poll(() => way.frames().some(({ method }) => method === 'tools/call')).toBe(true);
    void way.harness.accepted.at(-1)?.send({ id: 1, result: {} });
    expect((await answer).status).toBe(200);
  });
});

describe('a POST of an older revision', () => {
  it('that opens a session is refused before one is made', async () => {
    const harness = await listen();
    const message = request('initialize', 'a', { protocolVersion: '2025-06-18', capabilities: {} });
    expectFault(await send(harness.mcp, message, { 'mcp-method': 'ping' }), { ...MISMATCH, id: 'a' });
    expect(harness.accepted).toEqual([]);
  });

  it('with several messages is refused unless the header is that of all', async () => {
    const session = await openSession(await listen(), '2025-03-26');
    const batch = [request('echo', 1), request('tools/call', 2, { name: 'read' })];
    expectFault(await session.post(batch, { 'mcp-method': 'echo' }), MISMATCH);
    const notes = [request('a/b'), request('a/b')].map((one) => ({ ...one, id: undefined }));
    expect((await session.post(notes, { 'mcp-method': 'a/b' })).status).toBe(202);
  });

  it('with a response or a notification is refused with the method of another message', async () => {
    const session = await openSession(await listen());
    const response = { jsonrpc: '2.0', id: 1, result: {} };
    expectFault(await session.post(response, { 'mcp-method': 'ping' }), MISMATCH);
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expectFault(await session.post(note, { 'mcp-method': 'ping' }), MISMATCH);
    expect((await session.post(note, { 'mcp-method': 'notifications/initialized' })).status).toBe(202);
  });

  it.each([
    ['prompts/get', '"name":"read","Name":"write"'],
    ['resources/read', '"uri":"a:read","URI":"a:write"'],
    ['resources/read', '"uri":"a:read","uri":"a:write"'],
    ['tasks/get', '"taskId":"read","tas\\u212aId":"write"'],
  ])('of %s with %s is refused', async (method, params) => {
    const session = await openSession(await listen());
    const text = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{${params}}}`;
    expectFault(await session.post(text), { status: 400, code: -32_600, id: 1 });
  });

  it('over HTTP+SSE is answered with the error on the stream', async () => {
    const harness = await listen();
    const stream = await openStream(`${harness.url}/sse`, {});
    const messages = harness.url + (await stream.next()).data;
    const answer = await postOpen(messages, CALL, { 'mcp-name': 'write' });
    expect(answer.statusCode).toBe(202);
    expect(await stream.nextMessage()).toMatchObject({ id: 1, error: { code: -32_020 } });
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expectFault(await post(messages, note, { 'mcp-method': 'ping' }), MISMATCH);
    expect(harness.accepted[0]?.frames).toEqual([]);
  });
});

describe('a request of 2026-07-28', () => {
  it.each(['mcp-method', 'mcp-name', 'mcp-param-a'])('with %s twice is refused', async (name) => {
    const harness = await listen();
    const message = modernRequest('tools/call', 7, { name: 'read', arguments: {} });
    const headers: Headers = { 'mcp-param-a': 'x', ...mirroredHeaders(message) };
    const value = String(headers[name]);
    expectFault(await send(harness.mcp, message, { ...headers, [name]: [value, value] }), {
      ...MISMATCH,
      id: 7,
    });
    expect(harness.accepted).toEqual([]);
  });
});

describe('parameters of a tool that was listed in a session of an older revision', () => {
  const schema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      page: { type: 'object', properties: { limit: { type: 'integer', 'x-mcp-header': 'Limit' } } },
    },
  };

  async function listed(harness: Harness) {
    const session = await openSession(harness);
    const answer = session.post(request('tools/list', 'l'));
    await session.accepted.waitFor(({ method }) => method === 'tools/list');
    void session.accepted.send({ id: 'l', result: { tools: [{ name: 'read', inputSchema: schema }] } });
    await answer;
    return session;
  }

  it.each<[args: string, headers: Record<string, string>]>([
    ['{"region":"eu"}', { 'mcp-param-region': 'us' }],
    ['{}', { 'mcp-param-region': 'us' }],
    ['{"region":"us","region":"us"}', { 'mcp-param-region': 'us' }],
    ['{"region":"us","Region":"eu"}', { 'mcp-param-region': 'us' }],
    ['{"Region":"us"}', { 'mcp-param-region': 'us' }],
    ['{"region":"us","re\\u0067ion":"eu"}', { 'mcp-param-region': 'us' }],
    ['{"page":{"limit":1,"LIMIT":2}}', { 'mcp-param-limit': '1' }],
    ['{"page":{"limit":1},"Page":{"limit":2}}', { 'mcp-param-limit': '1' }],
    ['{"page":{"limit":1},"page":{"limit":1}}', { 'mcp-param-limit': '1' }],
  ])('%s and %j do not match', async (args, headers) => {
    const harness = await listen();
    const session = await listed(harness);
    const text = ` {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":${args}}}`;
    expectFault(await session.post(text, headers), { ...MISMATCH, id: 1 });
    // A request of 2026-07-28 of the same principal is checked against the same tools.
    const modern = modernRequest('tools/call', 7, { name: 'read', arguments: 'HERE' });
    const answer = await post(harness.mcp, JSON.stringify(modern).replace('"HERE"', args), {
      ...mirroredHeaders(modern),
      ...headers,
    });
    expectFault(answer, { ...MISMATCH, id: 7 });
  });

  it.each<[args: string, headers: Record<string, string>]>([
    ['{"region":"us"}', {}],
    ['{"region":"us","x":{"Region":1,"region":2}}', { 'mcp-param-region': 'us' }],
    ['{"page":{"limit":1},"region":"us"}', { 'mcp-param-limit': '1' }],
  ])('%s and %j match', async (args, headers) => {
    const session = await listed(await listen());
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":${args}}}`;
    const answer = session.post(text, headers);
    await session.accepted.waitFor(({ method }) => method === 'tools/call');
    void session.accepted.send({ id: 1, result: {} });
    expect((await answer).status).toBe(200);
  });
});
