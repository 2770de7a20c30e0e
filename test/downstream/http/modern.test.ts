/** Revision 2026-07-28 over Streamable HTTP, from the bytes on the socket. */
import { describe, expect, it } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { MCP_HEADERS, openSocket, post, postOpen, send, type Answer } from '../../support/http.ts';
import { envelope, mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { json, type Json } from '../../support/json.ts';
import {
  expectFault,
  initialize,
  listen,
  openSession,
  openStream,
  readStream,
  request,
  type Accepted,
  type Harness,
} from './listener.ts';

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const ECHO = modernRequest('echo', 7);

/** Posts a message with the headers that it needs, and with others in their place. `undefined` takes one away. */
function postModern(
  url: string,
  message: Json,
  changes: Record<string, string | undefined> = {},
): Promise<Answer> {
  const headers = { ...MCP_HEADERS, ...mirroredHeaders(message), ...changes };
  const kept = Object.entries(headers).filter(([, value]) => value !== undefined);
  return send(url, { method: 'POST', headers: Object.fromEntries(kept) }, JSON.stringify(message));
}

/** Sends a request, and returns the link that it came by with what is still to come of the answer. */
async function begin(
  harness: Harness,
  message: Json,
): Promise<{ accepted: Accepted; answer: ReturnType<typeof postOpen> }> {
  const count = harness.accepted.length;
  const answer = postOpen(harness.mcp, message, mirroredHeaders(message));
  answer.catch(() => {});
  await expect.poll(() => harness.accepted.length).toBe(count + 1);
  const accepted = harness.accepted[count];
  if (accepted === undefined) throw new Error('nothing was accepted');
  return { accepted, answer };
}

describe.each([{ stateless: false }, { stateless: true }])('with stateless: $stateless', (mode) => {
  it('begins one exchange for one request, and answers it in JSON', async () => {
    const harness = await listen(mode);
    const answer = await postModern(harness.mcp, ECHO);
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(answer.text)).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: { echoed: { _meta: envelope() } },
    });
    const [{ link, frames, isClosed, server } = expect.fail('nothing')] = harness.accepted;
    expect({ era: link.era, principal: link.principal, server, isClosed }).toEqual({
      era: 'modern',
      principal: { id: 'local', claims: {} },
      server: 'files',
      isClosed: true,
    });
    expect(frames.map(({ bytes }) => String(bytes))).toEqual([JSON.stringify(ECHO)]);
  });

  it('mints no session, and takes none', async () => {
    const harness = await listen({ ...mode, maxSessions: 0 });
    const more = { 'mcp-session-id': 'x', 'last-event-id': '1-1' };
    const answer = await postModern(harness.mcp, ECHO, more);
    expect(answer.status).toBe(200);
    expect(answer.headers['mcp-session-id']).toBeUndefined();
    expect(harness.accepted).toHaveLength(1);
  });

  it('takes the same id many times at once', async () => {
    const harness = await listen({ ...mode, silent: true });
    const calls = [1, 2, 3].map(() => postModern(harness.mcp, modernRequest('slow', 1)));
    await expect.poll(() => harness.accepted.length).toBe(3);
    for (const [n, accepted] of harness.accepted.entries()) void accepted.send({ id: 1, result: { n } });
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('has no GET, no DELETE and no HEAD', async () => {
    const { mcp } = await listen(mode);
    for (const method of ['GET', 'DELETE', 'HEAD', 'PUT']) {
      const headers = { accept: '*/*', 'mcp-protocol-version': '2026-07-28', 'last-event-id': '0-1' };
      const answer = await send(mcp, { method, headers });
      expect({ method, status: answer.status }).toEqual({ method, status: 405 });
      expect(String(answer.headers.allow)).toContain('POST');
    }
  });
});

describe('a request that is refused', () => {
  const rows: [title: string, message: Json, headers: Record<string, string | undefined>, code: number][] = [
    ['without the version header', ECHO, { 'mcp-protocol-version': undefined }, -32_020],
    ['with an older version in the header', ECHO, { 'mcp-protocol-version': '2025-11-25' }, -32_020],
    ['with an unknown version in the header', ECHO, { 'mcp-protocol-version': 'v9' }, -32_020],
    ['with an empty version in the header', ECHO, { 'mcp-protocol-version': '' }, -32_020],
    ['without Mcp-Method', ECHO, { 'mcp-method': undefined }, -32_020],
    ['with another method in the header', ECHO, { 'mcp-method': 'ping' }, -32_020],
    ['with the method in other letters', ECHO, { 'mcp-method': 'ECHO' }, -32_020],
    ['with an encoded method', ECHO, { 'mcp-method': '=?base64?ZWNobw==?=' }, -32_020],
    ['without Mcp-Name', call('add'), { 'mcp-name': undefined }, -32_020],
    ['with another name in the header', call('add'), { 'mcp-name': 'rm' }, -32_020],
    ['with the name in other letters', call('add'), { 'mcp-name': 'Add' }, -32_020],
    ['with an empty name in the header', call('add'), { 'mcp-name': '' }, -32_020],
    ['with a name where the body has none', call(undefined), { 'mcp-name': 'add' }, -32_020],
    ['with a name where the body has a number', call(1), { 'mcp-name': '1' }, -32_020],
    ['with base64 without its padding', call('Hello'), { 'mcp-name': '=?base64?SGVsbG8?=' }, -32_020],
    ['with base64 of other letters', call('Hello'), { 'mcp-name': '=?base64?SGVs!!!bG8=?=' }, -32_020],
    ['with base64 in upper case', call('Hello'), { 'mcp-name': '=?BASE64?SGVsbG8=?=' }, -32_020],
    ['with base64 of what is no UTF-8', call('Hello'), { 'mcp-name': '=?base64?/w==?=' }, -32_020],
    ['with bytes beyond ASCII in the header', call('zwölf'), { 'mcp-name': 'zwölf' }, -32_020],
    [
      'with another resource in the header',
      modernRequest('resources/read', 7, { uri: 'a:b' }),
      { 'mcp-name': 'a:c' },
      -32_020,
    ],
    [
      'with another prompt in the header',
      modernRequest('prompts/get', 7, { name: 'a' }),
      { 'mcp-name': 'b' },
      -32_020,
    ],
    [
      'with another task in the header',
      modernRequest('tasks/get', 7, { taskId: 'a' }),
      { 'mcp-name': 'b' },
      -32_020,
    ],
    ['with a malformed Mcp-Param-*', call('add'), { 'mcp-param-region': '=?base64?x?=' }, -32_020],
    [
      'that is initialize with the version header',
      request('initialize', 7, { protocolVersion: '2025-11-25' }) as Json,
      {},
      -32_020,
    ],
    ['without params', { jsonrpc: '2.0', id: 7, method: 'echo' }, {}, -32_602],
    ['without _meta', request('echo', 7) as Json, {}, -32_602],
    ['with a _meta that is no object', request('echo', 7, { _meta: [] }) as Json, {}, -32_602],
    ['with a _meta of null', request('echo', 7, { _meta: null }) as Json, {}, -32_602],
    ['without a version in _meta', withMeta({ [VERSION]: undefined }), {}, -32_602],
    ['with a number for a version', withMeta({ [VERSION]: 20260728 }), {}, -32_602],
    ['with a version of null', withMeta({ [VERSION]: null }), {}, -32_602],
    ['without capabilities in _meta', withMeta({ [CAPABILITIES]: undefined }), {}, -32_602],
    ['with capabilities that are no object', withMeta({ [CAPABILITIES]: [] }), {}, -32_602],
    ['with capabilities of null', withMeta({ [CAPABILITIES]: null }), {}, -32_602],
    ['with an unknown log level', withMeta({ 'io.modelcontextprotocol/logLevel': 'loud' }), {}, -32_602],
    [
      'with __proto__ for a _meta',
      JSON.parse('{"jsonrpc":"2.0","id":7,"method":"echo","params":{"__proto__":{"_meta":{}}}}') as Json,
      {},
      -32_602,
    ],
    [
      'of a newer revision',
      withMeta({ [VERSION]: '2099-01-01' }),
      { 'mcp-protocol-version': '2099-01-01' },
      -32_022,
    ],
    ['of no revision', withMeta({ [VERSION]: 'v999.0.0' }), { 'mcp-protocol-version': 'v999.0.0' }, -32_022],
    [
      'of a revision called __proto__',
      withMeta({ [VERSION]: '__proto__' }),
      { 'mcp-protocol-version': '__proto__' },
      -32_022,
    ],
    [
      'of an unknown revision without the header',
      withMeta({ [VERSION]: 'v9' }),
      { 'mcp-protocol-version': undefined },
      -32_020,
    ],
    ['of an unknown revision, with this one in the header', withMeta({ [VERSION]: 'v9' }), {}, -32_020],
  ];

  it.each(rows)('%s', async (_title, message, headers, code) => {
    const { mcp, accepted } = await listen();
    const answer = await postModern(mcp, message, { 'mcp-protocol-version': '2026-07-28', ...headers });
    expectFault(answer, { status: 400, code, id: 7 });
    expect(accepted).toEqual([]);
  });

  it('with anything that is nested too deeply to be written', async () => {
    const { mcp } = await listen();
    const levels = 20_000;
    const text = JSON.stringify(call('DEEP')).replace('"DEEP"', '['.repeat(levels) + ']'.repeat(levels));
    const answer = await post(mcp, text, { ...mirroredHeaders(call('add')) });
    expectFault(answer, { status: 400, code: -32_600, id: 7 });
  });

  it('says which revisions there are', async () => {
    const { mcp } = await listen();
    const answer = await postModern(mcp, withMeta({ [VERSION]: 'v9' }), { 'mcp-protocol-version': 'v9' });
    expect(json(json(JSON.parse(answer.text))['error'])['data']).toEqual({
      reason: 'unsupported_revision',
      supported: ['2026-07-28'],
      requested: 'v9',
    });
  });

  it('is 404 for initialize with the metadata of this revision', async () => {
    const { mcp, accepted } = await listen();
    expectFault(await postModern(mcp, modernRequest('initialize', 7)), { status: 404, code: -32_601, id: 7 });
    expect(accepted).toEqual([]);
  });

  it('is 400 for a batch and for an answer', async () => {
    const { mcp, accepted } = await listen();
    const headers = { 'mcp-protocol-version': '2026-07-28' };
    const expected = { status: 400, code: -32_600 };
    expectFault(await post(mcp, [ECHO], headers), expected);
    expectFault(await post(mcp, [request('echo')], headers), expected);
    expectFault(await post(mcp, [request('echo'), ECHO], { 'mcp-protocol-version': '2025-03-26' }), expected);
    expectFault(await post(mcp, [ECHO]), expected);
    expectFault(await post(mcp, { jsonrpc: '2.0', id: 1, result: {} }, headers), expected);
    expect(accepted).toEqual([]);
  });

  it.each([
    ['text/html', 406],
    ['application/json', 406],
    ['text/event-stream', 406],
    ['*/*', 200],
  ])('depends on Accept: %s', async (accept, status) => {
    const { mcp } = await listen();
    expect((await postModern(mcp, ECHO, { accept })).status).toBe(status);
  });

  it('is 415 for another content type and 413 for a large body', async () => {
    const { mcp } = await listen({ bodyLimitBytes: 1_000 });
    expectFault(await postModern(mcp, ECHO, { 'content-type': 'text/plain' }), {
      status: 415,
      code: -32_600,
    });
    const large = modernRequest('echo', 7, { text: 'x'.repeat(2_000) });
    expectFault(await postModern(mcp, large), { status: 413, code: -32_600 });
  });

  it('is 401 without the token, and 403 from elsewhere', async () => {
    const tokens = [Buffer.alloc(32)];
    const { mcp } = await listen({ tokens });
    expectFault(await postModern(mcp, ECHO), { status: 401, code: -32_600 });
    expectFault(await postModern(mcp, ECHO, { origin: 'https://evil.example' }), {
      status: 403,
      code: -32_600,
    });
  });

  it('is what the server refuses its clients with', async () => {
    const { mcp, accepted } = await listen({
      admit: () => {
        throw new RunError('CRASH_LOOP', { server: 'files', reason: 'exited', retryAfter: 12 });
      },
    });
    const answer = await postModern(mcp, ECHO);
    expectFault(answer, { status: 503, code: -32_603, id: 7, reason: 'crash_loop' });
    expect(answer.headers['retry-after']).toBe('12');
    expect(accepted).toEqual([]);
  });

  it('is what the router throws, and no place is left taken', async () => {
    const { mcp } = await listen({
      maxConnections: 1,
      begin() {
        throw new RunError('DUPLICATE_ID', { id: 7 });
      },
    });
    for (let count = 0; count < 3; count += 1)
      expectFault(await postModern(mcp, ECHO), { status: 400, code: -32_600, id: 7, reason: 'duplicate_id' });
  });
});

describe('a request that is accepted', () => {
  const rows: [title: string, message: Json, headers: Record<string, string | undefined>][] = [
    ['with a name', call('add'), {}],
    ['with a name in base64', call('add'), { 'mcp-name': '=?base64?YWRk?=' }],
    ['with spaces around the name', call('add'), { 'mcp-name': '  add\t ' }],
    ['with a name beyond ASCII', call('zwölf • 十二'), {}],
    ['with a name of spaces', call(' padded '), {}],
    ['with an empty name', call(''), { 'mcp-name': '' }],
    ['with a name that looks encoded', call('=?base64?literal?='), {}],
    ['with a name that only starts encoded', call('=?base64?SGVsbG8='), {}],
    ['with a name that only ends encoded', call('SGVsbG8=?='), {}],
    ['with a name with line breaks', call('line1\nline2'), {}],
    ['called __proto__', call('__proto__'), {}],
    ['without a name at all', call(undefined), {}],
    ['for a resource', modernRequest('resources/read', 7, { uri: 'file:///a b/ü' }), {}],
    ['for a task', modernRequest('tasks/cancel', 7, { taskId: 'a' }), {}],
    [
      'with a name that nothing mirrors',
      modernRequest('completion/complete', 7, { name: 'a' }),
      { 'mcp-name': 'b' },
    ],
    [
      'of a method called constructor',
      modernRequest('constructor', 7, { name: 'a' }),
      { 'mcp-name': undefined },
    ],
    ['with a parameter that nobody knows', call('add'), { 'mcp-param-region': 'us-west1' }],
    ['without a name of its client', withMeta({ 'io.modelcontextprotocol/clientInfo': undefined }), {}],
    ['with other metadata', withMeta({ traceparent: '00-1-2-03', 'example.com/x': [1] }), {}],
    ['with a session id of nobody', ECHO, { 'mcp-session-id': 'nobody' }],
    ['without Accept', ECHO, { accept: undefined }],
  ];

  it.each(rows)('%s', async (_title, message, headers) => {
    const harness = await listen({ silent: true });
    const answer = postModern(harness.mcp, message, headers);
    await expect.poll(() => harness.accepted.length).toBe(1);
    void harness.accepted[0]?.send({ id: 7, result: {} });
    expect((await answer).status).toBe(200);
    expect(String(harness.accepted[0]?.frames[0]?.bytes)).toBe(JSON.stringify(message));
  });

  it('may have its headers in any letters', async () => {
    const { url } = await listen();
    const socket = await openSocket(url);
    const body = JSON.stringify(ECHO);
    socket.end(
      `POST /mcp HTTP/1.1\r\nHOST: localhost\r\nCONTENT-TYPE: application/json\r\nMCP-METHOD: echo\r\n` +
        `mCP-pROTOCOL-vERSION: 2026-07-28\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    expect((await socket.toArray()).map(String).join('')).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('a notification', () => {
  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };

  it.each<[string, Json, Record<string, string | undefined>]>([
    ['with the headers of a request', cancelled, {}],
    ['without Mcp-Method', cancelled, { 'mcp-method': undefined }],
    ['with metadata', { ...cancelled, params: { requestId: 1, _meta: envelope() } }, {}],
    [
      'with metadata alone',
      { ...cancelled, params: { _meta: envelope() } },
      { 'mcp-protocol-version': undefined },
    ],
    ['of a kind that nobody knows', { jsonrpc: '2.0', method: 'notifications/example.com/up' }, {}],
  ])('%s is 202, and opens nothing', async (_title, message, headers) => {
    const { mcp, accepted } = await listen();
    expect(await postModern(mcp, message, headers)).toMatchObject({ status: 202, text: '' });
    expect(accepted).toEqual([]);
  });

  it('is refused if its headers say something else', async () => {
    const { mcp } = await listen();
    expectFault(await postModern(mcp, cancelled, { 'mcp-method': 'x' }), { status: 400, code: -32_020 });
    const old = { ...cancelled, params: { _meta: { ...envelope(), [VERSION]: 'v9' } } };
    expectFault(await postModern(mcp, old), { status: 400, code: -32_020 });
    expectFault(await postModern(mcp, old, { 'mcp-protocol-version': 'v9' }), { status: 400, code: -32_022 });
  });
});

describe('the answer', () => {
  const rows: [title: string, error: { code: number; message: string; data?: unknown }, status: number][] = [
    ['method not found', { code: -32_601, message: 'Method not found' }, 404],
    [
      'a missing capability',
      { code: -32_021, message: 'x', data: { requiredCapabilities: { sampling: {} } } },
      400,
    ],
    ['an unsupported version', { code: -32_022, message: 'x', data: { supported: [] } }, 400],
    ['a header mismatch', { code: -32_020, message: 'x' }, 400],
    ['invalid params', { code: -32_602, message: 'x', data: { reason: 'no such tool' } }, 200],
    ['an internal error', { code: -32_603, message: 'x' }, 200],
    ['a dead server', { code: -32_603, message: 'x', data: { reason: 'upstream_exited' } }, 200],
    ['no room', { code: -32_603, message: 'x', data: { reason: 'too_many_children' } }, 503],
    ['a code of its own', { code: -31_999, message: 'x', data: null }, 200],
    ['a reason of Object', { code: 1, message: 'x', data: { reason: 'constructor' } }, 200],
  ];

  it.each(rows)('tells %s by its status', async (_title, error, status) => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ id: 7, error });
    const incoming = await answer;
    expect(incoming.statusCode).toBe(status);
    expect(incoming.headers['retry-after'] === undefined).toBe(status !== 503);
    expect(json(JSON.parse(await textOf(incoming)))).toEqual({ jsonrpc: '2.0', id: 7, error });
  });

  it.each<[string, Json]>([
    ['an error beside it', { result: {}, error: null }],
    ['an error inside it', { result: { error: { code: -32_601 } } }],
    ['the word in a text', { result: { text: '"error":{"code":-32601}' } }],
  ])('is 200 for a result with %s', async (_title, outcome) => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ id: 7, ...outcome });
    expect((await answer).statusCode).toBe(200);
  });

  it('becomes a stream with the first message before it, which ends with the response', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    const progress = { method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    void accepted.send(progress, 7);
    const stream = readStream(await answer);
    expect(stream.incoming.headers).toMatchObject({
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    void accepted.send({ id: 7, error: { code: -32_601, message: 'late' } });
    await accepted.closed;
    // Nothing leaves after the response.
    void accepted.send(progress, 7);
    void accepted.send({ id: 7, result: {} });
    const events = await stream.rest();
    expect(
      events.map(({ data, id, event }) => ({ id, event, message: JSON.parse(data) as unknown })),
    ).toEqual([
      { id: undefined, event: 'message', message: { jsonrpc: '2.0', ...progress } },
      {
        id: undefined,
        event: 'message',
        message: { jsonrpc: '2.0', id: 7, error: { code: -32_601, message: 'late' } },
      },
    ]);
  });

  it('never carries a request', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ id: 's1', method: 'sampling/createMessage', params: {} }, 7);
    void accepted.send({ id: 7, result: { resultType: 'complete' } });
    expect(await textOf(await answer)).not.toContain('sampling');
  });

  it('leaves out what comes before it on a listener that answers in JSON only', async () => {
    const harness = await listen({ silent: true, jsonResponse: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ method: 'notifications/progress', params: {} }, 7);
    void accepted.send({ id: 7, result: { done: true } });
    const incoming = await answer;
    expect(incoming.headers['content-type']).toBe('application/json');
    expect(JSON.parse(await textOf(incoming))).toMatchObject({ id: 7, result: { done: true } });
  });

  it('of 5 MB waits for its reader', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    const wait = accepted.send({ id: 7, result: { text: 'x'.repeat(5_000_000) } });
    const incoming = await answer;
    expect(wait).toBeInstanceOf(Promise);
    expect((await textOf(incoming)).length).toBeGreaterThan(5_000_000);
    await wait;
  });

  it('makes the sender wait for a reader of its stream', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    const incoming = (await (accepted.send({ method: 'notifications/x' }), answer)).pause();
    let wait: void | Promise<void> = undefined;
    for (let count = 0; wait === undefined; count += 1) {
      expect(count).toBeLessThan(1_000);
      wait = accepted.send({ method: 'notifications/x', params: { text: 'x'.repeat(100_000) } });
    }
    incoming.resume();
    await wait;
  });

  it('is cancelled by closing the connection, whether anything was sent or not', async () => {
    const harness = await listen({ silent: true });
    const early = await begin(harness, ECHO);
    const late = await begin(harness, ECHO);
    void late.accepted.send({ method: 'notifications/x' });
    const incoming = await late.answer;
    expect([early.accepted.isClosed, late.accepted.isClosed]).toEqual([false, false]);
    incoming.destroy();
    await late.accepted.closed;

    const socket = await openSocket(harness.url);
    const body = JSON.stringify(ECHO);
    socket.write(
      `POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nmcp-method: echo\r\n` +
        `mcp-protocol-version: 2026-07-28\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => harness.accepted.length).toBe(3);
    socket.destroy();
    await harness.accepted[2]?.closed;
    expect(early.accepted.isClosed).toBe(false);
    // Too late for anything, and harmless.
    void harness.accepted[2]?.send({ id: 7, result: {} });
  });

  it('ends when the exchange is closed', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ method: 'notifications/x' });
    const stream = readStream(await answer);
    await accepted.link.close();
    expect(await stream.rest()).toHaveLength(1);
    expect(accepted.isClosed).toBe(true);
  });

  it('is cut off for a client that does not read', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, ECHO);
    void accepted.send({ method: 'notifications/x' });
    const incoming = await answer;
    await accepted.link.close(new RunError('CLIENT_TOO_SLOW'));
    await expect(textOf(incoming)).rejects.toThrow();
  });
});

describe('subscriptions/listen', () => {
  const LISTEN = modernRequest('subscriptions/listen', 'l1', { notifications: { toolsListChanged: true } });
  const ACKNOWLEDGED = { method: 'notifications/subscriptions/acknowledged', params: {} };

  it('is a stream from its acknowledgement on, kept alive, until its result', async () => {
    const harness = await listen({ silent: true, keepAliveMs: 50 });
    const { accepted, answer } = await begin(harness, LISTEN);
    void accepted.send(ACKNOWLEDGED, 'l1');
    const incoming = await answer;
    let text = '';
    incoming.on('data', (chunk: Buffer) => (text += String(chunk)));
    await expect.poll(() => text).toMatch(/acknowledged[^]*: keep-alive[^]*: keep-alive/);
    void accepted.send({ id: 'l1', result: { resultType: 'complete' } });
    await new Promise((resolve) => incoming.once('end', resolve));
    expect(text).toMatch(/data: \{"jsonrpc":"2.0","id":"l1","result":\{"resultType":"complete"\}\}\n\n$/);
  });

  it('ends in good order when the listener drains, and is then refused', async () => {
    const harness = await listen({ silent: true });
    const listening = await begin(harness, LISTEN);
    const calling = await begin(harness, ECHO);
    void listening.accepted.send(ACKNOWLEDGED, 'l1');
    const stream = readStream(await listening.answer);
    harness.listener.drain();
    const [, last] = await stream.rest();
    expect(JSON.parse(last?.data ?? '')).toEqual({
      jsonrpc: '2.0',
      id: 'l1',
      result: { resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': 'l1' } },
    });
    expect(listening.accepted.isClosed).toBe(true);

    for (const message of [LISTEN, ECHO]) {
      const refused = await postModern(harness.mcp, message);
      expectFault(refused, { status: 503, code: -32_603, id: message['id'], reason: 'shutting_down' });
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    }
    void calling.accepted.send({ id: 7, result: {} });
    expect((await calling.answer).statusCode).toBe(200);
  });

  it('is refused when the listener drains before it is acknowledged', async () => {
    const harness = await listen({ silent: true });
    const { accepted, answer } = await begin(harness, LISTEN);
    harness.listener.drain();
    expect((await answer).statusCode).toBe(503);
    expect(accepted.isClosed).toBe(true);
  });

  it('is refused by a listener that answers in JSON only', async () => {
    const { mcp, accepted } = await listen({ jsonResponse: true });
    const answer = await postModern(mcp, LISTEN);
    expectFault(answer, { status: 404, code: -32_601, id: 'l1', reason: 'method_not_found' });
    expect(answer.text).toContain('JSON only');
    expect(accepted).toEqual([]);
  });

  it('has a limit, which leaves other requests alone', async () => {
    const harness = await listen({ silent: true });
    for (let count = 0; count < 256; count += 1)
      postOpen(harness.mcp, LISTEN, mirroredHeaders(LISTEN)).catch(() => {});
    await expect.poll(() => harness.accepted.length).toBe(256);
    const answer = await postModern(harness.mcp, LISTEN);
    expectFault(answer, { status: 503, code: -32_603, id: 'l1', reason: 'too_many_listens' });
    const { accepted } = await begin(harness, ECHO);
    expect(accepted.isClosed).toBe(false);
  });
});

describe('clients of the older revisions on the same endpoint', () => {
  it('have their sessions beside it', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const stream = await openStream(harness.mcp, session.headers);
    expect((await postModern(harness.mcp, ECHO)).status).toBe(200);
    expect((await session.post(request('echo', 7))).status).toBe(200);
    void session.accepted.send({ method: 'notifications/x' });
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/x' });
    expect(harness.accepted.map(({ link }) => link.era)).toEqual(['legacy', 'modern']);
  });

  it('may tell their revision in _meta, too', async () => {
    const session = await openSession(await listen(), '2025-11-25');
    const _meta = { [VERSION]: '2025-11-25' };
    expect((await session.post(request('echo', 7, { _meta }))).status).toBe(200);
    expect(session.accepted.frames).toHaveLength(2);
  });

  it('are not taken for others by an initialize with metadata', async () => {
    const harness = await listen();
    const message = initialize('2025-11-25') as { params: Json };
    const params = { ...message.params, _meta: { [VERSION]: '2025-11-25', progressToken: 1 } };
    const answer = await post(harness.mcp, { ...message, params });
    expect(answer.headers['mcp-session-id']).toBeDefined();
  });
});

function call(name: unknown): Json {
  return modernRequest('tools/call', 7, { ...(name !== undefined && { name }), arguments: {} });
}

/** A request whose metadata is changed; `undefined` takes a key away. */
function withMeta(changes: Json): Json {
  return modernRequest('echo', 7, { _meta: changes });
}

async function textOf(incoming: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
