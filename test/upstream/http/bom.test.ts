import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { INITIALIZE, initializeResult, openRemote, openServer } from './remote.ts';
import { answerTo, type Call } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';

const BOM = '\uFEFF';
const NOTE = { jsonrpc: '2.0', method: 'notifications/message', params: { data: 1 } };
const JSON_TYPE = { 'content-type': 'application/json' };

/** An event stream that begins with this text, and whose mark arrives byte by byte. */
function marked(call: Call, text: string): void {
  const stream = call.stream();
  for (const byte of Buffer.from(BOM)) call.response.write(Buffer.of(byte));
  stream.write(text);
}

const eventOf = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;

it('reads JSON answers behind a byte order mark', async () => {
  const error = { code: -32_000, message: 'no' };
  const server = await openServer({
    initialize: (call) =>
      call.status(200, JSON_TYPE, BOM + JSON.stringify(answerTo(call, initializeResult()))),
    pretty: (call) => call.status(200, JSON_TYPE, BOM + JSON.stringify(answerTo(call, { n: 1 }), null, 2)),
    batch: (call) => call.status(200, JSON_TYPE, BOM + JSON.stringify([NOTE, answerTo(call, { n: 2 })])),
    refused: (call) =>
      call.status(400, JSON_TYPE, BOM + JSON.stringify({ jsonrpc: '2.0', id: call.message['id'], error })),
  });
  const remote = await openRemote(server.url);
  expect((await remote.initialize()).result).toEqual(initializeResult());
  expect((await remote.request('pretty')).result).toEqual({ n: 1 });
  expect((await remote.request('batch')).result).toEqual({ n: 2 });
  expect((await remote.request('refused')).error).toEqual(error);
});

it.for([
  ['a second one', (text: string) => BOM + BOM + text],
  ['one behind white space', (text: string) => `\n${BOM}${text}`],
  ['one at the end', (text: string) => text + BOM],
] as const)('rejects a JSON answer with a byte order mark elsewhere: %s', async ([, mark]) => {
  const server = await openServer({
    ping: (call) => call.status(200, JSON_TYPE, mark(JSON.stringify(answerTo(call)))),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error).toMatchObject({ data: { reason: 'malformed_answer' } });
});

it('reads the answer of an event stream and of a resumed one behind a byte order mark', async () => {
  const server = await openServer({
    ping: (call) => marked(call, eventOf(answerTo(call, { n: 1 }))),
    'tools/call': (call) => {
      marked(call, `id: a1\nretry: 1\n${eventOf(NOTE)}`);
      call.response.end();
    },
    GET(call) {
      if (call.headers['last-event-id'] !== 'a1') return call.status(405);
      return marked(call, eventOf({ jsonrpc: '2.0', id: 'call', result: { n: 2 } }));
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
  expect((await remote.request('tools/call', { name: 'x' }, 'call')).result).toEqual({ n: 2 });
  expect(remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'call')).toHaveLength(2);
});

it('reads the stream of a session behind a byte order mark', async () => {
  const server = await openServer({ GET: (call) => marked(call, eventOf(NOTE)) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { message } = await remote.waitFor(({ frame }) => frame.method === NOTE.method);
  expect(at(message, 'params', 'data')).toBe(1);
});

it('reads the stream of a server of HTTP+SSE behind a byte order mark', async () => {
  const server = await openSseServer({
    GET: (call) => marked(call, 'event: endpoint\ndata: /messages\n\n'),
    initialize(call) {
      call.status(202);
      server.of('GET')[0]?.response.write(eventOf(answerTo(call, initializeResult())));
    },
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  expect((await remote.request('initialize', INITIALIZE)).result).toEqual(initializeResult());
});
