/** What a client can get wrong in one message: each is refused in the protocol's own form, and nothing else happens. */
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { MCP_HEADERS, openSocket, send, type Answer } from '../support/http.ts';
import { at, json } from '../support/json.ts';
import type { Peer, PeerAnswer } from '../support/peer.ts';
import { call, expectEcho, inTime, NETWORK, setUpHarness, type Network } from './harness.ts';

const world = setUpHarness({ other: ['true'] });
const LEVELS = 100_000;
const BODY_LIMIT = 4 * 1024 * 1024;
const PING = JSON.stringify({ jsonrpc: '2.0', id: 'ping', method: 'ping' });

interface Row {
  readonly title: string;
  readonly body: string | Buffer;
  readonly status: number;
  readonly code: number;
  /** Of a request, where it can be read: over HTTP+SSE the error then comes on the stream. */
  readonly id?: number | string;
}

const BODIES: readonly Row[] = [
  ...[
    ['malformed JSON', '{"jsonrpc":"2.0","id":1,'],
    ['no body', ''],
    ['two messages', `${PING}\n${PING}`],
    ['two byte order marks', `\ufeff\ufeff${PING}`],
    ['a NUL byte', `${PING}\0`],
    ['brackets that never close, 100,000 of them', '['.repeat(LEVELS)],
    ['braces that never close, 100,000 of them', '{"a":'.repeat(LEVELS)],
  ].map(([title = '', body = '']) => ({ title, body, status: 400, code: -32700 })),
  ...[
    [
      'invalid UTF-8',
      Buffer.from([...Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), 0xff, 0xfe, 0x22, 0x7d]),
    ],
    ['a lone surrogate as UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['UTF-16', Buffer.from(PING, 'utf16le')],
  ].map(([title, body]) => ({
    title: String(title),
    body: Buffer.from(body ?? ''),
    status: 400,
    code: -32700,
  })),
  ...[
    '42',
    'null',
    'true',
    '"tools/list"',
    '{}',
    '{"foo":1}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    '{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"error":"x"}',
    '{"jsonrpc":"1.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","method":"ping","params":[1]}',
    '[]',
    `[${PING}]`,
    '[1,2]',
  ].map((body) => ({ title: body, body, status: 400, code: -32600 })),
  ...[
    '{"jsonrpc":"1.0","id":"bad","method":"ping"}',
    '{"id":"bad","method":"ping"}',
    '{"jsonrpc":"2.0","id":"bad"}',
    '{"jsonrpc":"2.0","id":"bad","method":7}',
    '{"jsonrpc":"2.0","id":"bad","method":null}',
    '{"jsonrpc":"2.0","id":"bad","method":"ping","params":[1]}',
    '{"jsonrpc":"2.0","id":"bad","method":"ping","params":"x"}',
    '{"jsonrpc":"2.0","id":"bad","method":"ping","params":null}',
  ].map((body) => ({ title: body, body, status: 400, code: -32600, id: 'bad' })),
  { title: '100,000 arrays in each other', body: deepArray(LEVELS), status: 400, code: -32600 },
  { title: 'a body over the limit', body: ' '.repeat(BODY_LIMIT) + PING, status: 413, code: -32600 },
];

interface HeaderRow {
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly on: readonly Network[];
  readonly status: number;
  readonly code?: number;
}

const HEADERS: readonly HeaderRow[] = [
  { title: 'text/plain', headers: { 'content-type': 'text/plain' }, on: NETWORK, status: 415 },
  {
    title: 'a form',
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
    on: NETWORK,
    status: 415,
  },
  { title: 'almost JSON', headers: { 'content-type': 'application/jsonp' }, on: NETWORK, status: 415 },
  { title: 'a content type of nonsense', headers: { 'content-type': ';;;' }, on: NETWORK, status: 415 },
  { title: 'gzip', headers: { 'content-encoding': 'gzip' }, on: NETWORK, status: 415 },
  {
    title: 'Accept without event streams',
    headers: { accept: 'application/json' },
    on: ['http'],
    status: 406,
  },
  { title: 'Accept of nonsense', headers: { accept: ',;=,,' }, on: ['http'], status: 406 },
  {
    title: 'an unknown revision',
    headers: { 'mcp-protocol-version': '__proto__' },
    on: ['http'],
    status: 400,
  },
  { title: 'another host', headers: { host: 'example.com' }, on: NETWORK, status: 403 },
  { title: 'another origin', headers: { origin: 'http://example.com' }, on: NETWORK, status: 403 },
  { title: 'headers over 16 KiB', headers: { 'x-large': 'x'.repeat(20_000) }, on: NETWORK, status: 431 },
];

const ODD_SESSION_IDS = [
  'unknown',
  '0'.repeat(32),
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'a b  c',
  '../../etc/passwd',
  '%00',
  '"',
  'x'.repeat(10_000),
];

describe.each(NETWORK)('over %s', (kind) => {
  test.each(BODIES)('refuses $title', async ({ body, status, code, id }) => {
    await disturb(kind, async (peer) => {
      if (kind === 'sse' && id !== undefined) return await expectRefusal(peer, body, id, code);
      expectFault(await inTime(postTo(peer, body), 'the refusal'), status, code);
    });
  });

  test.each(HEADERS.filter(({ on }) => on.includes(kind)))('refuses $title', async ({ headers, status }) => {
    await disturb(kind, async (peer) => {
      expectFault(await inTime(postTo(peer, PING, headers), 'the refusal'), status, -32600);
    });
  });

  test.each(ODD_SESSION_IDS)('does not know the session %j', async (id) => {
    await disturb(kind, async (peer) => {
      const answer =
        kind === 'http'
          ? await postTo(peer, PING, { 'mcp-session-id': id })
          : await postTo(peer, PING, {}, withSession(peer.postUrl, id));
      expectFault(answer, 404, -32001);
    });
  });

  test('does not take a session of another transport or of another server', async () => {
    await world.survives(async () => {
      const [http, sse] = await Promise.all([world.connect('http'), world.connect('sse')]);
      const [httpId, sseId] = [http.headers['mcp-session-id'] ?? '', sessionOf(sse.postUrl)];
      const foreign =
        kind === 'http'
          ? [
              await postTo(http, PING, { 'mcp-session-id': sseId }),
              await postTo(http, PING, {}, world.url('http', 'other')),
            ]
          : [
              await postTo(sse, PING, {}, withSession(sse.postUrl, httpId)),
              await postTo(sse, PING, {}, sse.postUrl.replace('/steady/', '/other/')),
            ];
      foreign.forEach((answer) => expectFault(answer, 404, -32001));
      await Promise.all([http, sse].map((peer) => expectEcho(peer)));
      await Promise.all([http, sse].map((peer) => peer.end()));
    });
  });

  test('refuses a body over the limit that comes in chunks, before it has ended', async () => {
    await misuse(kind, async (peer) => {
      expectFault(await inTime(postChunks(peer, BODY_LIMIT + 1), 'the refusal'), 413, -32600);
    });
  });

  test('refuses a second request with an id that is in flight, and answers the first', async () => {
    await misuse(kind, async (peer) => {
      const first = call(peer, 'wait', { ms: 300 }, 'same');
      await expectEcho(peer);
      const message = {
        jsonrpc: '2.0',
        id: 'same',
        method: 'tools/call',
        params: { name: 'echo', arguments: {} },
      };
      if (kind === 'http') {
        const second = await postTo(peer, JSON.stringify(message));
        expectFault(second, 400, -32600, 'duplicate_id');
        expect(at((await inTime(first, 'the first')).message, 'result', 'content', 0, 'text')).toBe('waited');
        return;
      }
      // The error response for the second request names the id of both.
      expect((await postTo(peer, JSON.stringify(message))).status).toBe(202);
      expect(faultIn(await inTime(first, 'the refusal'))).toEqual({ code: -32600, reason: 'duplicate_id' });
      const answer = await inTime(peer.answerTo('same'), 'the first');
      expect(at(answer.message, 'result', 'content', 0, 'text')).toBe('waited');
    });
  });

  test('refuses to initialize a second time', async () => {
    await misuse(kind, async (peer) => {
      const again = JSON.stringify({ jsonrpc: '2.0', id: 'again', method: 'initialize', params: {} });
      if (kind === 'sse') await expectRefusal(peer, again, 'again', -32600, 'already_initialized');
      else expectFault(await postTo(peer, again), 400, -32600, 'already_initialized');
    });
  });

  test('passes 100,000 levels of nesting on, in both directions', async () => {
    await misuse(kind, async (peer) => {
      const nested = deepObject(LEVELS);
      const sent = await inTime(peer.request('example.com/result', { json: nested }), 'the nested answer');
      expect(depthOf(at(sent.message, 'result'))).toBe(LEVELS);
      const text = `{"jsonrpc":"2.0","method":"notifications/deep","params":${nested}}`;
      expect((await postTo(peer, text)).status).toBe(202);
      const received = await call(peer, 'received', { containing: 'notifications/deep' });
      expect(at(received.message, 'result', 'structuredContent', 'lines', 0)).toBe(text);
    });
  });

  test('refuses an initialize that is nested too deeply, and keeps nothing of it', async () => {
    await world.survives(async () => {
      const params = `{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"experimental":${deepObject(LEVELS)}}}`;
      const text = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params}}`;
      if (kind === 'http') {
        expectFault(await send(world.url(kind), { method: 'POST', headers: MCP_HEADERS }, text), 400, -32600);
        return;
      }
      const { messages, said, close } = await openEventStream();
      expect((await send(messages, { method: 'POST', headers: MCP_HEADERS }, text)).status).toBe(202);
      await expect.poll(said).toContain('"id":1,"error":{"code":-32600');
      close();
    });
  });

  test.each(['PUT', 'PATCH', 'HEAD', 'TRACE'])('refuses %s, and says what is allowed', async (method) => {
    await disturb(kind, async (peer) => {
      const answer = await send(peer.postUrl, { method, headers: { ...MCP_HEADERS, ...peer.headers } });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toContain('POST');
      if (method !== 'HEAD') expectFault(answer, 405, -32600);
    });
  });
});

test('refuses a request without a session that does not open one', async () => {
  await world.survives(async () => {
    const answer = await send(world.url('http'), { method: 'POST', headers: MCP_HEADERS }, PING);
    expectFault(answer, 400, -32600, 'session_required');
  });
});

test.each([
  ['a path that cannot be decoded', '/%zz/mcp', 400],
  ['a server that is not there', '/__proto__/mcp', 404],
  ['a server with a name of 5,000 characters', `/${'x'.repeat(5_000)}/mcp`, 404],
  ['an unknown path', '/nothing/here/at/all', 404],
])('refuses %s', async (_title, path, status) => {
  await world.survives(async () => {
    const answer = await send(world.gateway.url + path, { method: 'POST', headers: MCP_HEADERS }, PING);
    expectFault(answer, status, -32600);
  });
});

test.each([
  [
    'a request without a host',
    'POST /steady/mcp HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    [403],
  ],
  ['what is not HTTP', '\u0016\u0003\u0001\u0000\r\n\r\n', [400]],
  [
    'two lengths of one body',
    'POST /steady/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    [400],
  ],
  ['a negative length', 'POST /steady/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n', [400]],
  [
    'an expectation of something else',
    'POST /steady/mcp HTTP/1.1\r\nhost: localhost\r\nexpect: something\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    [417],
  ],
])('refuses %s with a JSON-RPC body', async (_title, text, statuses) => {
  await world.survives(async () => {
    const socket = await openSocket(world.gateway.url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(text);
    await inTime(new Promise((resolve) => socket.once('close', resolve)), 'the end of the connection');
    const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n', 2);
    expect(statuses).toContain(Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]));
    expect(head.toLowerCase()).toContain('content-type: application/json');
    expect(at(JSON.parse(body), 'error', 'code')).toBe(-32600);
  });
});

/** The session of somebody who works in it all the while. */
async function disturb(kind: Network, act: (peer: Peer) => Promise<void>): Promise<void> {
  await world.survives(() => act(world.bystander(kind)));
}

/** A session whose client misbehaves; it has to go on, too. */
async function misuse(kind: Network, act: (peer: Peer) => Promise<void>): Promise<void> {
  await world.survives(async () => {
    const peer = await world.connect(kind);
    await act(peer);
    await expectEcho(peer);
    expect(peer.strays).toEqual([]);
    await peer.end();
  });
}

/** Over HTTP+SSE: the POST is accepted, and the error response comes on the stream. */
async function expectRefusal(
  peer: Peer,
  body: string | Buffer,
  id: string | number,
  code: number,
  reason?: string,
): Promise<void> {
  const refusal = peer.answerTo(id);
  expect(await inTime(postTo(peer, body), 'the POST')).toMatchObject({ status: 202, text: '' });
  expect(faultIn(await inTime(refusal, 'the refusal'))).toEqual({
    code,
    reason: reason ?? expect.stringMatching(/^[a-z_]+$/),
  });
}

function faultIn({ message }: PeerAnswer): { code: unknown; reason: unknown } {
  return { code: at(message, 'error', 'code'), reason: at(message, 'error', 'data', 'reason') };
}

function expectFault(answer: Answer, status: number, code: number, reason?: string): void {
  expect({ status: answer.status, type: answer.headers['content-type'] }).toEqual({
    status,
    type: 'application/json',
  });
  const body = json(JSON.parse(answer.text));
  expect(body['jsonrpc']).toBe('2.0');
  expect(at(body, 'error', 'code')).toBe(code);
  expect(at(body, 'error', 'data', 'reason')).toEqual(reason ?? expect.stringMatching(/^[a-z_]+$/));
  expect(answer.text).not.toMatch(/<html|\/src\/|\/dist\/|\.js:\d+/i);
}

function postTo(
  peer: Peer,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  url = peer.postUrl,
): Promise<Answer> {
  return send(url, { method: 'POST', headers: { ...MCP_HEADERS, ...peer.headers, ...headers } }, body);
}

/** A body of unknown length that does not end. */
function postChunks(peer: Peer, bytes: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...MCP_HEADERS, ...peer.headers, 'transfer-encoding': 'chunked' };
    const outgoing = request(peer.postUrl, { method: 'POST', agent: false, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('error', reject);
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
        outgoing.destroy();
      });
    });
    outgoing.on('error', reject);
    outgoing.write(' '.repeat(bytes));
  });
}

interface EventStream {
  readonly messages: string;
  /** All of it so far. */
  readonly said: () => string;
  readonly close: () => void;
}

async function openEventStream(): Promise<EventStream> {
  const opened = await new Promise<EventStream>((resolve, reject) => {
    const outgoing = request(world.url('sse'), { agent: false }, (incoming) => {
      let text = '';
      incoming.on('error', () => {});
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.once('data', () => {
        const path = /data: (.*)/.exec(text)?.[1] ?? '';
        resolve({
          messages: new URL(path, world.gateway.url).href,
          said: () => text,
          close: () => void incoming.destroy(),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
  return opened;
}

function withSession(url: string, id: string): string {
  const changed = new URL(url);
  changed.searchParams.set('sessionId', id);
  return changed.href;
}

function sessionOf(url: string): string {
  return new URL(url).searchParams.get('sessionId') ?? '';
}

function deepArray(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels);
}

function deepObject(levels: number): string {
  return `${'{"a":'.repeat(levels)}{}${'}'.repeat(levels)}`;
}

/** Without recursion, which would not get that far. */
function depthOf(value: unknown): number {
  let depth = 0;
  for (let inner = at(value, 'a'); inner !== undefined; inner = at(inner, 'a')) depth += 1;
  return depth;
}
