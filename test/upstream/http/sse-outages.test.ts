import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { INITIALIZE, initializeResult, openRemote } from './remote.ts';
import { answerTo, nameOf, type Call } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';

it('fails what is pending when the stream is lost, and begins the session again', async () => {
  const server = await openSseServer({ 'tools/call': (call) => call.status(202) });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  await remote.request('logging/setLevel', { level: 'debug' });
  await remote.request('resources/subscribe', { uri: 'a:' });
  const pending = remote.request('tools/call', { name: 'x' });
  await server.waitFor((call) => nameOf(call) === 'tools/call');
  const before = server.calls.length;
  server.streams[0]?.end();
  expect((await pending).error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
  expect((await remote.request('ping')).result).toEqual({ path: '/messages?stream=2' });
  expect(server.calls.slice(before).map(nameOf)).toEqual([
    'GET',
    'initialize',
    'notifications/initialized',
    'logging/setLevel',
    'resources/subscribe',
    'ping',
  ]);
  expect(server.of('tools/call')).toHaveLength(1);
});

it('answers at once while the server is gone, and goes on when it is back', async () => {
  const server = await openSseServer();
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  await server.stop();
  while (remote.log.of('remote.stream-lost').length === 0) await new Promise(setImmediate);
  for (let count = 0; count < 8; count += 1) {
    const { error } = await remote.request('ping');
    expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_unreachable' } });
  }
  expect(remote.reaches.at(-1)?.code).toBe('UPSTREAM_UNREACHABLE');
  await server.listen();
  expect((await remote.request('ping')).result).toEqual({ path: '/messages?stream=2' });
  expect(server.of('initialize')).toHaveLength(2);
  expect(remote.reaches.at(-1)).toBeUndefined();
});

it('sends nothing any more that was cancelled while there was no stream', async () => {
  const server = await openSseServer();
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  server.streams[0]?.end();
  while (remote.log.of('remote.stream-lost').length === 0) await new Promise(setImmediate);
  remote.send({ id: 'call', method: 'tools/call', params: { name: 'x' } });
  remote.notify('notifications/cancelled', { requestId: 'call' });
  expect(await remote.request('ping')).toHaveProperty('result');
  expect(server.of('tools/call')).toEqual([]);
});

it('begins the session once more when that fails', async () => {
  const refusals = [
    (call: Call) => call.status(404),
    (call: Call) => {
      call.status(202);
      server.streams
        .at(-1)
        ?.event({ ...answerTo(call), result: undefined, error: { code: -1, message: 'later' } });
    },
    (call: Call) => {
      call.status(202);
      server.streams.at(-1)?.destroy();
    },
  ];
  const accept = (call: Call): void => {
    call.status(202);
    server.streams.at(-1)?.event(answerTo(call, initializeResult()));
  };
  const server = await openSseServer({
    initialize: (call) => (server.streams.length === 1 ? accept : (refusals.shift() ?? accept))(call),
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  server.streams[0]?.end();
  while (remote.log.of('remote.stream-lost').length === 0) await new Promise(setImmediate);
  const reasons = new Set<unknown>();
  let answer = await remote.request('ping');
  for (; answer.error !== undefined; answer = await remote.request('ping'))
    reasons.add(at(answer.error.data, 'reason'));
  expect([...reasons]).toEqual(['upstream_http', 'upstream_error', 'upstream_stream_lost']);
  expect(answer.result).toEqual({ path: '/messages?stream=5' });
  for (const stream of server.of('GET').slice(0, -1)) await stream.closed;
});

it.for(['GET', 'initialize'])(
  'gives up %s when it is not answered as it begins the session again, and tries anew',
  async (silent) => {
    let silences = 0;
    const server = await openSseServer({}, '/messages', (call) => nameOf(call) === silent && silences-- > 0);
    const remote = await openRemote(server.url, { transport: 'sse', initializeTimeoutMs: 1_000 });
    await remote.initialize();
    silences = 1;
    server.streams[0]?.end();
    while (remote.log.of('remote.stream-lost').length === 0) await new Promise(setImmediate);
    expect((await remote.request('ping')).error).toMatchObject({ code: -32603 });
    expect(await remote.request('ping')).toHaveProperty('result');
  },
);

it('fails one request when its message is refused, and the whole stream when an event is too long', async () => {
  const server = await openSseServer({
    refused: (call) => call.status(500, { 'content-type': 'text/html' }, '<html>'),
    long: (call) => {
      call.status(202);
      server.streams.at(-1)?.event('x'.repeat(200_000));
    },
    strange: (call) => {
      call.status(202);
      server.streams.at(-1)?.event('not JSON');
      server.streams.at(-1)?.event({ jsonrpc: '2.0', id: 'nobody', result: {} });
      server.streams.at(-1)?.event('{}', { event: 'other' });
      server.streams.at(-1)?.event([{ jsonrpc: '2.0', method: 'n' }, answerTo(call, { after: 'all' })]);
    },
  });
  const remote = await openRemote(server.url, { transport: 'sse', lineLimitBytes: 10_000 });
  await remote.initialize();
  const { error } = await remote.request('refused');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
  expect((await remote.request('strange')).result).toEqual({ after: 'all' });
  expect(remote.received.filter(({ frame }) => frame.kind === 'notification')).toHaveLength(1);
  expect((await remote.request('long')).error).toMatchObject({ data: { reason: 'line_too_long' } });
  expect(await remote.request('ping')).toHaveProperty('result');
});

it.for([
  ['a page', (call: Call) => call.status(200, { 'content-type': 'text/html' }, '<html>'), 'UPSTREAM_HTTP'],
  ['an error', (call: Call) => call.status(500), 'UPSTREAM_HTTP'],
  ['a stream that ends', (call: Call) => call.stream().end(), 'UPSTREAM_UNREACHABLE'],
] as const)('fails when there is %s in place of the stream', async ([, act, code]) => {
  const server = await openSseServer({ GET: act });
  const remote = await openRemote(server.url, { transport: 'sse' });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await remote.closed).toMatchObject({ code });
});

it('waits for a server that is about to start, as long as it has patience', async () => {
  const server = await openSseServer();
  await server.stop();
  const remote = await openRemote(server.url, { transport: 'sse', patienceMs: 10_000 });
  const answered = remote.initialize();
  while (remote.log.of('remote.waiting').length === 0) await new Promise(setImmediate);
  await server.listen();
  expect((await answered).result).toEqual(initializeResult());
});

it.for(['sse', 'auto'] as const)(
  'ends everything when it is closed (%s), also before there is an endpoint',
  async (transport) => {
    const server = await openSseServer({
      initialize: (call) => call.status(404),
      GET: (call) => void call.stream(),
    });
    const remote = await openRemote(server.url, { transport });
    remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
    const stream = await server.waitFor(({ method }) => method === 'GET');
    await remote.link.close();
    await stream.closed;
    expect(server.of('initialize')).toHaveLength(transport === 'auto' ? 1 : 0);
  },
);

it('ends its stream and its messages when it is closed', async () => {
  const server = await openSseServer({ silent: () => {} });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  remote.send({ id: 1, method: 'silent' });
  const silent = await server.waitFor((call) => nameOf(call) === 'silent');
  await remote.link.close();
  await Promise.all([silent.closed, server.of('GET')[0]?.closed]);
});
