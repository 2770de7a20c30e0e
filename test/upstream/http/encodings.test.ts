import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, createGzip, deflate, gzip } from 'node:zlib';
import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { openRemote, openServer } from './remote.ts';
import { answerTo, nameOf } from './scripted-server.ts';

const QUICKLY = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const ENCODERS = {
  gzip: promisify(gzip),
  'x-gzip': promisify(gzip),
  deflate: promisify(deflate),
  br: (data: Buffer): Promise<Buffer> => promisify(brotliCompress)(data, QUICKLY),
};

it.for(Object.entries(ENCODERS))('reads answers in %s, short and long', async ([encoding, encode]) => {
  // Of the kind that is long also when it is compressed.
  const text = randomBytes(300_000).toString('base64');
  const server = await openServer(
    Object.fromEntries(
      [
        ['short', ''],
        ['long', text],
      ].map(([method = '', said]) => [
        method,
        (call) =>
          void encode(Buffer.from(JSON.stringify(answerTo(call, { said })))).then((body) =>
            call.status(200, { 'content-type': 'application/json', 'content-encoding': encoding }, body),
          ),
      ]),
    ),
  );
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('short')).result).toEqual({ said: '' });
  expect((await remote.request('long')).result).toEqual({ said: text });
  expect(server.of('short')[0]?.headers['accept-encoding']).toContain(encoding.replace('x-', ''));
});

it('reads each event of a compressed stream as it comes', async () => {
  const server = await openServer({
    'tools/call'(call) {
      call.response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      const encoder = createGzip();
      encoder.pipe(call.response);
      const say = (message: unknown): void => {
        encoder.write(`data: ${JSON.stringify(message)}\n\n`);
        encoder.flush(constants.Z_SYNC_FLUSH);
      };
      let count = 0;
      const proceed = (): void => {
        count += 1;
        if (count === 4) return void encoder.end(`data: ${JSON.stringify(answerTo(call, { count }))}\n\n`);
        say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: count } });
        // The next one comes when the client has heard of this one.
        void server
          .waitFor((one) => nameOf(one) === 'heard' && at(one.message, 'params', 'progress') === count)
          .then(proceed);
      };
      proceed();
    },
  });
  const remote = await openRemote(server.url, {
    onreceived({ message }) {
      if (message.method !== undefined) remote.notify('heard', { progress: message.params?.['progress'] });
    },
  });
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' })).result).toEqual({ count: 4 });
});

it.for(['json', 'event-stream'])('holds back a compressed %s of which too much comes out', async (kind) => {
  const server = await openServer({
    ping: (call) =>
      void ENCODERS.gzip(`data: ${'x'.repeat(10_000_000)}`).then((body) =>
        call.status(
          200,
          {
            'content-type': kind === 'json' ? 'application/json' : 'text/event-stream',
            'content-encoding': 'gzip',
          },
          body,
        ),
      ),
  });
  const remote = await openRemote(server.url, { lineLimitBytes: 100_000 });
  await remote.initialize();
  expect((await remote.request('ping')).error).toMatchObject({ data: { reason: 'line_too_long' } });
  expect(await remote.request('pong')).toHaveProperty('result');
});

it('fails a request whose answer cannot be decoded', async () => {
  const server = await openServer({
    ping: (call) =>
      call.status(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{}'),
    events: (call) =>
      call.status(200, { 'content-type': 'text/event-stream', 'content-encoding': 'br' }, 'data: {}\n\n'),
    strange: (call) =>
      call.status(200, { 'content-type': 'application/json', 'content-encoding': 'zstd' }, 'what'),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  for (const [method, reason] of [
    ['ping', 'upstream_stream_lost'],
    ['events', 'upstream_stream_lost'],
    ['strange', 'malformed_answer'],
  ] as const)
    expect((await remote.request(method)).error, method).toMatchObject({ code: -32603, data: { reason } });
  expect(await remote.request('pong')).toHaveProperty('result');
});

it('asks for no compression where messages have to come at once', async () => {
  const server = await openServer({ GET: (call) => void call.stream() });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const listening = await server.waitFor(({ method }) => method === 'GET');
  expect(listening.headers['accept-encoding']).toBe('identity');
});
