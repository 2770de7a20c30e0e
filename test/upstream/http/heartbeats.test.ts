import { expect, it } from 'vitest';
import { DroppedMessages } from '../../../src/upstream/http/dropped-messages.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { at } from '../../support/json.ts';
import { envelope } from '../../support/modern.ts';
import { initializeResult, openRemote, openServer, type Remote } from './remote.ts';
import { answerTo, type Call } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';

const HEARTBEAT = 'data: {"type":"heartbeat"}\n\n';
const NOTE = { jsonrpc: '2.0', method: 'notifications/message', params: { data: 1 } };
const eventOf = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;

/** Between the messages of a stream, and whether it is worth a warning. */
const BETWEEN: readonly (readonly [string, string, boolean])[] = [
  ['a JSON object', HEARTBEAT, true],
  ['an object with another version', 'data: {"jsonrpc":"1.0"}\n\n', true],
  ['an object that is only a version', 'data: {"jsonrpc":"2.0"}\n\n', true],
  ['a numbered heartbeat', 'data: {"type":"heartbeat","id":"call"}\n\n', true],
  ['a malformed request with the same id', 'data: {"id":"call","method":"ping"}\n\n', true],
  ['a malformed answer to another request', 'data: {"id":"other","result":{}}\n\n', true],
  ['an answer with the id null', 'data: {"jsonrpc":"2.0","id":null,"result":{}}\n\n', true],
  ['text', 'data: ping\n\n', true],
  ['text on several lines', 'data: {\ndata: ping\n\n', true],
  ['a JSON string', 'data: "ping"\n\n', true],
  ['a number', 'data: 1\n\n', true],
  ['null', 'data: null\n\n', true],
  ['an empty array', 'data: []\n\n', true],
  ['an array of numbers', 'data: [1, 2]\n\n', true],
  ['an array in an array', `data: [[${JSON.stringify(NOTE)}]]\n\n`, true],
  ['white space', 'data:  \n\n', true],
  ['CR LF', 'data: {"type":"heartbeat"}\r\n\r\n', true],
  ['empty data', 'data:\n\n', false],
  ['a comment', ': ping\n\n', false],
  ['an event named ping', `event: ping\n${HEARTBEAT}`, false],
  ['an event named heartbeat', 'event: heartbeat\ndata: x\n\n', false],
  ['an event without data', 'event: message\n\n', false],
];

function warningsOf(remote: Remote): number {
  return remote.log.of('remote.unreadable').filter(({ level }) => level === 'warn').length;
}

it.for(BETWEEN)('passes the answer to a POST on behind %s', async ([, between, isWarning]) => {
  const server = await openServer({
    'tools/call'(call) {
      const stream = call.stream();
      stream.write(between);
      stream.write(between + eventOf(NOTE) + between);
      stream.write(eventOf(answerTo(call, { n: 1 })));
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' }, 'call')).result).toEqual({ n: 1 });
  expect(remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'call')).toHaveLength(2);
  expect(warningsOf(remote)).toBe(isWarning ? 1 : 0);
});

it('passes an answer on behind a heartbeat that arrives byte by byte', async () => {
  const server = await openServer({
    async ping(call) {
      const stream = call.stream();
      const text = `${HEARTBEAT.replaceAll('\n', '\r\n')}${eventOf(answerTo(call, { n: 1 }))}`;
      // Each byte leaves by itself, although the network may join them.
      for (const byte of Buffer.from(text)) {
        call.response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
});

it('takes the messages of a batch and drops the rest', async () => {
  const server = await openServer({
    ping: (call) => void call.stream().event([{ type: 'heartbeat' }, NOTE, 1, answerTo(call, { n: 1 })]),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping', {}, 'call')).result).toEqual({ n: 1 });
  expect(remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'call')).toHaveLength(2);
});

it('passes on answers behind heartbeats on a modern and on a resumed stream', async () => {
  const server = await openServer({
    'tools/call'(call) {
      const stream = call.stream();
      stream.write(HEARTBEAT);
      if (at(call.message, 'params', 'name') === 'modern') return void stream.event(answerTo(call, { n: 1 }));
      stream.write('id: a1\nretry: 1\ndata: ping\n\n');
      return stream.end();
    },
    GET(call) {
      if (call.headers['last-event-id'] !== 'a1') return call.status(405);
      const stream = call.stream();
      stream.write(`${HEARTBEAT}data: ping\n\n`);
      return void stream.event({ jsonrpc: '2.0', id: 'old', result: { n: 2 } });
    },
  });
  const remote = await openRemote(server.url);
  const modern = await remote.request('tools/call', { name: 'modern', _meta: envelope() }, 'new');
  expect(modern.result).toEqual({ n: 1 });
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' }, 'old')).result).toEqual({ n: 2 });
  // The resumed stream goes on where the first one was.
  expect(warningsOf(remote)).toBe(2);
});

it.for(BETWEEN)('reads the stream of a session behind %s', async ([, between, isWarning]) => {
  const server = await openServer({
    GET: (call) => void call.stream().write(between + between + eventOf(NOTE)),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.waitFor(({ frame }) => frame.method === NOTE.method);
  expect(warningsOf(remote)).toBe(isWarning ? 1 : 0);
});

it.for(BETWEEN)('reads the stream of a server of HTTP+SSE behind %s', async ([, between, isWarning]) => {
  const server = await openSseServer({
    GET: (call) => void call.stream().write(`${between}event: endpoint\ndata: /messages\n\n${between}`),
    initialize(call) {
      call.status(202);
      server.of('GET')[0]?.response.write(between + eventOf(answerTo(call, initializeResult())));
    },
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  expect((await remote.initialize()).result).toEqual(initializeResult());
  expect(warningsOf(remote)).toBe(isWarning ? 1 : 0);
});

/** Things in the place of the answer to the request `call`. */
const MALFORMED = [
  ['without jsonrpc', '{"id":"call","result":{}}'],
  ['with another version', '{"jsonrpc":"1.0","id":"call","result":{}}'],
  ['with an error that is text', '{"jsonrpc":"2.0","id":"call","error":"text"}'],
  ['with neither result nor error', '{"jsonrpc":"2.0","id":"call"}'],
  ['in a batch', '[{"type":"heartbeat"},{"id":"call","error":{"code":-1,"message":"no"}}]'],
  ['that is cut off', '{"jsonrpc":"2.0","id":"call","result":{"text":"x'],
  ['that is cut off behind a brace', '{"jsonrpc":"2.0","id":"call","result":{}'],
  ['that is not JSON inside', '{"jsonrpc":"2.0","id":"call","result":{oops}}'],
  ['that is not JSON, with its id at the end', '{"result":{oops},"jsonrpc":"2.0","id":"call"}'],
  ['behind a byte order mark', '\uFEFF{"jsonrpc":"2.0","id":"call","result":{}}'],
] as const;

it.for(MALFORMED)('fails a request at once that is answered by something %s', async ([, data]) => {
  const server = await openServer({ 'tools/call': (call) => void call.stream().write(`data: ${data}\n\n`) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'x' }, 'call');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'malformed_answer' } });
  await server.of('tools/call')[0]?.closed;
});

it.for(MALFORMED)(
  'fails a request over HTTP+SSE at once that is answered by something %s',
  async ([, data]) => {
    const server = await openSseServer({
      'tools/call'(call) {
        call.status(202);
        server.streams[0]?.write(`data: ${data}\n\n`);
      },
    });
    const remote = await openRemote(server.url, { transport: 'sse' });
    await remote.initialize();
    const { error } = await remote.request('tools/call', { name: 'x' }, 'call');
    expect(error).toMatchObject({ code: -32603, data: { reason: 'malformed_answer' } });
    // The stream is there for other requests.
    expect(await remote.request('ping')).toHaveProperty('result');
    expect(server.streams).toHaveLength(1);
  },
);

it('fails the begin of another session over HTTP+SSE whose answer is malformed, and tries anew', async () => {
  let initializations = 0;
  const server = await openSseServer({
    initialize(call) {
      call.status(202);
      initializations += 1;
      const answer = answerTo(call, initializeResult());
      server.streams.at(-1)?.event(initializations === 2 ? { ...answer, jsonrpc: '1.0' } : answer);
    },
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  server.streams[0]?.end();
  while (initializations < 3) await remote.request('ping');
  expect(await remote.request('ping')).toHaveProperty('result');
});

it('fails a call whose stream ends with heartbeats only', async () => {
  const server = await openServer({
    'tools/call'(call) {
      const stream = call.stream();
      stream.write(HEARTBEAT);
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
});

it('fails a call whose JSON body is a heartbeat', async () => {
  const server = await openServer({ ping: (call) => call.json({ type: 'heartbeat' }) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error).toMatchObject({ data: { reason: 'malformed_answer' } });
});

it('warns of answers that no request waits for, once', async () => {
  const stray = (id: unknown) => ({ jsonrpc: '2.0', id, result: {} });
  const streams: Call[] = [];
  const server = await openServer({
    GET(call) {
      streams.push(call);
      const stream = call.stream();
      stream.event(stray('never'));
      stream.event(NOTE);
    },
    ping(call) {
      const stream = call.stream();
      stream.event(stray('neither'));
      stream.event(stray('before'));
      stream.event(answerTo(call));
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.waitFor(({ frame }) => frame.method === NOTE.method);
  await remote.request('tools/list', {}, 'before');
  await remote.request('ping');
  const entries = remote.log.of('remote.answer-dropped').map(({ level, id }) => [level, id]);
  expect(entries).toEqual([
    ['warn', 'never'],
    ['debug', 'neither'],
    ['debug', 'before'],
  ]);
});

it('warns of an unknown answer over HTTP+SSE, and not of a late one', async () => {
  const server = await openSseServer({ 'tools/call': (call) => call.status(202) });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  remote.send({ id: 'gone', method: 'tools/call', params: { name: 'x' } });
  await server.waitFor(({ message }) => message['id'] === 'gone');
  remote.notify('notifications/cancelled', { requestId: 'gone' });
  for (const id of ['gone', 0, 'never', 'nor this'])
    server.streams[0]?.event({ jsonrpc: '2.0', id, result: {} });
  await remote.request('ping');
  const entries = remote.log.of('remote.answer-dropped').map(({ level, id }) => [level, id]);
  expect(entries).toEqual([
    ['debug', 'gone'],
    ['debug', 0],
    ['warn', 'never'],
    ['debug', 'nor this'],
  ]);
});

it('logs the beginning of a long id', () => {
  const log = createRecordingLog();
  const dropped = new DroppedMessages(log, createFakeClock());
  const long = 'x'.repeat(1_000_000);
  for (const id of [long, long, 10n ** 300n, 'y'.repeat(100), 5]) {
    dropped.ended(id);
    dropped.answer(id);
  }
  const ids = log.of('remote.answer-dropped').map(({ id }) => id);
  expect(ids).toEqual(['x'.repeat(100), 'x'.repeat(100), `1${'0'.repeat(99)}`, 'y'.repeat(100), 5]);
});

it('warns of a few streams at once, then of one a minute', async () => {
  const [log, clock] = [createRecordingLog(), createFakeClock()];
  const dropped = new DroppedMessages(log, clock);
  const warnings = () => log.of('remote.unreadable').map(({ unlogged }) => unlogged);
  const one = {};
  for (let count = 0; count < 1_000; count += 1) dropped.unreadable('ping', one);
  expect(warnings()).toEqual([undefined]);
  for (let count = 0; count < 1_000; count += 1) dropped.unreadable('ping', {});
  expect(warnings()).toEqual([undefined, 999, undefined, undefined, undefined]);
  await clock.pass(60_000);
  for (let count = 0; count < 1_000; count += 1) dropped.unreadable('ping', {});
  expect(warnings().slice(5)).toEqual([996]);
});
