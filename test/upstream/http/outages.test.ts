import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { INITIALIZE, openRemote, openServer } from './remote.ts';
import type { Call } from './scripted-server.ts';

const HTML = '<!DOCTYPE html><html><body>Bad things at /srv/secret</body></html>';

it('fails at once when nothing listens', async () => {
  const server = await openServer();
  await server.stop();
  const remote = await openRemote(server.url);
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  const error = await remote.closed;
  expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', fields: { server: 'far', url: server.url } });
  expect(String(error)).toContain('refused (ECONNREFUSED)');
  expect(remote.received).toEqual([]);
});

it('waits for a server that is about to start, as long as it has patience', async () => {
  const server = await openServer();
  await server.stop();
  const remote = await openRemote(server.url, { patienceMs: 10_000 });
  const answered = remote.initialize();
  while (remote.log.of('remote.waiting').length === 0) await new Promise(setImmediate);
  await server.listen();
  expect(await answered).toHaveProperty('result');
  expect(server.of('initialize')).toHaveLength(1);
});

it('gives up a server that takes the first request and never answers', async () => {
  const server = await openServer({ initialize: () => {}, 'server/discover': () => {} });
  const asked = await openRemote(server.url, { initializeTimeoutMs: 100 });
  const { error } = await asked.request('server/discover', {}, 'era');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'request_timeout' } });

  const remote = await openRemote(server.url, { initializeTimeoutMs: 100 });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await remote.closed).toMatchObject({ code: 'REQUEST_TIMEOUT', fields: { method: 'initialize' } });
  for (const { closed } of server.calls) await closed;
});

it.for([500, 502, 503])(
  'takes a page with status %i for a server that is down, and shows none of it',
  async (status) => {
    let isDown = true;
    const server = await openServer({
      ping: (call) => (isDown ? call.status(status, { 'content-type': 'text/html' }, HTML) : call.result({})),
    });
    const remote = await openRemote(server.url);
    await remote.initialize();
    const answer = await remote.request('ping');
    expect(answer.error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
    expect(answer.error?.message).toBe(`Server "far" answered with HTTP status ${status}`);
    expect(JSON.stringify(remote.log.entries)).not.toContain('secret');
    isDown = false;
    expect(await remote.request('ping')).toHaveProperty('result');
    // What is in front of a server says that there is none.
    const down = remote.reaches.filter((reach) => reach !== undefined).map(({ code }) => code);
    expect(down).toEqual(status === 500 ? [] : ['UPSTREAM_HTTP']);
    expect(remote.reaches.at(-1)).toBeUndefined();
  },
);

it('blots out what it was reached with when the server repeats that', async () => {
  const server = await openServer({
    ping: ({ status, headers, path }) =>
      status(
        403,
        { 'content-type': 'text/plain' },
        `${path} ${headers.authorization} ${String(headers['x-key'])}`,
      ),
  });
  const headers = { authorization: 'Bearer open-sesame', 'x-key': 'another-secret' };
  const remote = await openRemote(`${server.url}?token=in-the-query`, { headers });
  await remote.initialize();
  expect((await remote.request('ping')).error?.message).toBe(
    'Server "far" answered with HTTP status 403: /mcp?token=*** *** ***',
  );
});

it('does not wait for the end of a page', async () => {
  const server = await openServer({
    ping: ({ response }) => {
      response.writeHead(500, { 'content-type': 'text/html' });
      response.write('<!DOCTYPE html>');
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error?.message).toBe('Server "far" answered with HTTP status 500');
});

it('fails initialize when a page is in its place', async () => {
  const server = await openServer({
    initialize: (call) => call.status(502, { 'content-type': 'text/html' }, HTML),
  });
  const remote = await openRemote(server.url);
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await remote.closed).toMatchObject({ code: 'UPSTREAM_HTTP', fields: { status: 502 } });
});

it('fails what is pending at once when the server is killed, and goes on when it is back', async () => {
  const server = await openServer({ 'tools/call': () => {}, wait: (call) => void call.stream() });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const pending = [
    remote.request('tools/call', { name: 'x' }),
    remote.request('wait'),
    remote.request('wait'),
  ];
  await server.waitFor(() => server.of('wait').length === 2 && server.of('tools/call').length === 1);
  await server.stop();
  for (const { error } of await Promise.all(pending)) {
    expect(error).toMatchObject({ code: -32603 });
    expect(at(error?.data, 'reason')).toMatch(/^upstream_(unreachable|stream_lost)$/);
  }
  const refused = await remote.request('ping');
  expect(refused.error).toMatchObject({ code: -32603, data: { reason: 'upstream_unreachable' } });
  expect(remote.reaches.at(-1)?.code).toBe('UPSTREAM_UNREACHABLE');
  await server.listen();
  expect(await remote.request('ping')).toHaveProperty('result');
  expect(remote.reaches.at(-1)).toBeUndefined();
  expect(server.of('tools/call')).toHaveLength(1);
});

it.for([
  [429, '0'],
  [503, '1'],
  [503, 'Thu, 01 Jan 2026 00:00:00 GMT'],
] as const)('asks a server again that is too busy (%i) and says when: %s', async ([status, retryAfter]) => {
  const order: string[] = [];
  const server = await openServer({
    'tools/call': (call) => {
      order.push('asked');
      if (order.length > 1) return call.result({});
      if (retryAfter === '1') setTimeout(() => order.push('half the time'), 500);
      return call.status(status, { 'retry-after': retryAfter }, 'busy');
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect(await remote.request('tools/call', { name: 'x' })).toHaveProperty('result');
  expect(order).toEqual(['asked', ...(retryAfter === '1' ? ['half the time'] : []), 'asked']);
});

it('asks a busy server a few times only, and not if it has to wait too long', async () => {
  const server = await openServer({
    ping: (call) => call.status(429, { 'retry-after': '0' }, 'busy'),
    later: (call) => call.status(503, { 'retry-after': '3600' }),
    never: (call) => call.status(503, { 'retry-after': 'Fri, 01 Jan 2100 00:00:00 GMT' }),
    soon: (call) => call.status(429, {}, 'no hurry'),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  for (const method of ['ping', 'later', 'never', 'soon']) {
    const { error } = await remote.request(method);
    expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
  }
  expect(['ping', 'later', 'never', 'soon'].map((method) => server.of(method).length)).toEqual([4, 1, 1, 1]);
});

it.for([400, 403, 409, 422, 500, 501])(
  'passes the JSON-RPC error of a response with status %i on',
  async (status) => {
    const error = { code: -32600, message: 'Bad Request: <no>', data: { big: 1 } };
    const server = await openServer({
      ping: (call) => call.json({ jsonrpc: '2.0', id: 'server-error', error }, {}, status),
      pong: (call) => call.json({ jsonrpc: '2.0', error }, {}, status),
      'tools/call': (call) => call.json({ jsonrpc: '2.0', id: call.message['id'], error }, {}, status),
    });
    const remote = await openRemote(server.url);
    await remote.initialize();
    for (const method of ['ping', 'pong', 'tools/call'])
      expect((await remote.request(method, { name: 'x' })).error).toEqual(error);
  },
);

it('says what an answer of another type was', async () => {
  const server = await openServer({
    ping: (call) => call.status(200, { 'content-type': 'text/html' }, HTML),
    pong: (call) => call.status(202),
    text: (call) => call.status(422, { 'content-type': 'text/plain' }, 'too  much\nof it'),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const messages = [];
  for (const method of ['ping', 'pong', 'text']) messages.push((await remote.request(method)).error?.message);
  expect(messages).toEqual([
    'Server "far" answered with HTTP status 200, but not with JSON or a stream of events',
    'Server "far" answered with HTTP status 202, but not with JSON or a stream of events',
    'Server "far" answered with HTTP status 422: too much of it',
  ]);
});

it('asks again when a kept connection was given up, unless a tool may have been called', async () => {
  const dropped: string[] = [];
  const server = await openServer(
    Object.fromEntries(
      ['ping', 'tools/list', 'tools/call', 'notifications/progress'].map((name) => [
        name,
        (call: Call) => {
          if (!dropped.includes(name)) {
            dropped.push(name);
            call.destroy();
          } else if ('id' in call.message) call.result({});
          else call.status(202);
        },
      ]),
    ),
  );
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect(await remote.request('ping')).toHaveProperty('result');
  expect(await remote.request('tools/list')).toHaveProperty('result');
  remote.notify('notifications/progress', { progressToken: 1, progress: 1 });
  await server.waitFor(() => server.of('notifications/progress').length === 2);
  const { error } = await remote.request('tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_unreachable' } });
  expect(server.of('tools/call')).toHaveLength(1);
});

it.for([
  ['there was one to end', 'too_many_children', true, { asked: 2, ended: 1 }],
  ['there was one to end', 'too_many_sessions', true, { asked: 2, ended: 1 }],
  ['there was none', 'too_many_children', false, { asked: 4, ended: 3 }],
  ['the server says something else', 'crash_loop', true, { asked: 4, ended: 0 }],
] as const)(
  'makes room for a session where mcp-run has none left: %s (%s)',
  async ([, reason, hasIdle, expected]) => {
    const counts = { asked: 0, ended: 0 };
    let isFull = true;
    const server = await openServer({
      initialize(call) {
        counts.asked += 1;
        if (!isFull) return call.result({});
        const error = { code: -32_603, message: 'full', data: { reason } };
        return call.json({ jsonrpc: '2.0', id: 0, error }, { 'retry-after': '0' }, 503);
      },
    });
    const remote = await openRemote(server.url, {
      async makeRoom() {
        counts.ended += 1;
        if (hasIdle) isFull = false;
        return hasIdle;
      },
    });
    const answer = await remote.request('initialize', INITIALIZE, 0);
    expect(answer).toHaveProperty(expected.asked === 2 ? 'result' : 'error');
    expect(counts).toEqual(expected);
  },
);
