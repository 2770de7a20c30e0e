import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { openRemote, openServer, SESSION } from './remote.ts';
import { answerTo, nameOf, type Call } from './scripted-server.ts';

const isListening = (call: Call): boolean => call.method === 'GET' && !('last-event-id' in call.headers);
const isResuming = (call: Call): boolean => call.method === 'GET' && 'last-event-id' in call.headers;
const note = (n: number) => ({ jsonrpc: '2.0', method: 'notifications/message', params: { data: n } });

it('goes on where a stream ended before the answer, as often as it takes', async () => {
  const calls: Call[] = [];
  const server = await openServer({
    'tools/call': (call) => {
      calls.push(call);
      const stream = call.stream();
      stream.event('', { id: 'a1', retry: 1 });
      stream.event(note(1), { id: 'a2' });
      stream.event(note(2));
      stream.end();
    },
    GET(call) {
      if (isListening(call)) return call.status(405);
      const [first] = calls;
      const stream = call.stream();
      if (call.headers['last-event-id'] === 'a2') {
        stream.event(note(3), { id: 'a3' });
        stream.destroy();
      } else if (server.calls.filter(isResuming).length < 4) stream.end();
      else if (first !== undefined) stream.event(answerTo(first, { done: true }), { id: 'a4' });
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' }, 'call')).result).toEqual({ done: true });
  const resumed = server.calls.filter(isResuming);
  expect(resumed.map(({ headers }) => headers['last-event-id'])).toEqual(['a2', 'a3', 'a3', 'a3']);
  expect(resumed[0]?.headers).toMatchObject({
    [SESSION]: 'session-1',
    'mcp-protocol-version': '2025-11-25',
    accept: 'text/event-stream',
  });
  const heard = remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'call').slice(0, -1);
  expect(heard.map(({ message }) => at(message, 'params', 'data'))).toEqual([1, 2, 3]);
  expect(server.of('tools/call')).toHaveLength(1);
});

it('waits as long as the server wants before it goes on', async () => {
  const order: string[] = [];
  const server = await openServer({
    'tools/call': (call) => {
      // Of two timers in one process the shorter one, set first, is the first.
      setTimeout(() => order.push('half the time'), 150);
      const stream = call.stream();
      stream.event('', { id: 'a1', retry: 300 });
      stream.end();
    },
    GET(call) {
      if (isListening(call)) return call.status(405);
      order.push('again');
      call.stream().event({ jsonrpc: '2.0', id: 'call', result: {} });
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect(await remote.request('tools/call', { name: 'x' }, 'call')).toHaveProperty('result');
  expect(order).toEqual(['half the time', 'again']);
});

it('keeps to what a server wants that can only be met by never going on', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event('', { id: 'a1', retry: 99_999_999_999 });
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.send({ id: 'call', method: 'tools/call', params: { name: 'x' } });
  await (
    await server.waitFor((call) => nameOf(call) === 'tools/call')
  ).closed;
  for (let pings = 0; pings < 20; pings += 1) await remote.request('ping');
  expect(server.calls.filter(isResuming)).toEqual([]);
});

it('goes on listening without an id that no header can carry', async () => {
  const server = await openServer({
    GET(call) {
      const stream = call.stream();
      stream.event(note(1), { id: '\u0001', retry: 1 });
      if (server.calls.filter(isListening).length < 2) stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await server.waitFor((call) => isListening(call) && server.calls.filter(isListening).length === 2);
  expect(server.calls.filter(isResuming)).toEqual([]);
  expect(remote.reaches).not.toContainEqual(expect.anything());
});

it('takes an id in any writing for what it is, and an empty one for none', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event('', { id: 'Grüße \u{1F40B}', retry: 1 });
      stream.end();
    },
    GET(call) {
      if (isListening(call)) return call.status(405);
      const stream = call.stream();
      stream.event('', { id: '' });
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
  const ids = server.calls.filter(isResuming).map(({ headers }) => String(headers['last-event-id']));
  expect(ids.map((id) => Buffer.from(id, 'latin1').toString())).toEqual(['Grüße \u{1F40B}']);
});

it.for([
  ['ends', (call: Call) => call.stream().end()],
  [
    'breaks',
    (call: Call) => {
      const stream = call.stream();
      stream.event(note(1));
      stream.write('data: {"jsonrpc"');
      setImmediate(() => stream.destroy());
    },
  ],
  [
    'is a body that breaks',
    (call: Call) => {
      call.response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      call.response.write('{"jsonrpc":');
      setImmediate(() => call.destroy());
    },
  ],
] as const)('fails a request at once whose stream %s and cannot be gone on with', async ([, act]) => {
  const server = await openServer({ 'tools/call': act });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
  expect(error?.message).toContain('tools/call');
  expect(server.of('tools/call')).toHaveLength(1);
  expect(await remote.request('ping')).toHaveProperty('result');
});

it('fails a request whose stream the server does not give back', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event('', { id: 'a1', retry: 1 });
      stream.end();
    },
    GET: (call) => call.status(isListening(call) ? 405 : 400),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
});

it('does not ask a server that is gone again and again for the rest', async () => {
  const server = await openServer({
    'tools/call': (call) => void call.stream().event(note(1), { id: 'a1', retry: 1 }),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const answered = remote.request('tools/call', { name: 'x' }, 'call');
  await remote.waitFor(({ relatedRequestId }) => relatedRequestId === 'call');
  await server.stop();
  expect((await answered).error).toMatchObject({ code: -32603, data: { reason: 'upstream_unreachable' } });
});

it('goes on with no more of a call that the client has cancelled', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event('', { id: 'a1', retry: 10_000 });
      stream.event(note(1));
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.send({ id: 'call', method: 'tools/call', params: { name: 'x' } });
  await remote.waitFor(({ relatedRequestId }) => relatedRequestId === 'call');
  remote.notify('notifications/cancelled', { requestId: 'call' });
  await server.waitFor((call) => nameOf(call) === 'notifications/cancelled');
  await remote.request('ping');
  await remote.link.close();
  expect(server.calls.filter(isResuming)).toEqual([]);
  expect(remote.answersTo('call')).toEqual([]);
});

it('listens for what belongs to no request, and goes on listening after the last event', async () => {
  const streams: Call[] = [];
  const server = await openServer({
    GET(call) {
      streams.push(call);
      const stream = call.stream();
      const n = streams.length;
      stream.event(note(n), { id: `e${n}`, retry: 1 });
      stream.event({ jsonrpc: '2.0', id: 'ping-1', result: { stolen: true } });
      stream.event('garbage');
      if (n === 1) stream.end();
      if (n === 2) stream.destroy();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.waitFor(({ message }) => at(message, 'params', 'data') === 3);
  expect(streams.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'e1', 'e2']);
  expect(
    remote.received
      .slice(1)
      .map(({ message, relatedRequestId }) => [at(message, 'params', 'data'), relatedRequestId]),
  ).toEqual([
    [1, undefined],
    [2, undefined],
    [3, undefined],
  ]);
  expect(remote.log.of('remote.unreadable').length).toBeGreaterThan(0);
  // A stream that is cut is no outage.
  expect(remote.reaches.every((reach) => reach === undefined)).toBe(true);
  const last = streams.at(-1);
  await remote.link.close();
  await last?.closed;
});

it.for([
  [404, ''],
  [400, 'Bad Request: No valid session ID provided'],
] as const)(
  'begins another session when the stream that it has listened to is refused: %i %s',
  async ([status, text]) => {
    const server = await openServer({
      GET(call) {
        if (call.headers[SESSION] === 'session-2') return void call.stream().event(note(2));
        if ('last-event-id' in call.headers) return call.status(status, {}, text);
        const stream = call.stream();
        stream.event(note(1), { id: 'e1', retry: 1 });
        stream.end();
        return undefined;
      },
    });
    const remote = await openRemote(server.url);
    await remote.initialize();
    await remote.waitFor(({ message }) => at(message, 'params', 'data') === 2);
    expect(server.of('initialize')).toHaveLength(2);
    expect(server.of('GET').at(-1)?.headers).not.toHaveProperty('last-event-id');
  },
);

it('listens again when the server has noticed that its first stream is gone', async () => {
  const refusals = [409, 503];
  const server = await openServer({
    GET(call) {
      const [first] = server.of('GET');
      const status = call === first ? undefined : refusals.shift();
      if (status !== undefined) return call.status(status);
      const stream = call.stream();
      stream.event(note(call === first ? 1 : 2), { retry: 1 });
      if (call === first) stream.destroy();
      return undefined;
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.waitFor(({ message }) => at(message, 'params', 'data') === 2);
  expect(server.of('initialize')).toHaveLength(1);
  expect(refusals).toEqual([]);
});
