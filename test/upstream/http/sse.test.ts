import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { envelope } from '../../support/modern.ts';
import { INITIALIZE, initializeResult, openRemote, openTarget, targetFor, type Script } from './remote.ts';
import { answerTo, nameOf } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';

it.for([
  ['a path', '/messages'],
  ['a relative path', 'messages/1'],
  ['a URL', undefined],
] as const)(
  'sends messages to where the stream says, be it %s, and reads answers from it',
  async ([, endpoint]) => {
    let origin = '';
    const server = await openSseServer(
      endpoint === undefined
        ? {
            GET: (call) => {
              const stream = call.stream();
              stream.event(`${origin}/messages?stream=1`, { event: 'endpoint' });
              void server
                .waitFor((one) => nameOf(one) === 'initialize')
                .then((one) => stream.event(answerTo(one, initializeResult())));
              void server.waitFor((one) => nameOf(one) === 'ping').then((one) => stream.event(answerTo(one)));
            },
          }
        : {},
      endpoint,
    );
    ({ origin } = new URL(server.url));
    const remote = await openRemote(server.url, { transport: 'sse', headers: { 'x-key': 'k' } });
    expect((await remote.initialize()).result).toEqual(initializeResult());
    expect(await remote.request('ping')).toHaveProperty('result');
    expect(server.calls.map(nameOf)).toEqual(['GET', 'initialize', 'notifications/initialized', 'ping']);
    const path = endpoint === 'messages/1' ? '/messages/1?stream=1' : '/messages?stream=1';
    expect(server.calls.slice(1).every((call) => call.path === path)).toBe(true);
    expect(server.calls.every(({ headers }) => headers['x-key'] === 'k')).toBe(true);
  },
);

it.for([400, 404, 405])(
  'is found out when initialize is refused with %i, and known from then on',
  async (status) => {
    const server = await openSseServer({
      initialize(call) {
        if (call.path === '/mcp') return call.status(status, {}, 'what?');
        call.status(202);
        server.streams.at(-1)?.event(answerTo(call, initializeResult()));
        return undefined;
      },
    });
    const target = targetFor(server.url, { transport: 'auto' });
    const remote = await openTarget(target);
    const answered = remote.initialize();
    const pong = remote.request('ping');
    expect((await answered).result).toEqual(initializeResult());
    expect(await pong).toHaveProperty('result');
    expect(server.calls.map(nameOf).slice(0, 3)).toEqual(['initialize', 'GET', 'initialize']);
    expect(remote.log.of('remote.transport')).toHaveLength(1);
    const before = server.calls.length;
    const other = await openTarget(target);
    expect((await other.initialize()).result).toEqual(initializeResult());
    const opening = server.calls.slice(before).map(nameOf);
    expect(opening.filter((name) => name !== 'notifications/initialized')).toEqual(['GET', 'initialize']);
  },
);

it('is not looked for where a server says that it knows better, or there is no stream', async () => {
  const error = { code: -32600, message: 'no' };
  const script: Script = {
    initialize: (call) => call.json({ ...answerTo(call), result: undefined, error }, {}, 400),
    GET: (call) => call.status(405),
  };
  const server = await openSseServer(script);
  const remote = await openRemote(server.url, { transport: 'auto' });
  expect((await remote.request('initialize', INITIALIZE)).error).toEqual(error);
  const fixed = await openRemote(server.url, { transport: 'http' });
  expect((await fixed.request('initialize', INITIALIZE)).error).toEqual(error);
  expect(server.calls.map(nameOf)).toEqual(['initialize', 'GET', 'initialize']);
});

it('does not ask whether such a server is of a later revision', async () => {
  const server = await openSseServer();
  const remote = await openRemote(server.url, { transport: 'sse' });
  const { error } = await remote.request('server/discover', { _meta: envelope() });
  expect(error).toMatchObject({ code: -32601 });
  expect(server.connections).toBe(0);
});

it('takes questions to the client and answers back, and forgets what the client cancels', async () => {
  const server = await openSseServer({
    'tools/call': (call) => {
      call.status(202);
      server.streams[0]?.event({ jsonrpc: '2.0', id: 5, method: 'roots/list' });
    },
    answer: (call) => {
      call.status(202);
      const [asked] = server.of('tools/call');
      if (asked !== undefined)
        server.streams[0]?.event(answerTo(asked, { got: at(call.message, 'result', 'roots') }));
    },
  });
  const remote = await openRemote(server.url, {
    transport: 'sse',
    onreceived({ frame }) {
      if (frame.method === 'roots/list') remote.send({ id: 5, result: { roots: ['r'] } });
    },
  });
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' }, 'a')).result).toEqual({ got: ['r'] });
  remote.send({ id: 'b', method: 'tools/call', params: { name: 'x' } });
  remote.notify('notifications/cancelled', { requestId: 'b' });
  await server.waitFor((call) => nameOf(call) === 'notifications/cancelled');
  server.streams[0]?.event({ jsonrpc: '2.0', id: 'b', result: {} });
  await remote.request('ping');
  expect(remote.answersTo('b')).toEqual([]);
});
