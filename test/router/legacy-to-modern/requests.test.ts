import { describe, expect, test } from 'vitest';
import { META } from '../../../src/protocol/constants.ts';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { introduced, settle, toolCall } from './facade.ts';

const ENVELOPE = {
  [META.protocolVersion]: '2026-07-28',
  [META.clientCapabilities]: {},
  [META.clientInfo]: { name: 'client', version: '1' },
};

describe('a request to the server', () => {
  test('says what the client said once, and keeps what it says itself', async () => {
    const facade = await introduced();
    const _meta = {
      traceparent: '00-1',
      [META.relatedTask]: { taskId: 't' },
      [META.protocolVersion]: 'forged',
    };
    await facade.send(toolCall('a', { arguments: { x: 1 }, task: { ttl: 1 }, _meta }));
    const { params } = facade.requested('tools/call');
    expect(params).toStrictEqual({
      name: 'x',
      arguments: { x: 1 },
      _meta: { traceparent: '00-1', ...ENVELOPE },
    });
  });

  test('gets params if it has none', async () => {
    const facade = await introduced();
    await facade.send({ id: 1, method: 'tools/list' });
    expect(facade.requested('tools/list').params).toStrictEqual({ _meta: ENVELOPE });
  });

  test('is no retry, whatever the client says', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1, { inputResponses: {}, requestState: 'stolen' }));
    expect(Object.keys(facade.requested('tools/call').params)).toEqual(['name', '_meta']);
    await facade.send({ id: 2, method: 'vendor/do', params: { task: 'wash', requestState: 1 } });
    expect(facade.requested('vendor/do').params).toMatchObject({ task: 'wash', requestState: 1 });
  });

  test('goes by a number of its own, and the answer by what the client wrote', async () => {
    const facade = await introduced();
    await facade.send(`{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/list"}`);
    await facade.send({ id: 'a', method: 'tools/list' });
    const ids = facade.server.sent.map(({ message }) => message.id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) await facade.say({ id: id ?? null, result: { resultType: 'complete', tools: [] } });
    expect(facade.received[0]?.text).toContain('"id":12345678901234567890');
    expect(facade.answerTo('a').result).toStrictEqual({ tools: [] });
  });

  test('keeps its numbers digit for digit, and its strange keys', async () => {
    const facade = await introduced();
    const given = '{"name":"x","arguments":{"n":12345678901234567890,"f":1.10,"__proto__":{"a":1}}';
    await facade.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${given}}}`);
    const sent = Buffer.from(facade.server.sent.at(-1)?.frame.bytes ?? []).toString();
    expect(sent).toContain('{"n":12345678901234567890,"f":1.10,"__proto__":{"a":1}}');
  });

  test('means what the parser reads, where a key is there twice', async () => {
    const facade = await introduced();
    await facade.send(
      '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"a","name":"b","_meta":{"x":1,"x":2}}}',
    );
    expect(facade.requested('tools/call').params).toMatchObject({ name: 'b', _meta: { x: 2 } });
    await facade.say({ id: facade.requested('tools/call').id, result: { content: [] } });
    expect(facade.answerTo(2).result).toStrictEqual({ content: [] });
  });

  test('tells nothing of what the client cannot be asked', async () => {
    let canAsk = false;
    const capabilities = { sampling: {}, elicitation: {}, roots: {}, experimental: { x: {} } };
    const facade = await introduced({ canAsk: () => canAsk }, { capabilities });
    await facade.send(toolCall(1));
    expect(facade.requested('tools/call').meta[META.clientCapabilities]).toStrictEqual({
      experimental: { x: {} },
    });
    canAsk = true;
    await facade.send(toolCall(2));
    expect(facade.requested('tools/call').meta[META.clientCapabilities]).toMatchObject({ sampling: {} });
  });

  test('is answered here if it is one of the other era, or about tasks', async () => {
    const facade = await introduced();
    const methods = ['server/discover', 'subscriptions/listen', 'tasks/get', 'tasks/list', 'tasks/cancel'];
    for (const method of methods) {
      await facade.send({ id: method, method });
      expect(facade.answerTo(method).error?.code, method).toBe(-32601);
    }
    expect(facade.server.sent).toHaveLength(0);
  });

  test('nested more deeply than can be written is refused', async () => {
    const facade = await introduced();
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    await facade.send(`{"jsonrpc":"2.0","id":1,"id":1,"method":"x","params":{"a":${deep}}}`);
    expect(facade.answerTo(1).error?.code).toBe(-32600);
  });
});

describe('an answer to the client', () => {
  test('loses what only the other era knows', async () => {
    const facade = await introduced();
    await facade.send({ id: 1, method: 'resources/read', params: { uri: 'a:b' } });
    await facade.say({
      id: facade.requested('resources/read').id,
      result: {
        resultType: 'complete',
        ttlMs: 5,
        cacheScope: 'public',
        contents: [],
        vendor: true,
        _meta: { [META.serverInfo]: { name: 's', version: '1' }, kept: 1 },
      },
    });
    expect(facade.answerTo(1).result).toStrictEqual({ contents: [], vendor: true, _meta: { kept: 1 } });
  });

  test('keeps the bytes of what is in it', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    const big = 'x'.repeat(5_000);
    const content = `[{"type":"text","text":"${big}","n":12345678901234567890}]`;
    const structured = `{"n":98765432109876543210,"__proto__":{},"t":"${big}"}`;
    const { id } = facade.requested('tools/call');
    await facade.say(
      `{"result":{"content":${content},"structuredContent":${structured},"resultType":"complete"},"jsonrpc":"2.0","id":${id}}`,
    );
    expect(facade.received[0]?.text).toBe(
      `{"jsonrpc":"2.0","id":1,"result":{"content":${content},"structuredContent":${structured}}}`,
    );
  });

  test('has structured content that is no object as text', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    const structuredContent = Array.from({ length: 2_000 }, (_none, index) => index);
    await facade.say({
      id: facade.requested('tools/call').id,
      result: { resultType: 'complete', content: [], structuredContent },
    });
    expect(facade.answerTo(1).result).toStrictEqual({
      content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
    });
  });

  test('without a type is complete', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    await facade.say({ id: facade.requested('tools/call').id, result: { content: [] } });
    expect(facade.answerTo(1).result).toStrictEqual({ content: [] });
  });

  test.each(['task', 'novel', 7])('of the type %s is an error', async (resultType) => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    await facade.say({ id: facade.requested('tools/call').id, result: { resultType, content: [] } });
    expect(facade.answerTo(1).error).toMatchObject({ code: -32603, data: { reason: 'not_mcp' } });
  });

  test('is an error if the request may not need input', async () => {
    const facade = await introduced();
    await facade.send({ id: 1, method: 'tools/list' });
    await facade.say({
      id: facade.requested('tools/list').id,
      result: { resultType: 'input_required', requestState: 'x' },
    });
    expect(facade.answerTo(1).error).toMatchObject({ code: -32603 });
  });

  test.each([
    [
      'passes',
      { code: -32602, message: 'no', data: { n: 1 } },
      { code: -32602, message: 'no', data: { n: 1 } },
    ],
    ['passes', { code: -32021, message: 'm', data: {} }, { code: -32021, message: 'm', data: {} }],
    ['is ours', { code: -32022, message: 'v' }, { code: -32603 }],
    ['is ours', { code: -32020, message: 'h' }, { code: -32603 }],
  ])('that is an error %s: %o', async (_how, error, expected) => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    await facade.say({ id: facade.requested('tools/call').id, error });
    expect(facade.answerTo(1).error).toMatchObject(expected);
  });

  test.each([
    ['no JSON', (id: RequestId) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[}}`],
    ['twice', (id: RequestId) => `{"jsonrpc":"2.0","id":${id},"result":{"a":1},"id":2}`],
    [
      'too deep',
      (id: RequestId) =>
        `{"jsonrpc":"2.0","id":${id},"result":{"a":1,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`,
    ],
  ])('that is %s is an error', async (_what, line) => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    await facade.say(line(facade.requested('tools/call').id));
    expect(facade.answerTo(1).error).toMatchObject({ code: -32603, data: { reason: 'malformed_answer' } });
  });

  test('to nobody is dropped', async () => {
    const facade = await introduced();
    await facade.say({ id: 77, result: {} });
    expect(facade.received).toHaveLength(0);
  });
});

describe('a cancelled request', () => {
  test('is cancelled at the server, by its number', async () => {
    const facade = await introduced();
    await facade.send(toolCall('a'));
    const { id } = facade.requested('tools/call');
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 'a', reason: 'bored' } });
    expect(facade.server.sent.at(-1)?.message).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: id, reason: 'bored' },
    });
    await facade.say({ id, result: { content: [] } });
    expect(facade.received).toHaveLength(0);
  });

  test('that nobody knows is nobody’s', async () => {
    const facade = await introduced();
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await facade.send({ method: 'notifications/cancelled' });
    expect(facade.server.sent).toHaveLength(0);
  });
});

describe('progress', () => {
  test('comes with the client’s token, digit for digit', async () => {
    const facade = await introduced();
    await facade.send(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":98765432109876543210}}}',
    );
    const { id, meta } = facade.requested('tools/call');
    expect(meta['progressToken']).toBe(id);
    await facade.say(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":1.50}}`,
    );
    expect(facade.received[0]).toMatchObject({ relatedRequestId: 1 });
    expect(facade.received[0]?.text).toContain('"progressToken":98765432109876543210,"progress":1.50');
  });

  test('that the client has not asked for, or that is over, is dropped', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    const { id, meta } = facade.requested('tools/call');
    expect(meta).not.toHaveProperty('progressToken');
    const progress = { method: 'notifications/progress', params: { progressToken: id, progress: 1 } };
    await facade.say(progress);
    await facade.say({ id, result: { content: [] } });
    await facade.say(progress);
    await facade.say('{"jsonrpc":"2.0","method":"notifications/progress","params":{,}}');
    expect(facade.received).toHaveLength(1);
  });
});

describe('notifications', () => {
  test('of the client pass, if they are not its own era’s', async () => {
    const facade = await introduced();
    await facade.send({ method: 'notifications/roots/list_changed' });
    await facade.send({ method: 'notifications/progress', params: { progressToken: 'q', progress: 1 } });
    await facade.send({ method: 'notifications/vendor', params: { x: 1 } });
    expect(facade.server.sent.map(({ message }) => message)).toStrictEqual([
      { jsonrpc: '2.0', method: 'notifications/vendor', params: { x: 1 } },
    ]);
  });

  test('of the server pass as they are, about the request that they came with', async () => {
    const facade = await introduced();
    await facade.send(toolCall('a'));
    const line =
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":12345678901234567890}}';
    await facade.say(line, facade.requested('tools/call').id);
    await facade.say(line);
    expect(facade.received).toMatchObject([
      { text: line, relatedRequestId: 'a' },
      { text: line, relatedRequestId: undefined },
    ]);
  });

  test('are no requests: those of a server of this era are dropped', async () => {
    const facade = await introduced();
    await facade.say({ id: 1, method: 'sampling/createMessage', params: {} });
    await settle();
    expect(facade.received).toHaveLength(0);
    expect(facade.server.sent).toHaveLength(0);
    expect(facade.log.of('server.request-dropped')).toHaveLength(1);
  });
});

describe('the log level', () => {
  test('is told with every request once it is set', async () => {
    const facade = await introduced();
    await facade.send(toolCall(1));
    expect(facade.requested('tools/call').meta).not.toHaveProperty([META.logLevel]);
    await facade.send({ id: 2, method: 'logging/setLevel', params: { level: 'warning' } });
    expect(facade.answerTo(2).result).toStrictEqual({});
    await facade.send(toolCall(3));
    expect(facade.requested('tools/call').meta[META.logLevel]).toBe('warning');
  });

  test('has to be one', async () => {
    const facade = await introduced();
    await facade.send({ id: 1, method: 'logging/setLevel', params: { level: 'loud' } });
    await facade.send({ id: 2, method: 'logging/setLevel' });
    expect(facade.answerTo(1).error?.code).toBe(-32602);
    expect(facade.answerTo(2).error?.code).toBe(-32602);
  });

  test('cannot be set on a server that does not log', async () => {
    const discovered = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} };
    const facade = await introduced({ discovered });
    await facade.send({ id: 1, method: 'logging/setLevel', params: { level: 'info' } });
    expect(facade.answerTo(1).error?.code).toBe(-32601);
  });
});

describe('backpressure', () => {
  test('of the server reaches the client, and the client’s the server', async () => {
    const facade = await introduced();
    const held = new Promise<void>(() => {});
    facade.server.holdWith(held);
    expect(facade.send(toolCall(1))).toBe(held);
    facade.holdWith(held);
    expect(facade.say({ id: facade.requested('tools/call').id, result: { content: [] } })).toBeInstanceOf(
      Promise,
    );
  });
});
