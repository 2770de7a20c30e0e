import { describe, expect, it } from 'vitest';
import { frameFromBytes } from '../../../../src/protocol/frame.ts';
import {
  callsOf,
  initializeRequest,
  INITIALIZED,
  paramsOf,
  say,
  settle,
  shareChild,
  toolCall,
  warmed,
} from './clients.ts';

describe('the handshake', () => {
  it('is made once, without capabilities and in our own name, and replayed to every client', async () => {
    const { connect, children, child } = await warmed();
    const [a, b] = [await connect({ initialize: false }), await connect({ initialize: false })];
    await a.send(initializeRequest(7));
    await b.send(initializeRequest('seven'));
    expect(children).toHaveLength(1);
    expect(paramsOf(child, 'initialize')).toEqual([
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'mcp-run', version: '1.2.3' } },
    ]);
    expect(paramsOf(child, 'notifications/initialized')).toHaveLength(1);
    const { tasks: _tasks, ...capabilities } = INITIALIZED.capabilities;
    expect(a.received).toEqual([{ jsonrpc: '2.0', id: 7, result: { ...INITIALIZED, capabilities } }]);
    expect(b.received).toEqual([{ jsonrpc: '2.0', id: 'seven', result: { ...INITIALIZED, capabilities } }]);
  });

  it.each([
    ['2024-11-05', '2025-06-18', '2024-11-05'],
    ['2025-11-25', '2025-06-18', '2025-06-18'],
    ['2099-01-01', '2025-06-18', '2025-06-18'],
    ['2025-03-26', '2025-03-26', '2025-03-26'],
  ])('for a client of %s and a child of %s is in %s', async (asked, protocolVersion, expected) => {
    const { connect } = shareChild({
      initialize: (id) => ({ id, result: { ...INITIALIZED, protocolVersion } }),
    });
    const client = await connect({ initialize: false });
    await client.send(initializeRequest(1, asked));
    expect(client.received[0]?.result?.['protocolVersion']).toBe(expected);
  });

  it('is not needed for a request, if a client leaves it out', async () => {
    const { connect, child } = await warmed();
    const client = await connect({ initialize: false });
    await client.send(toolCall(1));
    expect(callsOf(child)).toHaveLength(1);
  });
});

describe('an answer', () => {
  it.each(['1', '"1"', '0', '-1', '"mcpr:1"', '9007199254740993', '1.50', '1e2', '"\\u00fc\\""', '""'])(
    'has the id %s of its request, digit for digit',
    async (id) => {
      const { connect, child } = await warmed();
      const client = await connect();
      await client.send(`{"jsonrpc":"2.0","id":${id},"method":"tools/list"}`);
      const [call] = callsOf(child);
      say(child, `{"result":{"n":12345678901234567890,"id":5},"jsonrpc":"2.0","id":${call?.id}}`);
      expect(client.lines).toEqual([
        `{"result":{"n":12345678901234567890,"id":5},"jsonrpc":"2.0","id":${id}}`,
      ]);
    },
  );

  it('and its request keep every byte but the id and the token', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.send(
      '{"x":{"id":1}, "params":{"a":[1.0,2e400], "_meta": {"progressToken" :"t","é":"\\u00e9"} } ,"method":"m","id":"i","jsonrpc":"2.0"}',
    );
    const [call] = callsOf(child);
    const sent = child.sent.at(-1)?.frame.bytes;
    expect(Buffer.from(sent ?? []).toString()).toBe(
      `{"x":{"id":1}, "params":{"a":[1.0,2e400], "_meta": {"progressToken" :${call?.id},"é":"\\u00e9"} } ,"method":"m","id":${call?.id},"jsonrpc":"2.0"}`,
    );
  });

  it('reaches the client that asked, when all use the same ids and tokens', async () => {
    const { connect, child } = await warmed();
    const clients = [await connect(), await connect(), await connect()];
    for (const client of clients) await client.send(toolCall(1, 1));
    const calls = callsOf(child);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
    for (const [n, { id, message }] of calls.entries()) {
      expect(message.params?.['_meta']).toEqual({ progressToken: id });
      say(
        child,
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":${n}}}`,
      );
    }
    for (const [n, { id }] of calls.toReversed().entries()) {
      say(child, `{"jsonrpc":"2.0","id":${id},"result":{"n":${n}}}`);
    }
    for (const [n, client] of clients.entries()) {
      expect(client.received).toEqual([
        { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: n } },
        { jsonrpc: '2.0', id: 1, result: { n: 2 - n } },
      ]);
    }
  });

  it('that is an error is passed with code and data', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.send(toolCall('e'));
    const [call] = callsOf(child);
    const error = { code: -1, message: 'no', data: { why: [1] } };
    await child.deliver({ id: call?.id ?? null, error });
    expect(client.received).toEqual([{ jsonrpc: '2.0', id: 'e', error }]);
  });

  it('is passed once, and not at all when the call was cancelled', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.send(toolCall(1));
    await client.send(toolCall(2, 'p'));
    await client.send({ method: 'notifications/cancelled', params: { requestId: 2, reason: 'enough' } });
    const [first, second] = callsOf(child);
    expect(paramsOf(child, 'notifications/cancelled')).toEqual([{ requestId: second?.id, reason: 'enough' }]);
    await child.deliver({ id: first?.id ?? null, result: {} });
    await child.deliver({ id: first?.id ?? null, result: { again: true } });
    await child.deliver({ id: second?.id ?? null, result: {} });
    await child.deliver({
      method: 'notifications/progress',
      params: { progressToken: second?.id, progress: 1 },
    });
    expect(client.received).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
  });
});

describe('a cancellation', () => {
  it('reaches the own call only, by id and type', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await b.send(toolCall('1'));
    for (const requestId of ['1', 1, 2, null, undefined, {}]) {
      await (requestId === 1 ? b : a).send({ method: 'notifications/cancelled', params: { requestId } });
    }
    expect(paramsOf(child, 'notifications/cancelled')).toEqual([]);
    await b.send({ method: 'notifications/cancelled', params: { requestId: '1' } });
    expect(paramsOf(child, 'notifications/cancelled')).toEqual([{ requestId: callsOf(child)[1]?.id }]);
  });

  it('is made for every call of a client that leaves, and no answer to it reaches anybody', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await b.send(toolCall(1));
    await a.send(toolCall(2));
    await a.link.close();
    const [one, , two] = callsOf(child);
    expect(paramsOf(child, 'notifications/cancelled')).toMatchObject([
      { requestId: one?.id },
      { requestId: two?.id },
    ]);
    for (const { id } of callsOf(child)) await child.deliver({ id, result: { for: id } });
    expect(a.received).toEqual([]);
    expect(b.received).toMatchObject([{ id: 1 }]);
    expect(child.isClosed).toBe(false);
  });
});

describe('a question of the child', () => {
  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list', 'example.com/ask'])(
    '%s is refused and reaches nobody',
    async (method) => {
      const { connect, child } = await warmed();
      const client = await connect();
      await client.send(toolCall(1));
      await child.deliver({ id: 's1', method, params: {} });
      await child.deliver({ id: 1, method });
      for (const id of ['s1', 1]) {
        expect(child.answersTo(id)).toMatchObject([
          { error: { code: -32_601, data: { reason: 'client_cannot' } } },
        ]);
      }
      expect(client.received).toEqual([]);
    },
  );

  it('that is a ping is answered', async () => {
    const { child } = await warmed();
    await child.deliver({ id: 0, method: 'ping' });
    expect(child.answersTo(0)).toEqual([{ jsonrpc: '2.0', id: 0, result: {} }]);
  });

  it('cannot be answered by a client', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await child.deliver({ id: 's1', method: 'roots/list' });
    const before = child.sent.length;
    await client.send({ id: 's1', result: { roots: [] } });
    expect(child.sent).toHaveLength(before);
  });
});

describe('a hostile line of the child', () => {
  it.each([
    ['two ids', '{"jsonrpc":"2.0","id":$A,"result":{},"id":$B}'],
    ['two ids at the front', '{"jsonrpc":"2.0","id":$A,"id":$B,"result":{}}'],
    ['an escaped second id', '{"jsonrpc":"2.0","id":$A,"result":{},"\\u0069d":$B}'],
    ['a second id in another case', '{"jsonrpc":"2.0","id":$A,"result":{},"ID":$B}'],
    ['a second id behind the result', '{"result":{},"jsonrpc":"2.0","Id":$B,"id":$A}'],
    ['two results', '{"jsonrpc":"2.0","id":$A,"result":{},"Result":{"x":1}}'],
    ["the client's own id", '{"jsonrpc":"2.0","id":"a","result":{}}'],
    ['an id that nobody has', '{"jsonrpc":"2.0","id":999,"result":{}}'],
    ['its id as a string', '{"jsonrpc":"2.0","id":"$A","result":{}}'],
    ['an id of ours', '{"jsonrpc":"2.0","id":"mcpr:1","result":{}}'],
    ['an id that is none', '{"jsonrpc":"2.0","id":{"x":$A},"result":{}}'],
    ['no id', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}'],
    ['something behind it', '{"jsonrpc":"2.0","id":$A,"result":{}} {"id":$B,"result":{}}'],
    ['a notification with a hidden id', '{"jsonrpc":"2.0","method":"notifications/x","\\u0069d":$B}'],
    [
      'a notification with an id in capitals',
      '{"jsonrpc":"2.0","method":"notifications/x","ID":$B,"Result":{}}',
    ],
    [
      'progress with two tokens',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$A,"progress":1,"progressToken":$B}}',
    ],
    [
      'progress with a second token in another case',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$A,"progress":1,"progressTo\u212aen":$B}}',
    ],
    [
      "progress with the client's own token",
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}',
    ],
    [
      'progress with its token as a string',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"$A","progress":1}}',
    ],
    ['progress without a token', '{"jsonrpc":"2.0","method":"notifications/progress","params":[1]}'],
  ])('with %s reaches nobody', async (_what, template) => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall('a', 't'));
    await b.send(toolCall('b', 't'));
    const [first, second] = callsOf(child);
    const line = template.replaceAll('$A', String(first?.id)).replaceAll('$B', String(second?.id));
    try {
      say(child, line);
    } catch {
      // Not even a message: the link would have skipped it.
    }
    expect([a.received, b.received]).toEqual([[], []]);
    // And the calls are as open as before.
    await child.deliver({ id: first?.id ?? null, result: {} });
    await child.deliver({ id: second?.id ?? null, result: {} });
    expect([a.received, b.received]).toMatchObject([[{ id: 'a' }], [{ id: 'b' }]]);
  });

  it.each([
    ['an end that is missing', '{"jsonrpc":"2.0","id":$A,"result":{"content":[{"type":"text","text":"unterm'],
    ['brackets that do not match', '{"result":{"content":[1,2},"jsonrpc":"2.0","id":$A}'],
    ['its result twice', '{"jsonrpc":"2.0","id":$A,"result":{},"result":{}}'],
    ['a text behind it', '{"jsonrpc":"2.0","id":$A,"result":{}} done'],
  ])('that is an answer with %s fails its call at once, and no other', async (_what, template) => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall('a', 't'));
    await b.send(toolCall('b', 't'));
    const [first] = callsOf(child);
    const { id } = first ?? {};
    const bytes = Buffer.from(template.replaceAll('$A', String(id)));
    await child.deliver(frameFromBytes('response', bytes, id ?? undefined, undefined));
    const error = { code: -32_603, data: { reason: 'unreadable_answer' } };
    expect([a.received, b.received]).toMatchObject([[{ id: 'a', error }], []]);
  });

  it("as an answer to a client's id reaches nobody, even if another client's call has that number", async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1_000_000));
    await b.send(toolCall(2));
    await child.deliver({ id: 1_000_000, result: {} });
    expect([a.received, b.received]).toEqual([[], []]);
  });
});

describe('a hostile message of a client', () => {
  const FORGED = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","id":$B}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","ID":$B}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","\\u0049d":$B}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":$B},"_meta":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{},"_Meta":{"progressToken":$B}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progresstoken":$B}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"Params":{"_meta":{"progressToken":$B}}}',
    '{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"a","URI":"b"}}',
  ];

  it.each(FORGED)('is refused, for the server could read it differently: %s', async (template) => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await b.send(toolCall('b', 't'));
    const before = child.sent.length;
    await a.send(template.replaceAll('$B', String(callsOf(child)[0]?.id)));
    expect(child.sent).toHaveLength(before);
    expect(a.received).toMatchObject([{ error: { code: -32_600 } }]);
  });

  it.each([
    '{"jsonrpc":"2.0","method":"notifications/cancelled","method":"notifications/x","params":{"requestId":$B}}',
    '{"jsonrpc":"2.0","method":"notifications/x","Method":"notifications/cancelled","params":{"requestId":$B}}',
    '{"jsonrpc":"2.0","method":"notifications/x","METHOD":"tools/call","ID":$B}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"requestid":$B}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$B}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$B,"progress":1}}',
    '{"jsonrpc":"2.0","id":"s1","result":{}}',
  ])('that is no request is dropped: %s', async (template) => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await b.send(toolCall('b'));
    const before = child.sent.length;
    await a.send(template.replaceAll('$B', String(callsOf(child)[1]?.id)));
    await settle();
    expect(child.sent).toHaveLength(before);
    expect(a.received).toEqual([]);
  });

  it.each(['[]', 'true', 'null', '{"a":1}', '"7"', '7'])(
    'cannot have the token of another call by sending %s for one',
    async (token) => {
      const { connect, child } = await warmed();
      const a = await connect();
      await a.send(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":${token}}}}`,
      );
      const [call] = callsOf(child);
      expect(call?.message.params?.['_meta']).toEqual({ progressToken: call?.id });
    },
  );

  it('may use such names where they mean nothing', async () => {
    const { connect, child } = await warmed();
    const a = await connect();
    const params = { URI: 1, uri: 2, requestid: 3, ProgressToken: 4, arguments: { id: 1, ID: 2 } };
    await a.send({ id: 1, method: 'example.com/call', params });
    expect(callsOf(child).map(({ message }) => message.params)).toEqual([params]);
  });
});

describe('tasks', () => {
  it('are not begun: a tool that is called as one is called as any other', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.send(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":1e400,"task":{"ttl":1},"name":"x"}}',
    );
    const [sent] = child.sent.filter(({ message }) => message.method === 'tools/call');
    expect(Buffer.from(sent?.frame.bytes ?? []).toString()).toBe(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":1e400,"name":"x"}}',
    );
  });

  it.each(['tasks/list', 'tasks/get', 'tasks/result', 'tasks/cancel'])(
    'of one client cannot be reached by another: %s',
    async (method) => {
      const { connect, child } = await warmed();
      const client = await connect();
      await client.send({ id: 1, method, params: { taskId: 't' } });
      expect(client.received).toMatchObject([
        { id: 1, error: { code: -32_601, data: { reason: 'not_shared' } } },
      ]);
      expect(callsOf(child)).toEqual([]);
    },
  );
});
