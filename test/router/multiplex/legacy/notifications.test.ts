import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { JsonRpcMessage } from '../../../../src/protocol/frame.ts';
import type { MemoryLink } from '../../../support/memory-link.ts';
import { callsOf, INITIALIZED, paramsOf, say, settle, toolCall, warmed, type TestTenant } from './clients.ts';

const URI = 'file:///a';
const updated = (uri: string): Omit<JsonRpcMessage, 'jsonrpc'> => ({
  method: 'notifications/resources/updated',
  params: { uri },
});
const logLine = (data: unknown, level = 'info'): Omit<JsonRpcMessage, 'jsonrpc'> => ({
  method: 'notifications/message',
  params: { level, data },
});

describe('what carries no correlation', () => {
  afterEach(() => vi.useRealTimers());

  it.each(['notifications/message', 'notifications/example.com/any'])(
    '(%s) reaches the caller of the one call that runs, byte for byte',
    async (method) => {
      const { connect, child } = await warmed();
      const [a, b] = [await connect(), await connect()];
      await a.send(toolCall(1));
      const line = `{"x":1,"jsonrpc":"2.0", "method":"${method}","params":{"n":12345678901234567890}}`;
      say(child, line);
      expect(a.lines).toEqual([line]);
      expect(b.lines).toEqual([]);
    },
  );

  it('reaches nobody when no call runs, or several', async () => {
    const { connect, child, log } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await child.deliver(logLine('none'));
    await a.send(toolCall(1));
    await b.send(toolCall(1));
    await child.deliver(logLine('two'));
    await answer(child, 0);
    await child.deliver(logLine('one, which has run at the same time as another'));
    await answer(child, 1);
    await child.deliver(logLine('none again'));
    await b.send(toolCall(2));
    await child.deliver(logLine('one'));
    expect(loggedBy(a)).toEqual([]);
    expect(loggedBy(b)).toEqual(['one']);
    expect(log.of('server.notification-dropped')).toHaveLength(4);
  });

  it('reaches no client when it may belong to another call that ran at the same time', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await b.send(toolCall(1));
    const [first, second] = callsOf(child).map(({ id }) => id);
    await child.deliver(logLine('of two'), first);
    await answer(child, 0);
    await child.deliver(logLine('late'), first);
    // The server may have guessed, and the answer to the first call may have overtaken what the call logged.
    await child.deliver(logLine('of either'), second);
    await answer(child, 1);
    await b.send(toolCall(2));
    const [, , third] = callsOf(child).map(({ id }) => id);
    await child.deliver(logLine('its own'), third);
    expect(loggedBy(a)).toEqual([]);
    expect(loggedBy(b)).toEqual(['its own']);
  });

  it("of a call that its client cancelled does not pass for another client's", async () => {
    const { pass } = fakeClock();
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await a.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await b.send(toolCall(1));
    await child.deliver(logLine("still about a's"));
    vi.setSystemTime(Date.now() + 3_600_000);
    await child.deliver(logLine("still about a's, whatever the wall clock says"));
    expect(loggedBy(b)).toEqual([]);

    pass(30_000);
    await child.deliver(logLine('long after'));
    expect(loggedBy(b)).toEqual(['long after']);
  });

  it.each<[string, (client: TestTenant, child: MemoryLink) => Promise<void>]>([
    ['ended with an error', (_, child) => respond(child, { error: { code: -1, message: 'timed out' } })],
    [
      'ended with a failure of its tool',
      (_, child) => respond(child, { result: { content: [], isError: true } }),
    ],
    [
      'needs input',
      (_, child) => respond(child, { result: { resultType: 'input_required', inputRequests: {} } }),
    ],
    ['was cancelled', (a) => a.send({ method: 'notifications/cancelled', params: { requestId: 1 } })],
    ['ended with its session', (a) => a.link.close()],
    [
      'ended right before its session',
      async (a, child) => {
        await respond(child, { result: {} });
        await a.link.close();
      },
    ],
  ])("of a call that %s does not pass for another client's for a while", async (_how, end) => {
    const { pass } = fakeClock();
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await end(a, child);
    // The same user again is another client, too.
    for (const client of [b, await connect()]) {
      await client.send(toolCall(1));
      await child.deliver(logLine("still about a's"));
      await respond(child, { result: {} });
      expect(loggedBy(client)).toEqual([]);
    }
    pass(30_000);
    await b.send(toolCall(2));
    await child.deliver(logLine('long after'));
    expect(loggedBy(b)).toEqual(['long after']);
  });

  it('of a task that a server has made of a call does not pass for that of a later call', async () => {
    const { pass } = fakeClock();
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await respond(child, { result: { task: { taskId: 't', status: 'working' } } });
    pass(60_000);
    await b.send(toolCall(1));
    await child.deliver(logLine("of a's task"));
    expect(loggedBy(b)).toEqual([]);
  });

  it('does not pass for that of a call while another client is subscribed to a resource', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await subscribe(a, child);
    await b.send(toolCall(1));
    await child.deliver(logLine('file:///a has changed'));
    expect(loggedBy(b)).toEqual([]);
    await respond(child, { result: {} });
    await a.send({ id: 'u', method: 'resources/unsubscribe', params: { uri: URI } });
    await respond(child, { result: {} });
    await b.send(toolCall(2));
    await child.deliver(logLine('mine'));
    expect(loggedBy(b)).toEqual(['mine']);
  });

  it('reaches the client whose calls are the only ones that run, although there are several', async () => {
    const { connect, child } = await warmed();
    const [a] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await a.send(toolCall(2));
    await child.deliver(logLine('mine'));
    expect(loggedBy(a)).toEqual(['mine']);
  });

  it('still reaches a client that has cancelled a call itself', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await a.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await a.send(toolCall(2));
    await child.deliver(logLine('mine'));
    await b.send(toolCall(1));
    await b.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await child.deliver(logLine("mine or b's"));
    expect(loggedBy(a)).toEqual(['mine']);
  });

  it("of a call whose client has left does not pass for another client's, until there is a new child", async () => {
    const setup = await warmed();
    const { connect } = setup;
    const [a, b] = [await connect(), await connect()];
    await a.send(toolCall(1));
    await a.link.close();
    await b.send(toolCall(1));
    await setup.child.deliver(logLine("a's"));
    setup.child.drop();
    await settle();
    await b.send(toolCall(2));
    await setup.child.deliver(logLine("b's"));
    expect(loggedBy(b)).toEqual(["b's"]);
  });

  it.each(['notifications/cancelled', 'notifications/tasks/status'])('reaches nobody: %s', async (method) => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.send(toolCall(1));
    await child.deliver({ method, params: { requestId: 1, taskId: 't' } });
    expect(client.received).toEqual([]);
  });
});

describe('log levels', () => {
  it('are kept for each client, and the child is told the least of them', async () => {
    const { connect, child } = await warmed();
    const [a, b, c] = [await connect(), await connect(), await connect()];
    await setLevel(a, 'error');
    await setLevel(b, 'debug');
    await setLevel(c, 'warning');
    await settle();
    expect(levelsOf(child)).toEqual(['error', 'debug']);
    expect(a.received).toEqual([{ jsonrpc: '2.0', id: 'level', result: {} }]);

    for (const client of [a, b, c]) {
      await client.send(toolCall(1));
      for (const level of ['debug', 'warning', 'error']) await child.deliver(logLine(level, level));
      await answer(child, callsOf(child).length - 1);
    }
    expect([loggedBy(a), loggedBy(b), loggedBy(c)]).toEqual([
      ['error'],
      ['debug', 'warning', 'error'],
      ['warning', 'error'],
    ]);
  });

  it('follow the clients that are left, and a new child is told', async () => {
    const setup = await warmed();
    const [a, b] = [await setup.connect(), await setup.connect()];
    await setLevel(a, 'debug');
    await setLevel(b, 'error');
    await a.link.close();
    await settle();
    expect(levelsOf(setup.child)).toEqual(['debug', 'error']);
    setup.child.drop();
    await settle();
    expect(setup.children).toHaveLength(2);
    expect(levelsOf(setup.child)).toEqual(['error']);
  });

  it('that the child does not know, or cannot have, it refuses itself', async () => {
    const { connect, child } = await warmed();
    await setLevel(await connect(), 'chatty');
    expect(callsOf(child)[0]?.message).toMatchObject({
      method: 'logging/setLevel',
      params: { level: 'chatty' },
    });

    const without = await warmed({
      initialize: (id) => ({ id, result: { ...INITIALIZED, capabilities: {} } }),
    });
    await setLevel(await without.connect(), 'debug');
    expect(callsOf(without.child)[0]?.message).toMatchObject({ method: 'logging/setLevel' });
  });
});

describe('subscriptions', () => {
  it('are asked for once, and reach every client that has one', async () => {
    const { connect, child } = await warmed();
    const [a, b, c] = [await connect(), await connect(), await connect()];
    await subscribe(a, child);
    await b.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    expect(b.received).toEqual([{ jsonrpc: '2.0', id: 's', result: {} }]);
    expect(paramsOf(child, 'resources/subscribe')).toEqual([{ uri: URI }]);
    await child.deliver(updated(URI));
    await child.deliver(updated(`${URI}/part`));
    await child.deliver(updated('file:///ab'));
    await child.deliver(updated('file:///'));
    await child.deliver({ method: 'notifications/resources/updated', params: { uri: { x: 1 } } });
    expect([a, b, c].map((client) => updatesOf(client))).toEqual([
      [URI, `${URI}/part`],
      [URI, `${URI}/part`],
      [],
    ]);
  });

  it.each([
    ['file:///a/secret', [[], ['file:///a/secret']]],
    ['file:///a/other', [['file:///a/other'], []]],
    ['file:///a/../secret', [[], []]],
    ['file:///a/%2e%2e/secret', [[], []]],
    ['file:///b/../a/other', [['file:///b/../a/other'], []]],
    ['file:///a/x/../secret', [[], ['file:///a/x/../secret']]],
    ['file:///a/%73ecret', [[], ['file:///a/%73ecret']]],
    ['FILE:///a/secret', [[], ['FILE:///a/secret']]],
  ])(
    'to a folder hear of %s only if no other client has subscribed to exactly that',
    async (uri, expected) => {
      const { connect, child } = await warmed();
      const clients = [await connect(), await connect()];
      for (const [i, subscribed] of ['file:///a', 'file:///a/secret'].entries()) {
        await clients[i]?.send({ id: 's', method: 'resources/subscribe', params: { uri: subscribed } });
        await answer(child, i);
      }
      await child.deliver(updated(uri));
      expect(clients.map((client) => updatesOf(client))).toEqual(expected);
    },
  );

  it('to two spellings of a URI hear of both, and not of others', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    for (const [i, client] of [a, b].entries()) {
      const uri = ['file:///a/b', 'file:///a/./%62'][i];
      await client.send({ id: 's', method: 'resources/subscribe', params: { uri } });
      await answer(child, i);
    }
    await child.deliver(updated('file:///a/b'));
    await b.send({ id: 'u', method: 'resources/unsubscribe', params: { uri: 'file:///a/./%62' } });
    await answer(child, 2);
    await child.deliver(updated('file:///a/%62'));
    expect([a, b].map((client) => updatesOf(client))).toEqual([
      ['file:///a/b', 'file:///a/%62'],
      ['file:///a/b'],
    ]);
  });

  it('end with the last client that unsubscribes', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await subscribe(a, child);
    await subscribe(b, child);
    await a.send({ id: 'u', method: 'resources/unsubscribe', params: { uri: URI } });
    expect(a.received.at(-1)).toEqual({ jsonrpc: '2.0', id: 'u', result: {} });
    expect(paramsOf(child, 'resources/unsubscribe')).toEqual([]);
    await child.deliver(updated(URI));
    expect([updatesOf(a), updatesOf(b)]).toEqual([[], [URI]]);

    await b.send({ id: 'u', method: 'resources/unsubscribe', params: { uri: URI } });
    expect(paramsOf(child, 'resources/unsubscribe')).toEqual([{ uri: URI }]);
    await answer(child, callsOf(child).length - 1);
    expect(b.received.at(-1)).toEqual({ jsonrpc: '2.0', id: 'u', result: {} });
    await child.deliver(updated(URI));
    expect(updatesOf(b)).toEqual([URI]);
  });

  it('of another client cannot be ended', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await subscribe(a, child);
    await b.send({ id: 1, method: 'resources/unsubscribe', params: { uri: URI } });
    await b.link.close();
    await settle();
    expect(paramsOf(child, 'resources/unsubscribe')).toEqual([]);
  });

  it('end with the last client that leaves', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await subscribe(a, child);
    await subscribe(b, child);
    await a.link.close();
    expect(paramsOf(child, 'resources/unsubscribe')).toEqual([]);
    await b.link.close();
    await settle();
    expect(paramsOf(child, 'resources/unsubscribe')).toEqual([{ uri: URI }]);
  });

  it('that the child refuses are none', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    await child.deliver({
      id: callsOf(child)[0]?.id ?? null,
      error: { code: -32_002, message: 'no such thing' },
    });
    expect(a.received).toMatchObject([{ id: 's', error: { code: -32_002 } }]);
    await child.deliver(updated(URI));
    expect(updatesOf(a)).toEqual([]);
    await b.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    expect(paramsOf(child, 'resources/subscribe')).toHaveLength(2);
  });

  it('that were cancelled before the answer are none', async () => {
    const { connect, child } = await warmed();
    const a = await connect();
    await a.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    await a.send({ method: 'notifications/cancelled', params: { requestId: 's' } });
    await child.deliver(updated(URI));
    expect(a.received).toEqual([]);
  });

  it('that ended before they were accepted are asked for again', async () => {
    const { connect, child } = await warmed();
    const [a, b] = [await connect(), await connect()];
    await a.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    await a.send({ id: 'u', method: 'resources/unsubscribe', params: { uri: URI } });
    await answer(child, 0);
    await answer(child, 1);
    await b.send({ id: 's', method: 'resources/subscribe', params: { uri: URI } });
    expect(paramsOf(child, 'resources/subscribe')).toHaveLength(2);
  });

  it('are made again with the next child, except those that it had not accepted', async () => {
    const setup = await warmed();
    const [a, b] = [await setup.connect(), await setup.connect()];
    await subscribe(a, setup.child);
    await b.send({ id: 's', method: 'resources/subscribe', params: { uri: 'file:///b' } });
    setup.child.drop();
    await settle();
    expect(setup.children).toHaveLength(2);
    expect(paramsOf(setup.child, 'resources/subscribe')).toEqual([{ uri: URI }]);
    expect(b.received).toMatchObject([{ id: 's', error: { code: -32_603 } }]);
    await setup.child.deliver(updated(URI));
    await setup.child.deliver(updated('file:///b'));
    expect([updatesOf(a), updatesOf(b)]).toEqual([[URI], []]);
  });

  it('without a URI are for the child to refuse', async () => {
    const { connect, child } = await warmed();
    const a = await connect();
    await a.send({ id: 1, method: 'resources/subscribe', params: {} });
    await a.send({ id: 2, method: 'resources/subscribe' });
    expect(callsOf(child)).toHaveLength(2);
  });
});

describe('list_changed', () => {
  it.each(['tools', 'prompts', 'resources'])(
    'of %s reaches all clients that are initialized',
    async (kind) => {
      const { connect, child } = await warmed();
      const [a, b] = [await connect(), await connect()];
      const c = await connect({ initialize: false });
      const gone = await connect();
      await gone.link.close();
      const method = `notifications/${kind}/list_changed`;
      await child.deliver({ method });
      expect([a, b, c, gone].map(({ received }) => received)).toEqual([
        [{ jsonrpc: '2.0', method }],
        [{ jsonrpc: '2.0', method }],
        [],
        [],
      ]);
    },
  );
});

/** A clock that only `pass` moves on, beside the one of the wall. */
function fakeClock(): { pass(ms: number): void } {
  vi.useFakeTimers({ toFake: ['Date'] });
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  return { pass: (ms) => void (now += ms) };
}

/** Answers the call that the child got last. */
async function respond(child: MemoryLink, outcome: Partial<JsonRpcMessage>): Promise<void> {
  await child.deliver({ id: callsOf(child).at(-1)?.id ?? null, ...outcome });
}

async function setLevel(client: TestTenant, level: string): Promise<void> {
  await client.send({ id: 'level', method: 'logging/setLevel', params: { level } });
}

async function subscribe(client: TestTenant, child: MemoryLink): Promise<void> {
  const before = callsOf(child).length;
  await client.send({ id: 'sub', method: 'resources/subscribe', params: { uri: URI } });
  if (callsOf(child).length > before) await answer(child, before);
  client.received.length = 0;
}

/** Answers the child's nth call. */
async function answer(child: MemoryLink, n: number): Promise<void> {
  await child.deliver({ id: callsOf(child)[n]?.id ?? null, result: {} });
}

function levelsOf(child: MemoryLink): unknown[] {
  return paramsOf(child, 'logging/setLevel').map((params) => (params as { level: unknown }).level);
}

function loggedBy({ received }: TestTenant): unknown[] {
  return received.flatMap(({ method, params }) =>
    method === 'notifications/message' ? [params?.['data']] : [],
  );
}

function updatesOf({ received }: TestTenant): unknown[] {
  return received.flatMap(({ method, params }) =>
    method === 'notifications/resources/updated' ? [params?.['uri']] : [],
  );
}
