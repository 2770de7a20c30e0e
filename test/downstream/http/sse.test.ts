import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpOptions } from '../../../src/downstream/listeners.ts';
import { RunError } from '../../../src/errors.ts';
import { open, post, send, type Answer } from '../../support/http.ts';
import {
  expectFault,
  initialize,
  listen,
  readStream,
  request,
  type Accepted,
  type Harness,
  type Stream,
} from './listener.ts';

interface Connection {
  readonly stream: Stream;
  readonly endpoint: string;
  readonly accepted: Accepted;
  post(message: unknown): Promise<Answer>;
}

async function connect(
  harness: Harness,
  path = '/sse',
  headers: Record<string, string> = {},
): Promise<Connection> {
  const stream = readStream(await open(harness.url + path, { headers }));
  const { event, data: endpoint } = await stream.next();
  expect(event).toBe('endpoint');
  const accepted = harness.accepted.at(-1);
  if (accepted === undefined) throw new Error('nothing was accepted');
  return {
    stream,
    endpoint,
    accepted,
    post: (message) => post(new URL(endpoint, harness.url).href, message),
  };
}

describe('the endpoint', () => {
  it('is the first event, a path with 128 random bits', async () => {
    const harness = await listen();
    const [one, two] = [await connect(harness), await connect(harness)];
    expect(one.endpoint).toMatch(/^\/messages\?sessionId=[\da-f]{32,}$/);
    expect(one.endpoint).not.toBe(two.endpoint);
  });

  it.each(['/files/sse', '/files/sse/', '/sse/', '/sse?x=1'])(
    'is beside the path that was asked for: %s',
    async (path) => {
      const harness = await listen();
      const connection = await connect(harness, path);
      expect(connection.endpoint).toMatch(
        path.startsWith('/files') ? /^\/files\/messages\?/ : /^\/messages\?/,
      );
      expect((await connection.post(initialize())).status).toBe(202);
    },
  );

  const prefixes: [
    title: string,
    options: Partial<HttpOptions>,
    forwarded: string | undefined,
    expected: string,
  ][] = [
    ['the path of the public URL', { baseUrl: 'https://example.com/tools/' }, undefined, '/tools/messages?'],
    ['no path of a public URL without one', { baseUrl: 'https://example.com' }, undefined, '/messages?'],
    [
      'the public URL before a forwarded prefix',
      { baseUrl: 'https://e.com/a', trustProxy: true },
      '/b',
      '/a/messages?',
    ],
    ['no prefix that is not trusted', {}, '/tools', '/messages?'],
    ['a trusted prefix', { trustProxy: true }, '/tools', '/tools/messages?'],
    ['a trusted prefix with a slash behind it', { trustProxy: true }, '/a/b-c.d~e/', '/a/b-c.d~e/messages?'],
    ...[
      '//evil.com',
      '/\\evil.com',
      'https://evil.com',
      'evil',
      '/',
      '/a//b',
      '/a b',
      '/a?b=',
      '/a#',
      '/a, /b',
      '/ä',
      '',
    ].map((hostile): [string, Partial<HttpOptions>, string, string] => [
      `nothing of ${JSON.stringify(hostile)}`,
      { trustProxy: true },
      Buffer.from(hostile).toString('latin1'),
      '/messages?',
    ]),
  ];

  it.each(prefixes)('has %s', async (_title, options, forwarded, expected) => {
    const harness = await listen(options);
    const { endpoint } = await connect(
      harness,
      '/sse',
      forwarded === undefined ? {} : { 'x-forwarded-prefix': forwarded },
    );
    expect(endpoint.startsWith(expected)).toBe(true);
    expect(new URL(endpoint, harness.url).origin).toBe(harness.url);
  });
});

describe('messages', () => {
  it('are taken with 202, and answered on the stream', async () => {
    const connection = await connect(await listen());
    const taken = await connection.post(request('echo', 'a', { x: 1 }));
    expect(taken).toMatchObject({ status: 202, text: '' });
    expect(await connection.stream.nextMessage()).toEqual({
      jsonrpc: '2.0',
      id: 'a',
      result: { echoed: { x: 1 } },
    });
  });

  it('are `message` events without an id', async () => {
    const connection = await connect(await listen());
    void connection.accepted.send({ method: 'notifications/message', params: { text: 'zwölf 十二 🐕' } });
    const event = await connection.stream.next();
    expect(event.event).toBe('message');
    expect(event.id).toBeUndefined();
    expect(JSON.parse(event.data)).toMatchObject({ params: { text: 'zwölf 十二 🐕' } });
  });

  it('reach the client that they are for, and no other', async () => {
    const harness = await listen();
    const [one, two] = [await connect(harness), await connect(harness)];
    await Promise.all([
      one.post(request('echo', 1, { of: 'one' })),
      two.post(request('echo', 1, { of: 'two' })),
    ]);
    expect(await one.stream.nextMessage()).toMatchObject({ result: { echoed: { of: 'one' } } });
    expect(await two.stream.nextMessage()).toMatchObject({ result: { echoed: { of: 'two' } } });
    void one.accepted.send({ method: 'only/one' });
    void two.accepted.send({ method: 'only/two' });
    expect(await two.stream.nextMessage()).toMatchObject({ method: 'only/two' });
    expect(await one.stream.nextMessage()).toMatchObject({ method: 'only/one' });
  });

  it.each([
    ['no JSON', '{', -32_700],
    ['no JSON-RPC', '{}', -32_600],
    ['a batch', '[]', -32_600],
    ['nothing', '', -32_700],
  ])('that are %s are 400, and the stream goes on', async (_title, body, code) => {
    const connection = await connect(await listen());
    expectFault(await connection.post(body), { status: 400, code });
    expect((await connection.post(request('echo'))).status).toBe(202);
    expect(await connection.stream.nextMessage()).toMatchObject({ id: 1 });
  });

  it.each([
    ['another revision of JSON-RPC', '{"jsonrpc":"1.0","id":7,"method":"ping"}', 7],
    ['params that are null', '{"jsonrpc":"2.0","id":"a","method":"ping","params":null}', 'a'],
    ['no method', '{"jsonrpc":"2.0","id":0}', 0],
  ])('that are requests with %s are 202, and their error is on the stream', async (_title, body, id) => {
    const connection = await connect(await listen());
    expect(await connection.post(body)).toMatchObject({ status: 202, text: '' });
    expect(await connection.stream.nextMessage()).toMatchObject({ id, error: { code: -32_600 } });
  });

  it('that are not accepted are 202, and their error is on the stream', async () => {
    const connection = await connect(await listen());
    connection.accepted.link.onframe(() => {
      throw new RunError('NOT_INITIALIZED', { method: 'server/discover' });
    });
    expect(await connection.post(request('server/discover', 'd'))).toMatchObject({ status: 202, text: '' });
    expect(await connection.stream.nextMessage()).toMatchObject({
      id: 'd',
      error: { code: -32_600, data: { reason: 'not_initialized' } },
    });
  });

  it('that are no requests, and not accepted, are statuses', async () => {
    const connection = await connect(await listen());
    connection.accepted.link.onframe(() => {
      throw new RunError('INVALID_REQUEST', { detail: 'no' });
    });
    for (const body of ['{"jsonrpc":"2.0","method":"a"}', '{"jsonrpc":"2.0","id":1,"result":{}}'])
      expectFault(await connection.post(body), { status: 400, code: -32_600 });
  });

  it('that come when the listener drains are refused on the stream, if they are requests', async () => {
    const harness = await listen();
    const connection = await connect(harness);
    harness.listener.drain();
    expect((await connection.post(request('echo', 5))).status).toBe(202);
    expect(await connection.stream.nextMessage()).toMatchObject({
      id: 5,
      error: { data: { reason: 'shutting_down' } },
    });
  });

  it.each([
    '',
    '?sessionId=',
    '?sessionId=unknown',
    '?sessionId=__proto__',
    '?sessionid=x',
    '?sessionId[]=x',
  ])('to %j are 404', async (query) => {
    const { url } = await listen();
    const expected = { status: 404, code: -32_001, reason: 'session_not_found' };
    expectFault(await post(`${url}/messages${query}`, request('ping')), expected);
  });

  it("to another server's session are 404", async () => {
    const harness = await listen({ servers: ['one', 'two'] });
    const { endpoint } = await connect(harness, '/one/sse');
    const answer = await post(harness.url + endpoint.replace('/one/', '/two/'), request('ping'));
    expectFault(answer, { status: 404, code: -32_001 });
  });

  it('wait for a server that does not keep up', async () => {
    const connection = await connect(await listen());
    let release = (): void => {};
    connection.accepted.link.onframe(() => new Promise<void>((resolve) => (release = resolve)));
    let done = false;
    const pending = connection.post(request('slow')).finally(() => (done = true));
    await connection.post('{').catch(() => undefined);
    expect(done).toBe(false);
    release();
    expect((await pending).status).toBe(202);
  });
});

describe('the stream', () => {
  it('is not cached and not buffered on the way', async () => {
    const { stream } = await connect(await listen());
    expect(stream.incoming.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': expect.stringContaining('no-cache'),
      'x-accel-buffering': 'no',
    });
  });

  it('ends its link and its session when the client leaves', async () => {
    const harness = await listen();
    const connection = await connect(harness);
    connection.stream.incoming.destroy();
    await connection.accepted.closed;
    expectFault(await connection.post(request('echo')), { status: 404, code: -32_001 });
  });

  it('ends when the server is gone', async () => {
    const connection = await connect(await listen());
    void connection.accepted.send({ method: 'last/words' });
    await connection.accepted.link.close();
    expect((await connection.stream.rest()).map(({ data }) => data)).toEqual([
      '{"jsonrpc":"2.0","method":"last/words"}',
    ]);
    expect((await connection.post(request('echo'))).status).toBe(404);
  });

  it('is kept alive by comments, and is never idle while it is open', async () => {
    const harness = await listen({ keepAliveMs: 20, sessionIdleMs: 40 });
    const incoming = await open(`${harness.url}/sse`);
    onTestFinished(() => void incoming.destroy());
    let text = '';
    while (text.split(': keep-alive\n\n').length < 10) text += String((await once(incoming, 'data'))[0]);
    expect(text.replaceAll(': keep-alive\n\n', '')).toMatch(/^event: endpoint\ndata: \S+\n\n$/);
    expect(harness.accepted[0]?.isClosed).toBe(false);
  });

  it('counts as a session, and its place is free once it is closed', async () => {
    const harness = await listen({ maxSessions: 1 });
    const connection = await connect(harness);
    expectFault(await send(`${harness.url}/sse`), {
      status: 503,
      code: -32_603,
      reason: 'too_many_sessions',
    });
    connection.stream.incoming.destroy();
    await connection.accepted.closed;
    await connect(harness);
  });
});
