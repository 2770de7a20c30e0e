import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MCP_HEADERS, open, openSocket, post, send, type Answer } from '../../support/http.ts';
import {
  expectFault,
  initialize,
  listen,
  openSession,
  openStream,
  readStream,
  request,
  type Harness,
} from './listener.ts';

const PING = JSON.stringify(request('ping'));

describe('the body of a POST', () => {
  const rows: [
    title: string,
    headers: Record<string, string>,
    body: string | Buffer,
    status: number,
    code: number,
    id?: number,
  ][] = [
    ['of text/plain', { 'content-type': 'text/plain' }, PING, 415, -32_600],
    ['of no type', { 'content-type': '' }, PING, 415, -32_600],
    ['of a type that only starts like JSON', { 'content-type': 'application/jsonp' }, PING, 415, -32_600],
    ['that is compressed', { 'content-encoding': 'gzip' }, PING, 415, -32_600],
    ['that is empty', {}, '', 400, -32_700],
    ['that is no JSON', {}, '{"jsonrpc":', 400, -32_700],
    [
      'that is not UTF-8',
      {},
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
      400,
      -32_700,
    ],
    ['that is a scalar', {}, '42', 400, -32_600],
    ['that is no JSON-RPC', {}, '{"foo":1}', 400, -32_600],
    ['with a null id', {}, '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32_600],
    ['with params by position', {}, '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32_600, 1],
    ['with null params', {}, '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}', 400, -32_600, 1],
    ['without "jsonrpc"', {}, '{"id":1,"method":"ping"}', 400, -32_600, 1],
    ['that is an empty batch', {}, '[]', 400, -32_600],
    ['with __proto__', {}, '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"ping"}}', 400, -32_600],
  ];

  it.each(rows)('%s', async (_title, headers, body, status, code, id) => {
    const { mcp } = await listen();
    expectFault(await send(mcp, { method: 'POST', headers: { ...MCP_HEADERS, ...headers } }, body), {
      status,
      code,
      ...(id !== undefined && { id }),
    });
  });

  it('may begin with one byte order mark', async () => {
    const { mcp } = await listen();
    const post = { method: 'POST', headers: MCP_HEADERS };
    expect((await send(mcp, post, `\uFEFF${JSON.stringify(initialize())}`)).status).toBe(200);
    expect((await send(mcp, post, `\uFEFF\uFEFF${PING}`)).status).toBe(400);
    expectFault(await send(mcp, post, '\uFEFF'), { status: 400, code: -32_700 });
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8'])(
    'may be of type %s',
    async (type) => {
      const { mcp } = await listen();
      expect((await post(mcp, initialize(), { 'content-type': type })).status).toBe(200);
    },
  );

  it('may have a content-encoding of identity', async () => {
    const { mcp } = await listen();
    expect((await post(mcp, initialize(), { 'content-encoding': 'identity' })).status).toBe(200);
  });

  it('may be on several lines, and reaches the server on one', async () => {
    const session = await openSession(await listen());
    const text = JSON.stringify(request('echo', 1, { big: 'x' }), undefined, 2).replace(
      '"x"',
      '12345678901234567890',
    );
    expect((await session.post(text)).status).toBe(200);
    expect(String(session.accepted.frames.at(-1)?.bytes)).toBe(text.replaceAll('\n', ' '));
  });

  it.each(['content-length', 'chunked'])('over the limit is 413, told by %s', async (how) => {
    const harness = await listen({ bodyLimitBytes: 1_000 });
    const body = JSON.stringify(request('ping', 1, { text: 'x'.repeat(5_000) }));
    const headers = how === 'chunked' ? { 'transfer-encoding': 'chunked' } : {};
    const answer = await send(harness.mcp, { method: 'POST', headers: { ...MCP_HEADERS, ...headers } }, body);
    expectFault(answer, { status: 413, code: -32_600, reason: 'body_too_large' });
    expect((await post(harness.mcp, initialize())).status).toBe(200);
  });

  it('over the limit is 413 on /messages, too', async () => {
    const { url } = await listen({ bodyLimitBytes: 1_000 });
    const answer = await post(`${url}/messages?sessionId=x`, request('ping', 1, { text: 'x'.repeat(5_000) }));
    expectFault(answer, { status: 413, code: -32_600 });
  });

  it('at the limit is fine', async () => {
    const text = JSON.stringify(initialize());
    const { mcp } = await listen({ bodyLimitBytes: text.length });
    expect((await post(mcp, text)).status).toBe(200);
  });
});

describe('Accept', () => {
  it.each([
    'application/json, text/event-stream',
    'text/event-stream,application/json',
    'application/json;q=0.9, text/event-stream;q=0.1',
    'APPLICATION/JSON, Text/Event-Stream',
    '*/*',
    'application/*, text/*',
    'application/json, */*;q=0.1',
  ])('of a POST may be %s', async (accept) => {
    const { mcp } = await listen();
    expect((await post(mcp, initialize(), { accept })).status).toBe(200);
  });

  it('of a POST may be missing', async () => {
    const { mcp } = await listen();
    const headers = { 'content-type': 'application/json' };
    expect((await send(mcp, { method: 'POST', headers }, JSON.stringify(initialize()))).status).toBe(200);
  });

  it.each([
    'application/json',
    'text/event-stream',
    'text/html',
    'text/*',
    'application/jsonx, text/event-stream',
    '',
  ])('of a POST must not be %j', async (accept) => {
    const { mcp } = await listen();
    expectFault(await post(mcp, initialize(), { accept }), {
      status: 406,
      code: -32_600,
      reason: 'not_acceptable',
    });
  });

  it('of a GET must have text/event-stream', async () => {
    const harness = await listen();
    const { headers } = await openSession(harness);
    const answer = await send(harness.mcp, { headers: { ...headers, accept: 'application/json' } });
    expectFault(answer, { status: 406, code: -32_600 });
    expectFault(await send(`${harness.url}/sse`, { headers: { accept: 'text/html' } }), {
      status: 406,
      code: -32_600,
    });
    const stream = await openStream(harness.mcp, { ...headers, accept: '*/*' });
    stream.incoming.destroy();
  });
});

describe('methods and paths', () => {
  it.each([
    ['/mcp', 'GET, POST, DELETE', ['HEAD', 'PUT', 'PATCH', 'TRACE']],
    ['/files/mcp', 'GET, POST, DELETE', ['HEAD', 'PUT', 'PATCH', 'TRACE']],
    ['/sse', 'GET', ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE']],
    ['/messages', 'POST', ['HEAD', 'GET', 'PUT', 'PATCH', 'DELETE', 'TRACE']],
    ['/healthz', 'GET', ['POST', 'DELETE', 'PUT']],
    ['/readyz', 'GET', ['POST']],
  ])('%s allows %s and answers 405 to others', async (path, allow, methods) => {
    const { url, accepted } = await listen();
    for (const method of methods) {
      const answer = await send(url + path, { method, headers: { accept: '*/*' } });
      expect({ method, status: answer.status, allow: allowOf(answer) }).toEqual({
        method,
        status: 405,
        allow: allow.split(', ').toSorted(),
      });
      if (method !== 'HEAD')
        expectFault(answer, { status: 405, code: -32_600, reason: 'method_not_allowed' });
    }
    expect(accepted).toEqual([]);
  });

  it.each(['/mcp', '/files/sse', '/nowhere'])(
    '%s answers 405 to an extension method such as PROPFIND',
    async (path) => {
      const { url } = await listen();
      const answer = await send(url + path, { method: 'PROPFIND' });
      expectFault(answer, { status: 405, code: -32_600, reason: 'method_not_allowed' });
      expect(allowOf(answer)).toEqual(['DELETE', 'GET', 'POST']);
      const foreign = await send(url + path, { method: 'PROPFIND', headers: { host: 'evil.example' } });
      expect(foreign.status).toBe(403);
    },
  );

  it.each(['{', '', '\ufeff', '{"__proto__":1}', '1'.repeat(2_000_000)])(
    'answers an unknown path without reading the body (%#)',
    async (body) => {
      const { url } = await listen();
      const headers = { ...MCP_HEADERS, 'content-type': 'application/json' };
      const answer = await send(`${url}/nowhere?x=secret`, { method: 'POST', headers }, body);
      expectFault(answer, { status: 404, code: -32_600, reason: 'not_found' });
      expect(answer.text).not.toContain('secret');
      expect((await send(`${url}/other/mcp?x=secret`, { method: 'POST' })).text).not.toContain('secret');
    },
  );

  it.each(['text/plain', 'foo', 'application/xml; charset=utf-8'])(
    'takes a DELETE without a body, though it is said to be %s',
    async (type) => {
      const harness = await listen();
      const { headers } = await openSession(harness);
      const answer = await send(harness.mcp, {
        method: 'DELETE',
        headers: { ...headers, 'content-type': type },
      });
      expect(answer.status).toBe(204);
    },
  );

  it('answers HEAD without a body', async () => {
    const { url } = await listen();
    for (const path of ['/mcp', '/sse', '/messages']) {
      expect(await send(url + path, { method: 'HEAD' })).toMatchObject({ status: 405, text: '' });
    }
  });

  it.each([
    '/',
    '/nowhere',
    '/mcp/more',
    '/mcpx',
    '/other/mcp',
    '/other/sse',
    '/__proto__/mcp',
    '/constructor/sse',
    '/files/',
    '/files/mcp/x',
    '/files/../../etc/passwd',
    '/%2e%2e/mcp',
    '//mcp',
    '/<script>alert(1)</script>',
    `/${'x'.repeat(600)}/mcp`,
  ])('%s is 404', async (path) => {
    const { url } = await listen();
    for (const method of ['GET', 'POST']) {
      expectFault(await rawRequest(url, method, path), { status: 404, code: -32_600, reason: 'not_found' });
    }
  });

  it.each(['/%zz/mcp', '/%/mcp', '/%c3%28/mcp', '/%zz'])(
    '%s, which cannot be decoded, is 400',
    async (path) => {
      const { url } = await listen();
      expectFault(await rawRequest(url, 'GET', path), { status: 400, code: -32_600 });
    },
  );

  it('has every server under its name, and none without it where there are several', async () => {
    const harness = await listen({ servers: ['one', 'zwölf • 12'] });
    for (const path of ['/mcp', '/sse', '/messages']) {
      expectFault(await send(harness.url + path, { method: 'POST' }), { status: 404, code: -32_600 });
    }
    for (const name of ['one', 'zwölf • 12']) {
      expect((await post(`${harness.url}/${encodeURIComponent(name)}/mcp`, initialize())).status).toBe(200);
      expect(harness.accepted.at(-1)?.server).toBe(name);
    }
  });

  it('takes a path with a slash or a query behind it', async () => {
    const { url } = await listen();
    for (const path of ['/mcp/', '/mcp?x=1', '/files/mcp/?x']) {
      expect((await post(url + path, initialize())).status).toBe(200);
    }
  });

  it('takes a path however it is encoded, and behind the scheme and host that a proxy sends', async () => {
    const { url } = await listen();
    for (const path of [
      '/%6dcp',
      '/files/mc%70',
      '/f%69les/mcp',
      'http://localhost/mcp',
      'HTTP://LOCALHOST:80/mcp/',
    ]) {
      expectFault(await rawRequest(url, 'POST', path), { status: 400, code: -32_700 });
    }
    for (const path of ['/files%2Fmcp', '/mcp#x', '/mcp;x', '/./mcp', '/MCP']) {
      expectFault(await rawRequest(url, 'POST', path), { status: 404, code: -32_600 });
    }
  });

  it('serves only the transports that are on', async () => {
    const http = await listen({ sse: false });
    expect((await send(`${http.url}/sse`)).status).toBe(404);
    const sse = await listen({ http: false });
    expect((await post(sse.mcp, initialize())).status).toBe(404);
  });

  it('takes other paths', async () => {
    const { url } = await listen({ httpPath: '/a/b', ssePath: '/events', messagesPath: '/in' });
    expect((await post(`${url}/a/b`, initialize())).status).toBe(200);
    expect((await send(`${url}/mcp`)).status).toBe(404);
    const stream = readStream(await open(`${url}/files/events`));
    expect((await stream.next()).data).toMatch(/^\/files\/in\?sessionId=/);
  });
});

describe('what never becomes a request', () => {
  it('is 431 for headers over 16 KiB', async () => {
    const { url } = await listen();
    const socket = await openSocket(url);
    socket.write(`GET /mcp HTTP/1.1\r\nhost: localhost\r\nx-big: ${'x'.repeat(20_000)}\r\n\r\n`);
    expectFault(parseAnswer(await readToEnd(socket)), { status: 431, code: -32_600 });
  });

  it.each([
    'nonsense\r\n\r\n',
    'GET /mcp HTTP/9.9\r\n\r\n',
    'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n',
  ])('is 400 for %j', async (text) => {
    const { url } = await listen();
    const socket = await openSocket(url);
    socket.write(text);
    expectFault(parseAnswer(await readToEnd(socket)), { status: 400, code: -32_600 });
  });

  it('leaves the listener and its sessions alone', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const socket = await openSocket(harness.url);
    socket.write(
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"jso',
    );
    socket.destroy();
    expect((await session.post(request('echo'))).status).toBe(200);
  });
});

describe('session ids', () => {
  it('are visible ASCII of at least 128 bits, on the answer to initialize alone', async () => {
    const harness = await listen();
    const answer = await post(harness.mcp, initialize());
    const id = String(answer.headers['mcp-session-id']);
    expect(id).toMatch(/^[\da-f]{32,}$/);
    const second = await post(harness.mcp, request('echo'), { 'mcp-session-id': id });
    expect(second.headers['mcp-session-id']).toBeUndefined();
    expect((await post(harness.mcp, initialize())).headers['mcp-session-id']).not.toBe(id);
  });

  it('are needed for anything but initialize', async () => {
    const harness = await listen();
    const expected = { status: 400, code: -32_600, reason: 'session_required' };
    expectFault(await post(harness.mcp, request('ping', 'p')), { ...expected, id: 'p' });
    expectFault(await post(harness.mcp, { jsonrpc: '2.0', method: 'notifications/initialized' }), expected);
    expectFault(await send(harness.mcp, { headers: { accept: 'text/event-stream' } }), expected);
    expectFault(await send(harness.mcp, { method: 'DELETE' }), expected);
    expectFault(await post(harness.mcp, request('ping', 'p'), { 'mcp-session-id': '' }), {
      ...expected,
      id: 'p',
    });
    expect(harness.accepted).toEqual([]);
  });

  it.each(['unknown', '__proto__', 'constructor', 'toString', '0', 'x'.repeat(5_000)])(
    '%s is 404',
    async (id) => {
      const harness = await listen();
      const headers = { 'mcp-session-id': id };
      const expected = { status: 404, code: -32_001, reason: 'session_not_found' };
      expectFault(await post(harness.mcp, request('ping', 7), headers), { ...expected, id: 7 });
      expectFault(await post(harness.mcp, initialize('2025-06-18', 8), headers), { ...expected, id: 8 });
      expectFault(
        await send(harness.mcp, { headers: { ...headers, accept: 'text/event-stream' } }),
        expected,
      );
      expectFault(await send(harness.mcp, { method: 'DELETE', headers }), expected);
    },
  );

  it("of another server or of the other transport are 404 as if they weren't there", async () => {
    const harness = await listen({ servers: ['one', 'two'] });
    const { headers } = await openSession(harness, '2025-06-18', `${harness.url}/one/mcp`);
    const expected = { status: 404, code: -32_001, id: 1 };
    expectFault(await post(`${harness.url}/two/mcp`, request('echo'), headers), expected);
    const answer = await post(
      `${harness.url}/one/messages?sessionId=${headers['mcp-session-id']}`,
      request('echo'),
    );
    expectFault(answer, { status: 404, code: -32_001 });
    expect((await post(`${harness.url}/one/mcp`, request('echo'), headers)).status).toBe(200);
  });
});

describe('MCP-Protocol-Version', () => {
  it.each(['1.0', '2024-01-01', '', '2025-06-18 ', '__proto__'])(
    '%j is 400 for every method',
    async (version) => {
      const harness = await listen();
      const { headers } = await openSession(harness);
      const bad = { ...headers, 'mcp-protocol-version': version };
      // Node trims header values, so that a space at the end is none.
      const status = version.trim() === '2025-06-18' ? 200 : 400;
      expect((await post(harness.mcp, request('echo', 3), bad)).status).toBe(status);
      if (status === 200) return;
      const expected = { status: 400, code: -32_600, reason: 'unsupported_protocol_version' };
      expectFault(await post(harness.mcp, request('echo', 3), bad), { ...expected, id: 3 });
      expectFault(await send(harness.mcp, { headers: { ...bad, accept: 'text/event-stream' } }), expected);
      expectFault(await send(harness.mcp, { method: 'DELETE', headers: bad }), expected);
    },
  );

  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('%s is fine', async (version) => {
    const session = await openSession(await listen(), version);
    expect((await session.post(request('echo'))).status).toBe(200);
  });

  it('may be missing', async () => {
    const harness = await listen();
    const { headers } = await openSession(harness);
    const answer = await post(harness.mcp, request('echo'), {
      'mcp-session-id': headers['mcp-session-id'] ?? '',
    });
    expect(answer.status).toBe(200);
  });
});

describe('what is accepted', () => {
  it('is 202 without a body for a notification and for an answer', async () => {
    const session = await openSession(await listen());
    for (const message of [
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 's1', result: {} },
      { jsonrpc: '2.0', id: 's2', error: { code: -1, message: 'no' } },
    ]) {
      expect(await session.post(message)).toMatchObject({ status: 202, text: '' });
    }
    expect(session.accepted.frames.slice(1).map(({ kind }) => kind)).toEqual([
      'notification',
      'response',
      'response',
    ]);
  });

  it('is 200 for an error of the server, -32601 among them', async () => {
    const session = await openSession(await listen());
    const answer = session.post(request('nope', 4));
    await session.accepted.waitFor(({ method }) => method === 'nope');
    void session.accepted.send({ id: 4, error: { code: -32_601, message: 'Method not found' } });
    expect(await answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
  });

  it('answers probes', async () => {
    const fine = await listen();
    expect(await send(`${fine.url}/healthz`)).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    expect(await send(`${fine.url}/readyz`)).toMatchObject({ status: 200 });
    const broken = await listen({
      readiness: () => ({ codes: ['backoff'], servers: { files: 'backoff' }, problems: { files: 'broken' } }),
    });
    expect(await send(`${broken.url}/healthz`)).toMatchObject({ status: 200 });
    const answer = await send(`${broken.url}/readyz`);
    expect(answer.status).toBe(503);
    expect(answer.text).toBe('{"status":"not ready","reasons":["backoff"]}');
  });
});

describe('draining', () => {
  it('refuses new sessions with 503 and Retry-After, and lets running ones finish', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    harness.listener.drain();
    const refused = await post(harness.mcp, initialize('2025-06-18', 5));
    expectFault(refused, { status: 503, code: -32_603, id: 5, reason: 'shutting_down' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expectFault(await send(`${harness.url}/sse`), { status: 503, code: -32_603 });
    expect((await session.post({ jsonrpc: '2.0', id: 's1', result: {} })).status).toBe(202);
    expect((await send(`${harness.url}/healthz`)).status).toBe(200);
  });

  it('answers calls that are running', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const answer = session.post(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    harness.listener.drain();
    void session.accepted.send({ id: 1, result: { late: true } });
    expect(await answer).toMatchObject({ status: 200, text: expect.stringContaining('late') });
  });
});

describe('starting', () => {
  it('says when the port is in use', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void blocker.close());
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await expect(listen({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE', exitCode: 4 });
  });

  it('says when the address cannot be used', async () => {
    await expect(listen({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'LISTEN_FAILED', exitCode: 4 });
  });

  it('writes its address as a client would', async () => {
    expect((await listen({ host: '0.0.0.0' })).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await listen({ host: 'localhost' })).url).toMatch(/^http:\/\/localhost:\d+$/);
  });

  it('listens at all addresses of localhost that this machine has', async () => {
    const { url, listener } = await listen({ host: 'localhost' });
    const ours = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const found = await lookup('localhost', { all: true });
    const addresses = found.filter(({ address }) => ours.some((one) => one.address === address));
    expect(addresses).not.toEqual([]);
    const urls = addresses.map(({ address, family }) =>
      url.replace('localhost', family === 6 ? `[${address}]` : address),
    );
    for (const one of urls) expect((await send(`${one}/healthz`)).status).toBe(200);
    await listener.close();
    for (const one of urls) await expect(open(one)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('frees its port when it is closed, with streams open', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const stream = await openStream(harness.mcp, session.headers);
    await harness.listener.close();
    expect(session.accepted.isClosed).toBe(true);
    await stream.rest().catch(() => []);
    await expect(open(harness.mcp)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

it('tells a failure of its own without its details, and logs it', async () => {
  const harness: Harness = await listen({
    accept: () => {
      throw new TypeError('Cannot read properties of undefined');
    },
  });
  const answer = await post(harness.mcp, initialize());
  expectFault(answer, { status: 500, code: -32_603, reason: 'internal' });
  expect(harness.log.of('http.internal-error')).toHaveLength(1);
});

it('does not leave a stream open whose link is refused', async () => {
  const { url } = await listen({
    accept: () => {
      throw new TypeError('boom');
    },
  });
  const stream = await open(`${url}/sse`);
  await new Promise((resolve) => stream.once('close', resolve).resume());
});

function allowOf({ headers }: Answer): string[] {
  return String(headers.allow).split(', ').toSorted();
}

/** Sends the path as it stands; `http.request` would refuse or change some. */
async function rawRequest(url: string, method: string, path: string): Promise<Answer> {
  const socket = await openSocket(url);
  socket.write(
    `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
  );
  return parseAnswer(await readToEnd(socket));
}

async function readToEnd(socket: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parseAnswer(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [first = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => line.toLowerCase().split(': ', 2) as [string, string]),
  );
  return { status: Number(first.split(' ')[1]), headers, text: body };
}
