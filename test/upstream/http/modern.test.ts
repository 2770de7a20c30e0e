import { expect, it } from 'vitest';
import { parseFrame } from '../../../src/protocol/frame.ts';
import { at } from '../../support/json.ts';
import { envelope, MODERN_REVISION } from '../../support/modern.ts';
import { INITIALIZE, openRemote, openServer, SESSION, type Remote } from './remote.ts';
import { answerTo, nameOf, type Call, type EventStream } from './scripted-server.ts';

const ask = (remote: Remote, method: string, params: Record<string, unknown> = {}, id?: string | number) =>
  remote.request(method, { ...params, _meta: envelope() }, id);

const tool = (name: string, properties: Record<string, unknown>) => ({
  name,
  inputSchema: { type: 'object', properties },
});
const REGION = tool('in', {
  region: { type: 'string', 'x-mcp-header': 'Region' },
  inner: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
});

it('repeats in headers what a request says, and keeps no session', async () => {
  const server = await openServer({
    'server/discover': (call) =>
      call.result({ supportedVersions: [MODERN_REVISION] }, { [SESSION]: 'ignored' }),
  });
  const remote = await openRemote(server.url);
  await ask(remote, 'server/discover');
  await ask(remote, 'tools/call', { name: 'plain', arguments: {} });
  await ask(remote, 'tools/call', { name: ' Zürich ' });
  await ask(remote, 'resources/read', { uri: 'file:///a' });
  await ask(remote, 'tasks/get', { taskId: 't-1' });
  await ask(remote, 'tools/list');
  await remote.link.close();
  const headers = server.calls.map(({ headers: sent }) => [sent['mcp-method'], sent['mcp-name']]);
  expect(headers).toEqual([
    ['server/discover', undefined],
    ['tools/call', 'plain'],
    ['tools/call', `=?base64?${Buffer.from(' Zürich ').toString('base64')}?=`],
    ['resources/read', 'file:///a'],
    ['tasks/get', 't-1'],
    ['tools/list', undefined],
  ]);
  for (const call of server.calls) {
    expect(call.headers).toMatchObject({
      'mcp-protocol-version': MODERN_REVISION,
      accept: 'application/json, text/event-stream',
    });
    expect(call.headers).not.toHaveProperty(SESSION);
  }
});

it('repeats the parameters of the tools that have been listed', async () => {
  const server = await openServer({ 'tools/list': (call) => call.result({ tools: [REGION] }) });
  const remote = await openRemote(server.url);
  const call = (args: unknown) => ask(remote, 'tools/call', { name: 'in', arguments: args });
  await call({ region: 'eu' });
  await ask(remote, 'tools/list');
  await call({ region: 'eu', inner: { n: 3 } });
  await call({ region: 'süd' });
  await call({ region: null, inner: { n: 1.5 } });
  const sent = server
    .of('tools/call')
    .map(({ headers }) => [headers['mcp-param-region'], headers['mcp-param-n']]);
  expect(sent).toEqual([
    [undefined, undefined],
    ['eu', '3'],
    [`=?base64?${Buffer.from('süd').toString('base64')}?=`, undefined],
    [undefined, undefined],
  ]);
});

it.each([
  '{"region":"us","region":"eu"}',
  '{"region":"eu","Region":"us"}',
  '{"Region":"us"}',
  '{"region":"us","re\\u0067ion":"eu"}',
  '{"inner":{"n":1,"N":2}}',
  '{"inner":{"n":1},"inner":{"n":1}}',
])('refuses a call whose header could repeat another value than the server reads: %s', async (args) => {
  const server = await openServer({ 'tools/list': (call) => call.result({ tools: [REGION] }) });
  const remote = await openRemote(server.url);
  await ask(remote, 'tools/list');
  const message = {
    jsonrpc: '2.0',
    id: 'c',
    method: 'tools/call',
    params: { name: 'in', arguments: 'HERE' },
  };
  const whole = { ...message, params: { ...message.params, _meta: envelope() } };
  void remote.link.send(parseFrame(Buffer.from(JSON.stringify(whole).replace('"HERE"', args))));
  const { error } = (await remote.waitFor(({ frame }) => frame.id === 'c')).message;
  expect(error).toMatchObject({ code: -32600 });
  expect(server.of('tools/call')).toEqual([]);
});

it('lists the tools by itself when headers are missing, and calls once more', async () => {
  const server = await openServer({
    'tools/list': (call) =>
      at(call.message, 'params', 'cursor') === undefined
        ? call.result({ tools: [tool('other', {})], nextCursor: 'two' })
        : call.result({ tools: [REGION] }),
    'tools/call': (call) =>
      call.headers['mcp-param-region'] === 'eu'
        ? call.result({ ok: true })
        : call.json(
            { ...answerTo(call), result: undefined, error: { code: -32020, message: 'no' } },
            {},
            400,
          ),
  });
  const remote = await openRemote(server.url);
  const { result } = await ask(remote, 'tools/call', { name: 'in', arguments: { region: 'eu' } });
  expect(result).toEqual({ ok: true });
  expect(server.calls.map(nameOf)).toEqual(['tools/call', 'tools/list', 'tools/list', 'tools/call']);
  expect(at(server.of('tools/list')[0]?.message, 'params', '_meta')).toEqual(envelope());
  // The client has asked for one thing and gets one answer.
  expect(remote.received).toHaveLength(1);
  const { error } = await ask(remote, 'tools/call', { name: 'in', arguments: { region: 'us' } });
  expect(error).toEqual({ code: -32020, message: 'no' });
  expect(server.of('tools/call')).toHaveLength(4);
});

it('leaves out tools whose headers break the rules, and nothing else', async () => {
  const bad = JSON.stringify(tool('bad', { a: { type: 'number', 'x-mcp-header': 'A' } }));
  const worse = JSON.stringify(tool('worse', { a: { type: 'string', 'x-mcp-header': 'A b' } }));
  const good = '{"name": "good", "inputSchema":{"type":"object","big":12345678901234567890}}';
  const bytes = (...tools: string[]): string =>
    `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools.join(',')}] ,"ttlMs":1.0,"resultType":"complete"}}`;
  const server = await openServer({
    'tools/list': (call) => call.status(200, { 'content-type': 'application/json' }, bytes(bad, good, worse)),
  });
  const remote = await openRemote(server.url);
  await ask(remote, 'tools/list', {}, 1);
  expect(Buffer.from(remote.received[0]?.frame.bytes ?? []).toString()).toBe(bytes(good));
  expect(remote.log.of('remote.tool-invalid').map((entry) => entry['tool'])).toEqual(['bad', 'worse']);
});

it('cancels by closing the connection, and says nothing', async () => {
  const server = await openServer({ 'tools/call': () => {}, slow: (call) => void call.stream() });
  const remote = await openRemote(server.url);
  for (const method of ['tools/call', 'slow']) {
    remote.send({ id: method, method, params: { name: 'x', _meta: envelope() } });
    const call = await server.waitFor((one) => nameOf(one) === method);
    remote.notify('notifications/cancelled', { requestId: method });
    await call.closed;
  }
  await ask(remote, 'ping');
  expect(server.calls.map(nameOf)).toEqual(['tools/call', 'slow', 'ping']);
  expect(remote.received).toHaveLength(1);
});

it('does not go on with a stream that ends before the answer', async () => {
  const server = await openServer({
    'tools/call'(call) {
      const stream = call.stream();
      stream.event({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }, { id: 'e1', retry: 1 });
      stream.end();
    },
  });
  const remote = await openRemote(server.url);
  const { error } = await ask(remote, 'tools/call', { name: 'x' });
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
  expect(server.of('GET')).toEqual([]);
});

const acknowledged = { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: {} };
const changed = (n: number) => ({
  jsonrpc: '2.0',
  method: 'notifications/tools/list_changed',
  params: { n },
});

it('makes a subscription again that was lost, and acknowledges it once', async () => {
  const streams: { call: Call; stream: EventStream }[] = [];
  const server = await openServer({
    'subscriptions/listen'(call) {
      if (streams.length === 2 && server.of('subscriptions/listen').length === 3) return call.status(502);
      const stream = call.stream();
      streams.push({ call, stream });
      stream.event(acknowledged);
      stream.event(changed(streams.length));
      if (streams.length === 1) stream.end();
      if (streams.length === 2) stream.destroy();
      return undefined;
    },
  });
  const remote = await openRemote(server.url);
  remote.send({ id: 'l', method: 'subscriptions/listen', params: { notifications: {}, _meta: envelope() } });
  await remote.waitFor(({ message }) => at(message, 'params', 'n') === 3);
  expect(remote.received.map(({ message }) => message.method ?? 'answer')).toEqual([
    acknowledged.method,
    ...Array.from({ length: 3 }, () => 'notifications/tools/list_changed'),
  ]);
  expect(remote.received.every(({ relatedRequestId }) => relatedRequestId === 'l')).toBe(true);
  const [first, , third] = streams;
  expect(third?.call.body).toEqual(first?.call.body);
  third?.stream.event(answerTo(third.call, { over: true }));
  expect((await remote.waitFor(({ frame }) => frame.kind === 'response')).message.result).toEqual({
    over: true,
  });
});

it('makes no subscription again that the server never took up, or that the client has ended', async () => {
  const server = await openServer({
    'subscriptions/listen'(call) {
      const stream = call.stream();
      if (call.message['id'] === 'taken') stream.event(acknowledged);
      else stream.end();
    },
  });
  const remote = await openRemote(server.url);
  const { error } = await ask(remote, 'subscriptions/listen', {}, 'refused');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_stream_lost' } });
  remote.send({ id: 'taken', method: 'subscriptions/listen', params: { _meta: envelope() } });
  await remote.waitFor(({ relatedRequestId }) => relatedRequestId === 'taken');
  remote.notify('notifications/cancelled', { requestId: 'taken' });
  await server.of('subscriptions/listen')[1]?.closed;
  await ask(remote, 'ping');
  expect(server.of('subscriptions/listen')).toHaveLength(2);
});

it.for([
  [
    'an error',
    (call: Call) =>
      call.json(
        { ...answerTo(call), result: undefined, error: { code: -32600, message: 'legacy' } },
        {},
        400,
      ),
    -32600,
  ],
  ['a page', (call: Call) => call.status(400, {}, 'Mcp-Session-Id header is required'), -32603],
  ['nothing there', (call: Call) => call.status(404), -32603],
  [
    'an answer',
    (call: Call) =>
      call.json({ ...answerTo(call), result: undefined, error: { code: -32601, message: 'what' } }),
    -32601,
  ],
] as const)(
  'hears of a server of an older revision by %s, and begins a session with it then',
  async ([, refuse, code]) => {
    const server = await openServer({ 'server/discover': refuse });
    const remote = await openRemote(server.url);
    const { error } = await ask(remote, 'server/discover');
    expect(error).toMatchObject({ code });
    expect(await remote.request('initialize', INITIALIZE)).toHaveProperty('result');
    expect(server.of('initialize')[0]?.headers).not.toHaveProperty('mcp-method');
  },
);

it('passes modern errors on that come with a status', async () => {
  const error = { code: -32022, message: 'Unsupported', data: { supported: ['2027-01-01'] } };
  const server = await openServer({
    'server/discover': (call) => call.json({ ...answerTo(call), result: undefined, error }, {}, 400),
  });
  const remote = await openRemote(server.url);
  expect((await ask(remote, 'server/discover')).error).toEqual(error);
});

it('sends no method that a header cannot carry as it is', async () => {
  const server = await openServer();
  const remote = await openRemote(server.url);
  const method = 'x\r\nx-evil: 1';
  expect((await ask(remote, method)).result).toEqual({ done: method });
  expect(server.calls[0]?.headers).not.toHaveProperty('x-evil');
  expect(remote.reaches).toEqual([undefined]);
});

it('lets initialize go when whoever has asked what the server is does not wait any longer', async () => {
  const server = await openServer({ 'server/discover': () => {} });
  const remote = await openRemote(server.url);
  remote.send({ id: 'era', method: 'server/discover', params: { _meta: envelope() } });
  const discover = await server.waitFor((call) => nameOf(call) === 'server/discover');
  expect(await remote.initialize()).toHaveProperty('result');
  await discover.closed;
  expect(remote.answersTo('era')).toEqual([]);
});
