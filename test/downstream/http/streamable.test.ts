import { once } from 'node:events';
import { fastify } from 'fastify';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StreamableSession } from '../../../src/downstream/http/streamable/session.ts';
import { frameOf, peekFrame } from '../../../src/protocol/frame.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { MCP_HEADERS, openSocket, post, postOpen, send } from '../../support/http.ts';
import { principalOf } from '../../support/principal.ts';
import { expectFault, initialize, listen, openSession, openStream, readStream, request } from './listener.ts';

const NOTE = { method: 'notifications/message', params: { level: 'info', data: 'x' } };
const progress = (value: number): { method: string; params: Record<string, unknown> } => ({
  method: 'notifications/progress',
  params: { progressToken: 't', progress: value },
});

describe('the answer to a POST', () => {
  it('is JSON with a length if the result comes first', async () => {
    const session = await openSession(await listen());
    const answer = await session.post(request('echo', 'a', { big: 1 }));
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(answer.text)),
    });
    expect(JSON.parse(answer.text)).toEqual({ jsonrpc: '2.0', id: 'a', result: { echoed: { big: 1 } } });
  });

  it.each([100, 5_000, 9_000, 300_000])('carries a result of %i characters unchanged', async (size) => {
    const session = await openSession(await listen());
    const text = '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890,"t":"zwölf 十二 🐕\u2028'.concat(
      'ä'.repeat(size),
      '"}}',
    );
    const answer = session.post(request('big'));
    await session.accepted.waitFor(({ method }) => method === 'big');
    void session.accepted.send(peekFrame(Buffer.from(text)));
    expect((await answer).text).toBe(text);
  });

  it('is a stream if anything else comes first: in order, and over with the result', async () => {
    const session = await openSession(await listen());
    const answer = session.postOpen(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    for (let value = 0; value < 1_000; value += 1) void session.accepted.send(progress(value), 1);
    void session.accepted.send({ id: 's', method: 'sampling/createMessage', params: {} }, 1);
    void session.accepted.send({ id: 1, result: {} });
    const { incoming, rest } = readStream(await answer);
    expect(incoming.headers).toMatchObject({
      'cache-control': expect.stringContaining('no-cache'),
      'x-accel-buffering': 'no',
    });
    const events = await rest();
    expect(events.every(({ event }) => event === 'message')).toBe(true);
    const messages = events.map(
      ({ data }) => JSON.parse(data) as { id?: unknown; params?: { progress?: number } },
    );
    expect(messages.slice(0, 1_000).map(({ params }) => params?.progress)).toEqual([...Array(1_000).keys()]);
    expect(messages.slice(1_000).map(({ id }) => id)).toEqual(['s', 1]);
  });

  it('has only what belongs to it', async () => {
    const session = await openSession(await listen());
    const [one, two] = [session.postOpen(request('slow', 1)), session.postOpen(request('slow', 2))];
    await Promise.all([1, 2].map((id) => session.accepted.waitFor((frame) => frame.id === id)));
    void session.accepted.send(progress(1), 1);
    void session.accepted.send(progress(2), 2);
    void session.accepted.send({ method: 'notifications/tools/list_changed' });
    void session.accepted.send({ id: 2, result: {} });
    void session.accepted.send({ id: 1, result: {} });
    for (const [id, answer] of [one, two].entries()) {
      const events = await readStream(await answer).rest();
      expect(events.map(({ data }) => JSON.parse(data) as object)).toMatchObject([
        { params: { progress: id + 1 } },
        { id: id + 1, result: {} },
      ]);
    }
  });

  it('is a stream that just ends if its call was cancelled', async () => {
    const session = await openSession(await listen());
    const answer = session.postOpen(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    session.accepted.link.abandonResponse(1);
    expect(await readStream(await answer).rest()).toEqual([]);
  });

  it('comes once, whatever the server says twice or out of nowhere', async () => {
    const session = await openSession(await listen());
    const answer = session.post(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    void session.accepted.send({ id: 99, result: {} });
    void session.accepted.send({ id: 1, result: { n: 1 } });
    void session.accepted.send({ id: 1, result: { n: 2 } });
    expect(JSON.parse((await answer).text)).toMatchObject({ result: { n: 1 } });
  });

  it('is 400 for an id in use, and the first call is not harmed', async () => {
    const session = await openSession(await listen());
    const first = session.post(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    expectFault(await session.post(request('echo')), {
      status: 400,
      code: -32_600,
      id: 1,
      reason: 'duplicate_id',
    });
    void session.accepted.send({ id: 1, result: { first: true } });
    expect((await first).text).toContain('first');
  });

  it('that nobody waits for any more is lost, and the session goes on', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const cut = await cutPost(harness.mcp, request('slow'), session.headers);
    await session.accepted.waitFor(({ method }) => method === 'slow');
    cut();
    // Leaving is no cancellation (2025-11-25, basic/transports): nothing reaches the server.
    expect((await session.post(request('echo', 2))).status).toBe(200);
    expect(session.accepted.frames.map(({ method }) => method)).toEqual(['initialize', 'slow', 'echo']);
    void session.accepted.send({ id: 1, result: {} });
    expect((await session.post(request('echo', 1))).status).toBe(200);
  });

  it('starts as a stream after ten silent seconds, with comments from then on', async () => {
    const clock = createFakeClock();
    const session = new StreamableSession({
      id: 'x',
      server: 'files',
      principal: principalOf('local'),
      resumeLimitBytes: 1_000,
      jsonResponse: false,
      keepAliveMs: 5_000,
      onEnd: () => {},
      clock,
    });
    const app = fastify();
    app.get('/', (_request, reply) => {
      void session.receive([frameOf({ id: 1, method: 'slow' })], false, reply);
      const now = clock.now();
      session.tick(now + 9_000);
      expect(reply.raw.headersSent).toBe(false);
      session.tick(now + 10_500);
      expect(reply.raw.headersSent).toBe(true);
      session.tick(now + 16_000);
      void session.send(frameOf({ id: 1, result: {} }));
    });
    onTestFinished(() => app.close());
    const answer = await send(await app.listen({ host: '127.0.0.1', port: 0 }));
    expect(answer.headers['content-type']).toBe('text/event-stream');
    expect(answer.text).toMatch(/^: keep-alive\n\n(?:id: .*\n)?event: message\ndata: .*"result"/);
  });
});

describe('initialize', () => {
  it('that fails is answered with its error, names no session and leaves none', async () => {
    const harness = await listen({ silent: true });
    const pending = post(harness.mcp, initialize('2025-06-18', 1));
    const accepted = await vi.waitUntil(() => harness.accepted[0], { interval: 5 });
    await accepted.waitFor(({ method }) => method === 'initialize');
    void accepted.send({ id: 1, error: { code: -32_602, message: 'Unsupported protocol version' } });
    const answer = await pending;
    expect(answer.status).toBe(200);
    expect(answer.headers['mcp-session-id']).toBeUndefined();
    expect(JSON.parse(answer.text)).toMatchObject({ id: 1, error: { code: -32_602 } });
    await accepted.closed;
  });

  it('names its session also where its answer has become a stream', async () => {
    const harness = await listen({ silent: true });
    const pending = postOpen(harness.mcp, initialize('2025-06-18', 1));
    const accepted = await vi.waitUntil(() => harness.accepted[0], { interval: 5 });
    await accepted.waitFor(({ method }) => method === 'initialize');
    void accepted.send(NOTE, 1);
    void accepted.send({ id: 1, result: { protocolVersion: '2025-06-18' } });
    const { incoming, rest } = readStream(await pending);
    expect(incoming.headers['mcp-session-id']).toMatch(/^[\da-f]{32}$/);
    expect(await rest()).toHaveLength(2);
  });

  it('whose client has gone before the answer takes its link with it', async () => {
    const harness = await listen({ silent: true });
    const cut = await cutPost(harness.mcp, initialize());
    const accepted = await vi.waitUntil(() => harness.accepted[0], { interval: 5 });
    cut();
    await accepted.closed;
  });
});

describe('the GET stream', () => {
  it('gets what belongs to no call, also what was said before it was opened', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    void session.accepted.send({ ...NOTE, params: { n: 1 } });
    void session.accepted.send({ ...NOTE, params: { n: 2 } });
    const stream = await openStream(harness.mcp, session.headers);
    void session.accepted.send({ ...NOTE, params: { n: 3 } });
    for (const n of [1, 2, 3]) expect(await stream.nextMessage()).toMatchObject({ params: { n } });
  });

  it('is replaced by a second one, without a loss or a repetition', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const first = await openStream(harness.mcp, session.headers);
    void session.accepted.send({ ...NOTE, params: { n: 1 } });
    expect(await first.nextMessage()).toMatchObject({ params: { n: 1 } });
    const second = await openStream(harness.mcp, session.headers);
    expect(await first.rest()).toEqual([]);
    void session.accepted.send({ ...NOTE, params: { n: 2 } });
    expect(await second.nextMessage()).toMatchObject({ params: { n: 2 } });
  });

  it('gets what was said while there was none', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const first = await openStream(harness.mcp, session.headers);
    void session.accepted.send({ ...NOTE, params: { n: 1 } });
    const { id } = await first.next();
    first.incoming.destroy();
    void session.accepted.send({ ...NOTE, params: { n: 2 } });
    const second = await openStream(harness.mcp, session.headers, id);
    expect(await second.nextMessage()).toMatchObject({ params: { n: 2 } });
  });

  it('belongs to its session alone', async () => {
    const harness = await listen();
    const [one, two] = [await openSession(harness), await openSession(harness)];
    const [first, second] = [
      await openStream(harness.mcp, one.headers),
      await openStream(harness.mcp, two.headers),
    ];
    void one.accepted.send({ ...NOTE, params: { of: 'one' } });
    void two.accepted.send({ ...NOTE, params: { of: 'two' } });
    expect(await first.nextMessage()).toMatchObject({ params: { of: 'one' } });
    expect(await second.nextMessage()).toMatchObject({ params: { of: 'two' } });
  });

  it('gets a comment when nothing is said for a while', async () => {
    const harness = await listen({ keepAliveMs: 20 });
    const session = await openSession(harness);
    const { incoming } = await openStream(harness.mcp, session.headers);
    const [chunk] = (await once(incoming, 'data')) as [Buffer];
    expect(chunk.toString()).toBe(': keep-alive\n\n');
  });
});

describe('the end of a session', () => {
  it('comes with DELETE: the link, its streams and its running calls', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const stream = await openStream(harness.mcp, session.headers);
    const answer = await send(harness.mcp, { method: 'DELETE', headers: session.headers });
    expect(answer).toMatchObject({ status: 204, text: '' });
    await session.accepted.closed;
    expect(await stream.rest()).toEqual([]);
    expectFault(await session.post(request('echo', 1)), { status: 404, code: -32_001, id: 1 });
    expect((await send(harness.mcp, { method: 'DELETE', headers: session.headers })).status).toBe(404);
  });

  it('comes when the server is gone', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const stream = await openStream(harness.mcp, session.headers);
    await session.accepted.link.close();
    expect(await stream.rest()).toEqual([]);
    expect((await session.post(request('echo'))).status).toBe(404);
  });

  it('comes after idle time, in spite of an open GET stream', async () => {
    const harness = await listen({ keepAliveMs: 10, sessionIdleMs: 50 });
    const session = await openSession(harness);
    const stream = await openStream(harness.mcp, session.headers);
    await session.accepted.closed;
    await stream.rest();
    expect((await session.post(request('echo'))).status).toBe(404);
  });

  it('does not come while a call is running', async () => {
    const harness = await listen({ keepAliveMs: 10, sessionIdleMs: 50, silent: true });
    // It opens the session as well: between two calls the session could end on a busy machine.
    const answer = post(harness.mcp, initialize('2025-06-18', 1));
    await vi.waitUntil(() => harness.accepted.length > 0);
    const [accepted] = harness.accepted;
    const startedAt = Date.now();
    await vi.waitUntil(() => Date.now() - startedAt > 200, { interval: 20 });
    expect(accepted?.isClosed).toBe(false);
    void accepted?.send({ id: 1, result: { protocolVersion: '2025-06-18' } });
    expect((await answer).status).toBe(200);
    await accepted?.closed;
  });
});

describe('at the limit of sessions', () => {
  it('the one that is idle longest makes room', async () => {
    const harness = await listen({ maxSessions: 2 });
    const one = await openSession(harness);
    const two = await openSession(harness);
    const now = Date.now();
    await vi.waitUntil(() => Date.now() > now, { interval: 1 });
    expect((await one.post(request('echo'))).status).toBe(200);
    await openSession(harness);
    expect(two.accepted.isClosed).toBe(true);
    expect((await one.post(request('echo'))).status).toBe(200);
    expect((await two.post(request('echo'))).status).toBe(404);
  });

  it('one with a running call or an open stream does not, and the newcomer gets 503', async () => {
    const harness = await listen({ maxSessions: 2 });
    const [busy, open_] = [await openSession(harness), await openSession(harness)];
    const answer = busy.post(request('slow'));
    await busy.accepted.waitFor(({ method }) => method === 'slow');
    await openStream(harness.mcp, open_.headers);
    for (const refused of [
      await post(harness.mcp, initialize('2025-06-18', 'n')),
      await send(`${harness.url}/sse`),
    ]) {
      expect(refused.headers['retry-after']).toMatch(/^\d+$/);
      expect(refused.status).toBe(503);
    }
    expectFault(await post(harness.mcp, initialize('2025-06-18', 'n')), {
      status: 503,
      code: -32_603,
      id: 'n',
      reason: 'too_many_sessions',
    });
    void busy.accepted.send({ id: 1, result: {} });
    expect((await answer).status).toBe(200);
  });
});

const OLD = '2025-03-26';

describe('a batch', () => {
  it('is answered as one JSON array', async () => {
    const session = await openSession(await listen(), OLD);
    const batch = [
      request('echo', 1, { a: 1 }),
      { jsonrpc: '2.0', method: 'notifications/x' },
      request('echo', 'two'),
    ];
    const answer = await session.post(batch);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.text)).toEqual([
      { jsonrpc: '2.0', id: 1, result: { echoed: { a: 1 } } },
      { jsonrpc: '2.0', id: 'two', result: { echoed: {} } },
    ]);
    expect(session.accepted.frames.slice(1).map(({ method }) => method)).toEqual([
      'echo',
      'notifications/x',
      'echo',
    ]);
  });

  it('of one is answered as an array, too', async () => {
    const session = await openSession(await listen(), OLD);
    expect(JSON.parse((await session.post([request('echo')])).text)).toHaveLength(1);
  });

  it('is answered as one stream if anything but answers comes first', async () => {
    const session = await openSession(await listen(), OLD);
    const answer = session.postOpen([request('echo', 1), request('slow', 2), request('slow', 3)]);
    await session.accepted.waitFor(({ id }) => id === 3);
    void session.accepted.send(progress(1), 2);
    void session.accepted.send({ id: 3, result: {} });
    void session.accepted.send({ id: 2, result: {} });
    const events = await readStream(await answer).rest();
    expect(events.map(({ data }) => (JSON.parse(data) as { id?: unknown }).id)).toEqual([1, undefined, 3, 2]);
  });

  it('without requests is 202', async () => {
    const session = await openSession(await listen(), OLD);
    const batch = [
      { jsonrpc: '2.0', method: 'notifications/x' },
      { jsonrpc: '2.0', id: 's', result: {} },
    ];
    expect(await session.post(batch)).toMatchObject({ status: 202, text: '' });
  });

  it('leaves out what was cancelled', async () => {
    const session = await openSession(await listen(), OLD);
    const answer = session.post([request('slow', 1), request('echo', 2)]);
    await session.accepted.waitFor(({ id }) => id === 1);
    session.accepted.link.abandonResponse(1);
    expect(JSON.parse((await answer).text)).toMatchObject([{ id: 2 }]);
  });

  it('with the same id twice is 400', async () => {
    const session = await openSession(await listen(), OLD);
    expectFault(await session.post([request('echo', 1), request('echo', 1)]), { status: 400, code: -32_600 });
    expect((await session.post(request('echo', 1))).status).toBe(200);
  });

  it('of more than 100 messages is 400', async () => {
    const session = await openSession(await listen(), OLD);
    const batch = (count: number): object[] =>
      Array.from({ length: count }, (_none, id) => request('echo', id));
    expect((await session.post(batch(100))).status).toBe(200);
    expectFault(await session.post(batch(101)), { status: 400, code: -32_600 });
  });

  it('with initialize is 400, with and without a session', async () => {
    const harness = await listen();
    const session = await openSession(harness, OLD);
    expectFault(await session.post([initialize(OLD, 1)]), { status: 400, code: -32_600 });
    expectFault(await post(harness.mcp, [initialize(OLD, 1)]), { status: 400, code: -32_600 });
  });

  it.each(['2024-11-05', '2025-06-18', '2025-11-25'])('is 400 in revision %s', async (revision) => {
    const session = await openSession(await listen(), revision);
    expectFault(await session.post([request('echo')]), { status: 400, code: -32_600 });
  });

  it('keeps big numbers as they are', async () => {
    const session = await openSession(await listen(), OLD);
    await session.post('[{"jsonrpc":"2.0","id":1,"method":"echo","params":{"n":12345678901234567890}}]');
    expect(String(session.accepted.frames.at(-1)?.bytes)).toContain('12345678901234567890');
  });
});

describe('a server whose answer to initialize is broken in its middle', () => {
  it('does no harm to the listener', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    expect(() =>
      session.accepted.send(peekFrame(Buffer.from('{"result":{broken},"jsonrpc":"2.0","id":77}'))),
    ).not.toThrow();
    expect((await session.post(request('echo'))).status).toBe(200);
  });
});

/** A POST that can be cut off before its answer. */
async function cutPost(
  url: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<() => void> {
  const socket = await openSocket(url);
  const body = JSON.stringify(message);
  const fields = {
    host: 'localhost',
    'content-length': String(Buffer.byteLength(body)),
    ...MCP_HEADERS,
    ...headers,
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST /mcp HTTP/1.1\r\n${head.join('')}\r\n${body}`);
  return () => void socket.destroy();
}
