import { expect, it } from 'vitest';
import { at, json } from '../../support/json.ts';
import { openRemote, openServer } from './remote.ts';
import { answerTo, nameOf } from './scripted-server.ts';

const progress = (value: number, token: unknown = 1) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: token, progress: value },
});

it('tells which request what comes on its stream belongs to, and takes questions back to it', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event({ jsonrpc: '2.0', id: 900, method: 'roots/list' });
      stream.event(progress(1, call.message['id']));
      void server
        .waitFor((other) => nameOf(other) === 'answer' && other.message['id'] === 900)
        .then(({ message }) => stream.event(answerTo(call, json(message['result']))));
    },
  });
  const remote = await openRemote(server.url, {
    onreceived({ frame }) {
      if (frame.method === 'roots/list' && frame.id !== undefined)
        remote.send({ id: frame.id, result: { roots: [] } });
    },
  });
  await remote.initialize();
  const [a, b] = await Promise.all([
    remote.request('tools/call', { name: 'a' }, 'call-a'),
    remote.request('tools/call', { name: 'b' }, 'call-b'),
  ]);
  expect([a.result, b.result]).toEqual([{ roots: [] }, { roots: [] }]);
  for (const id of ['call-a', 'call-b']) {
    const kinds = remote.received
      .filter(({ relatedRequestId }) => relatedRequestId === id)
      .map(({ frame }) => frame.kind);
    expect(kinds).toEqual(['request', 'notification', 'response']);
  }
  expect(server.of('answer')[0]?.headers).toMatchObject({ 'mcp-session-id': 'session-1' });
});

it('passes 10,000 progress notifications on in order, before the result', async () => {
  const count = 10_000;
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      for (let value = 1; value <= count; value += 1) stream.event(progress(value));
      stream.event(answerTo(call, { total: count }));
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('tools/call', { name: 'slow' }, 'call');
  const received = remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'call');
  expect(received).toHaveLength(count + 1);
  const inOrder = received.every(
    ({ message }, index) => index === count || at(message, 'params', 'progress') === index + 1,
  );
  expect(inOrder).toBe(true);
  expect(received.at(-1)?.message.result).toEqual({ total: count });
});

it('reads answers in every shape', async () => {
  const server = await openServer({
    pretty: (call) =>
      call.status(
        200,
        { 'content-type': 'application/json; charset=utf-8' },
        JSON.stringify(answerTo(call), null, 2),
      ),
    batch: (call) => call.json([progress(1), answerTo(call, { batch: true })]),
    'batch-event': (call) => {
      const stream = call.stream();
      stream.event([progress(2), answerTo(call, { event: true })]);
      stream.end();
    },
    lines: (call) => {
      const stream = call.stream({ 'content-type': 'text/event-stream;charset=utf-8' });
      stream.write(': hello\r\n\r\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\n');
      stream.write(
        `data: "id":${JSON.stringify(call.message['id'])},\r\ndata:"result":{"crlf":"\u{1F40B}"}}\r\n\r\n`,
      );
    },
    bytes: (call) => {
      const stream = call.stream();
      const text = `data: ${JSON.stringify(answerTo(call, { text: '\u{1F40B}é' }))}\n\n`;
      for (const byte of Buffer.from(text)) call.response.write(Buffer.of(byte));
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('pretty')).result).toEqual({});
  expect((await remote.request('batch')).result).toEqual({ batch: true });
  expect((await remote.request('batch-event')).result).toEqual({ event: true });
  expect((await remote.request('lines')).result).toEqual({ crlf: '\u{1F40B}' });
  expect((await remote.request('bytes')).result).toEqual({ text: '\u{1F40B}é' });
  const notified = remote.received.filter(({ frame }) => frame.kind === 'notification');
  expect(notified.map(({ message }) => at(message, 'params', 'progress'))).toEqual([1, 2]);
});

it('keeps the bytes of an answer', async () => {
  const bytes = '{"result": {"big":12345678901234567890, "b":1,"a":2},"jsonrpc":"2.0","id":"b"}';
  const server = await openServer({
    ping: (call) => call.status(200, { 'content-type': 'application/json' }, bytes),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping', {}, 'b');
  expect(Buffer.from(remote.received.at(-1)?.frame.bytes ?? []).toString()).toBe(bytes);
});

it('drops answers to other requests, and whatever follows the answer', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event({ jsonrpc: '2.0', id: 'other', result: { stolen: true } });
      stream.event({ jsonrpc: '2.0', id: 'call', result: { n: 1 } });
      stream.event({ jsonrpc: '2.0', id: 'call', result: { n: 2 } });
      stream.event(progress(1));
      stream.end();
    },
    other: (call) =>
      void server.waitFor((one) => nameOf(one) === 'late').then(() => call.result({ own: true })),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const other = remote.request('other', {}, 'other');
  const { result } = await remote.request('tools/call', { name: 'x' }, 'call');
  expect(result).toEqual({ n: 1 });
  await remote.request('late');
  expect((await other).result).toEqual({ own: true });
  expect(remote.answersTo('call')).toHaveLength(1);
  expect(remote.received.filter(({ frame }) => frame.kind === 'notification')).toEqual([]);
});

it('fails a request whose answer is not a message', async () => {
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      stream.event({ id: call.message['id'], result: {} });
      void call.closed.then(() => stream.destroy());
    },
    ping: (call) => call.json({ hello: 'there' }),
    'tools/list': (call) => call.status(200, { 'content-type': 'application/json' }, '{"jsonrpc":'),
    unasked: (call) => call.json({ jsonrpc: '2.0', id: 'somebody', result: {} }),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  for (const method of ['tools/call', 'ping', 'tools/list', 'unasked']) {
    const { error } = await remote.request(method, { name: 'x' });
    expect(error, method).toMatchObject({ code: -32603, data: { reason: 'malformed_answer' } });
  }
  await server.of('tools/call')[0]?.closed;
});

it('passes an error on that does not say whom it answers', async () => {
  const server = await openServer({
    ping: (call) => call.json({ jsonrpc: '2.0', id: null, error: { code: -32600, message: 'no' } }),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error).toEqual({ code: -32600, message: 'no' });
});

it('fails a request whose answer is too long, as an event or as a body, and reads no further', async () => {
  const text = 'x'.repeat(20_000);
  const server = await openServer({
    'tools/call': (call) => void call.stream().event(answerTo(call, { text })),
    'tools/list': (call) => void call.stream().write(`data: ${text}`),
    ping: (call) => call.result({ text }),
    endless: (call) => {
      call.response.writeHead(200, { 'content-type': 'application/json' });
      const write = (): void => {
        while (!call.isClosed && call.response.write(text)) continue;
      };
      call.response.on('drain', write);
      write();
    },
  });
  const remote = await openRemote(server.url, { lineLimitBytes: 10_000 });
  await remote.initialize();
  for (const method of ['tools/call', 'tools/list', 'ping', 'endless']) {
    const { error } = await remote.request(method, { name: 'x' });
    expect(error, method).toMatchObject({ code: -32603, data: { reason: 'line_too_long' } });
  }
  for (const method of ['tools/call', 'tools/list', 'endless']) await server.of(method)[0]?.closed;
});

it('reads no faster than what it says is taken', async () => {
  const line = JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/x',
    params: { t: 'x'.repeat(60_000) },
  });
  const count = 600;
  let written = 0;
  const server = await openServer({
    'tools/call': (call) => {
      const stream = call.stream();
      const write = (): void => {
        while (written < count) {
          written += 1;
          if (!stream.event(line)) return void call.response.once('drain', write);
        }
        stream.event(answerTo(call));
      };
      write();
    },
  });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => void (open = resolve));
  const remote = await openRemote(server.url, {
    onreceived: ({ frame }) => (frame.kind === 'notification' ? gate : undefined),
  });
  await remote.initialize();
  const answered = remote.request('tools/call', { name: 'much' }, 'much');
  await remote.waitFor(({ relatedRequestId }) => relatedRequestId === 'much');
  // As long as what lies between the two ends still takes something, other requests go on as well.
  for (let before = -1; written !== before;) {
    before = written;
    for (let pings = 0; pings < 10; pings += 1) await remote.request('ping');
  }
  expect(remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'much').length).toBeLessThan(
    20,
  );
  expect(written).toBeLessThan(count / 2);
  open();
  expect(await answered).toHaveProperty('result');
  expect(remote.received.filter(({ relatedRequestId }) => relatedRequestId === 'much')).toHaveLength(
    count + 1,
  );
});
