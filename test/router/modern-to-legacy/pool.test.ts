/** A legacy server for modern clients: one process for each kind of client, and each request on its own. */
import { describe, expect, test } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { META } from '../../../src/protocol/constants.ts';
import { createWorld, lastCallOf, requestsTo, SERVER_INFO, settled, startServer } from './legacy-world.ts';
import { connect } from './modern-client.ts';
import { eventually } from '../../support/eventually.ts';

const CALL = { name: 'any', arguments: {} };

describe('a process', () => {
  test('is told of the one client that it serves, and of nothing that is withheld', async () => {
    const { pool, child } = createWorld();
    const capabilities = { roots: { listChanged: true }, elicitation: {}, tasks: {} };
    await connect(pool, { capabilities, name: 'mine', withheld: ['roots'] }).ask('tools/list');
    await settled();
    expect(requestsTo(child(), 'initialize')[0]?.message.params).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: { elicitation: {} },
      clientInfo: { name: 'mine', version: '1' },
    });
    expect(requestsTo(child(), 'notifications/initialized')).toHaveLength(1);
  });

  test('serves all clients that are the same one, and no other', async () => {
    const { pool, children, principals } = createWorld();
    await connect(pool).ask('tools/list');
    await connect(pool).ask('tools/list');
    expect(children).toHaveLength(1);
    await connect(pool, { principal: 'two' }).ask('tools/list');
    await connect(pool, { capabilities: { sampling: {} } }).ask('tools/list');
    await connect(pool, { name: 'other' }).ask('tools/list');
    expect(principals).toEqual(['one', 'two', 'one', 'one']);
  });

  test('that runs already is the first one', async () => {
    const first = startServer();
    const { pool, children } = createWorld({ first });
    await connect(pool).ask('tools/list');
    await settled();
    expect(children).toEqual([]);
    expect(requestsTo(first, 'tools/list')).toHaveLength(1);
  });

  test('is one of at most eight for a principal; the one left idle longest ends for a ninth', async () => {
    const { pool, children, child } = createWorld();
    const clients = Array.from({ length: 8 }, (_, n) => connect(pool, { name: `kind ${n}` }));
    for (const client of clients) await client.ask('tools/call', CALL);
    await settled();
    const ninth = connect(pool, { name: 'one too many' });
    const refused = await ninth.ask('tools/list');
    expect(ninth.answerTo(refused)?.error).toMatchObject({
      code: -32603,
      data: { reason: 'too_many_variants' },
    });
    await child(0).deliver({ id: lastCallOf(child(0)), result: {} });
    await ninth.ask('tools/list');
    expect(children).toHaveLength(9);
    expect(child(0).isClosed).toBe(true);
  });

  test('that nobody uses ends, and the next request has another one', async () => {
    const { pool, children, child } = createWorld({ childIdleMs: 1 });
    const client = connect(pool);
    await client.ask('tools/call', CALL);
    await settled();
    await child().deliver({ id: lastCallOf(child()), result: {} });
    await eventually(() => expect(child().isClosed).toBe(true));
    await client.ask('tools/call', CALL);
    expect(children).toHaveLength(2);
  });

  test('that cannot be started is an answer, and not the last word', async () => {
    let attempts = 0;
    const { pool } = createWorld({
      openChild: async () => {
        attempts += 1;
        if (attempts === 1) throw new RunError('TOO_MANY_CHILDREN', { what: 'server "files"', max: 1 });
        return startServer();
      },
    });
    const client = connect(pool);
    const refused = await client.ask('tools/list');
    await eventually(() =>
      expect(client.answerTo(refused)?.error).toMatchObject({ data: { reason: 'too_many_children' } }),
    );
    const discovered = await client.ask('server/discover');
    await eventually(() => expect(client.answerTo(discovered)?.result).toBeDefined());
  });

  test('is kept ready, for the kinds of clients that come', async () => {
    const { pool, children, child } = createWorld({ warm: 1 });
    await connect(pool, { name: 'first' }).ask('tools/list');
    await eventually(() => expect(children).toHaveLength(2));
    await settled();
    await connect(pool, { name: 'second' }).ask('tools/list');
    expect(requestsTo(child(1), 'tools/list')).toHaveLength(1);
    await eventually(() => expect(children).toHaveLength(3));
  });

  test('that may see the client’s directories is never kept ready', async () => {
    const { pool, children } = createWorld({ warm: 1 });
    await connect(pool, { capabilities: { roots: {} } }).ask('tools/list');
    await settled();
    expect(children).toHaveLength(1);
  });
});

describe('a request', () => {
  test('reaches the server without its envelope, under a number of ours, and is answered under its own id', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    const id = await client.ask(
      'tools/call',
      { ...CALL, extra: 1 },
      { progressToken: 'mine', traceparent: '00-1' },
    );
    await settled();
    const number = lastCallOf(child());
    expect(requestsTo(child(), 'tools/call')[0]?.message).toEqual({
      jsonrpc: '2.0',
      id: number,
      method: 'tools/call',
      params: { ...CALL, extra: 1, _meta: { progressToken: number, traceparent: '00-1' } },
    });
    await child().deliver({
      method: 'notifications/progress',
      params: { progressToken: number, progress: 1 },
    });
    await child().deliver({ id: number, result: { content: [], 'x-y': 1 } });
    expect(client.received).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'mine', progress: 1 } },
      {
        jsonrpc: '2.0',
        id,
        result: { content: [], 'x-y': 1, resultType: 'complete', _meta: { [META.serverInfo]: SERVER_INFO } },
      },
    ]);
  });

  test.each([
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tasks/get',
  ])('that the revision does not have is refused: %s', async (method) => {
    const { pool, children } = createWorld();
    const client = connect(pool);
    const id = await client.ask(method);
    expect(client.answerTo(id)?.error?.code).toBe(-32601);
    expect(children).toEqual([]);
  });

  test.each([
    [{ [META.clientCapabilities]: undefined }, -32602],
    [{ [META.protocolVersion]: '2099-01-01' }, -32022],
    [{ [META.logLevel]: 'loud' }, -32602],
  ])('with an envelope that is wrong is refused: %j', async (meta, code) => {
    const { pool } = createWorld();
    const client = connect(pool);
    expect(client.answerTo(await client.ask('tools/list', {}, meta))?.error?.code).toBe(code);
  });

  test('of two clients at once under the same ids is answered to each', async () => {
    const { pool, child } = createWorld();
    const clients = [connect(pool), connect(pool)];
    const ids = [await clients[0]?.ask('tools/call', CALL), await clients[1]?.ask('tools/call', CALL)];
    await settled();
    const numbers = requestsTo(child(), 'tools/call').map(({ message }) => message.id ?? 0);
    for (const number of numbers.toReversed()) await child().deliver({ id: number, result: { of: number } });
    for (const [n, client] of clients.entries()) {
      expect(client.received).toHaveLength(1);
      expect(client.answerTo(ids[n] ?? '')?.result).toMatchObject({ of: numbers[n] });
    }
  });

  test('whose client goes is cancelled', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    await client.ask('tools/call', CALL);
    await settled();
    await client.leave();
    expect(requestsTo(child(), 'notifications/cancelled')[0]?.message.params).toMatchObject({
      requestId: lastCallOf(child()),
    });
    await child().deliver({ id: lastCallOf(child()), result: {} });
    expect(client.received).toEqual([]);
  });

  test('fails at once when the process dies, and the next one has another process', async () => {
    const { pool, children, child } = createWorld();
    const client = connect(pool);
    const id = await client.ask('tools/call', CALL);
    await settled();
    child().drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL', exitCode: 137 }));
    expect(client.answerTo(id)?.error).toMatchObject({ code: -32603, data: { reason: 'upstream_exited' } });
    await client.ask('tools/call', CALL);
    expect(children).toHaveLength(2);
  });

  test('for a tool that runs as a task only is made one', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    const id = await client.ask('tools/call', CALL);
    await settled();
    await child().deliver({ id: lastCallOf(child()), error: { code: -32601, message: 'needs a task' } });
    expect(requestsTo(child(), 'tools/call').at(-1)?.message.params).toMatchObject({
      task: { ttl: 1_800_000 },
    });
    await child().deliver({ id: lastCallOf(child()), result: { task: { taskId: 't' } } });
    expect(requestsTo(child(), 'tasks/result')[0]?.message.params).toEqual({ taskId: 't' });
    await child().deliver({ id: lastCallOf(child(), 'tasks/result'), result: { content: [] } });
    expect(client.answerTo(id)?.result).toMatchObject({ content: [], resultType: 'complete' });
  });

  test('is not answered by a line that names two requests', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    const id = await client.ask('tools/call', CALL);
    await settled();
    const { frameFromBytes } = await import('../../../src/protocol/frame.ts');
    const bytes = Buffer.from(`{"jsonrpc":"2.0","id":99,"id":${lastCallOf(child())},"result":{}}`);
    await child().deliver(frameFromBytes('response', bytes, 99, undefined));
    expect(client.answerTo(id)).toBeUndefined();
  });
});

describe('a process that runs already', () => {
  test('serves the principal that it was opened for, and no other', async () => {
    const first = startServer();
    const { pool, children } = createWorld({ first, principalOfFirst: 'one' });
    await connect(pool, { principal: 'two' }).ask('tools/call', CALL);
    await settled();
    expect([children.length, requestsTo(first, 'tools/call').length]).toEqual([1, 0]);
    await connect(pool, { principal: 'one' }).ask('tools/call', CALL);
    await settled();
    expect([children.length, requestsTo(first, 'tools/call').length]).toEqual([1, 1]);
  });

  test('ends when its principal does not come back, or needs its place', async () => {
    const [idle, needed] = [startServer(), startServer()];
    createWorld({ first: idle, principalOfFirst: 'one', childIdleMs: 1 });
    await eventually(() => expect(idle.isClosed).toBe(true));
    const { pool } = createWorld({ first: needed, principalOfFirst: 'one' });
    expect([pool.evictIdle('two'), needed.isClosed]).toEqual([false, false]);
    expect([pool.evictIdle('one'), needed.isClosed]).toEqual([true, true]);
  });
});

describe('log lines', () => {
  const line = (level: string) => ({ method: 'notifications/message', params: { level, data: level } });

  test('reach the one call that has asked for them, from the level that it named', async () => {
    const { pool, child } = createWorld();
    const curious = connect(pool);
    const other = connect(pool);
    await curious.ask('tools/call', CALL, { [META.logLevel]: 'warning' });
    await other.ask('tools/call', CALL);
    await settled();
    expect(requestsTo(child(), 'logging/setLevel').map(({ message }) => message.params)).toEqual([
      { level: 'warning' },
    ]);
    await child().deliver(line('info'));
    await child().deliver(line('error'));
    expect(curious.received.map(({ params }) => params?.['level'])).toEqual(['error']);
    expect(other.received).toEqual([]);
  });

  test('of a remote server reach no client whose call overlapped with the one that logged', async () => {
    const { pool, child } = createWorld();
    const [first, second] = [connect(pool), connect(pool)];
    await first.ask('tools/call', CALL, { [META.logLevel]: 'debug' });
    const firstCall = lastCallOf(child());
    await second.ask('tools/call', CALL, { [META.logLevel]: 'debug' });
    const secondCall = lastCallOf(child());
    await settled();
    // Each call has a stream of its own: the answer of the first overtakes what the server logged before it.
    await child().deliver({ id: firstCall, result: {} }, firstCall);
    await child().deliver(line('error'), secondCall);
    await child().deliver({ method: 'example.com/event' }, secondCall);
    expect(second.received).toEqual([]);
    // Nor what comes by the stream of a call that is over.
    await child().deliver(line('error'), firstCall);
    expect(second.received).toEqual([]);
    await child().deliver({ id: secondCall, result: {} }, secondCall);
    await second.ask('tools/call', CALL, { [META.logLevel]: 'debug' });
    await child().deliver(line('info'), lastCallOf(child()));
    expect(second.received.map(({ params }) => params?.['level'])).toContain('info');
  });

  test('reach the newest of several calls that have asked for them, and no call that has not', async () => {
    const { pool, child } = createWorld();
    const levels = ['debug', 'warning', undefined];
    const clients = levels.map(() => connect(pool));
    for (const [i, level] of levels.entries())
      await clients[i]?.ask('tools/call', CALL, level === undefined ? {} : { [META.logLevel]: level });
    await settled();
    await child().deliver(line('error'));
    await child().deliver(line('info'));
    const heard = clients.map(({ received }) => received.map(({ params }) => params?.['level']));
    expect(heard).toEqual([['info'], ['error'], []]);
  });

  test('reach no call when several clients that do not say who they are have calls running', async () => {
    const { pool, children, child } = createWorld();
    const unnamed = { [META.clientInfo]: undefined, [META.logLevel]: 'debug' };
    const [one, two] = [connect(pool), connect(pool)];
    await one.ask('tools/call', CALL, unnamed);
    await settled();
    await child().deliver(line('info'));
    await two.ask('tools/call', CALL, unnamed);
    await settled();
    await child().deliver(line('error'));
    await one.leave();
    await child().deliver(line('error'));
    expect(children).toHaveLength(1);
    expect([one, two].map(({ received }) => received.map(({ params }) => params?.['level']))).toEqual([
      ['info'],
      [],
    ]);
  });
});

describe('who listens', () => {
  const filter = { notifications: { toolsListChanged: true, resourceSubscriptions: ['a://1'] } };

  test('is told so first, gets what it asked for under its id, and frees the server of it when it goes', async () => {
    const { pool, child } = createWorld();
    const [one, two] = [connect(pool), connect(pool)];
    const id = await one.ask('subscriptions/listen', filter);
    await two.ask('subscriptions/listen', filter);
    await settled();
    expect(requestsTo(child(), 'resources/subscribe')).toHaveLength(1);
    expect(one.received[0]).toMatchObject({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { [META.subscriptionId]: id }, notifications: filter.notifications },
    });
    await child().deliver({ method: 'notifications/resources/updated', params: { uri: 'a://1/part' } });
    await child().deliver({ method: 'notifications/prompts/list_changed' });
    expect(one.received.slice(1)).toMatchObject([
      { method: 'notifications/resources/updated', params: { _meta: { [META.subscriptionId]: id } } },
    ]);
    await one.leave();
    expect(requestsTo(child(), 'resources/unsubscribe')).toEqual([]);
    await two.leave();
    expect(requestsTo(child(), 'resources/unsubscribe')).toHaveLength(1);
  });

  test('to a folder hears of a part only if no other client listens to exactly that', async () => {
    const { pool, child } = createWorld();
    const [folder, part] = [connect(pool), connect(pool)];
    const uris = ['file:///a', 'file:///a/b'];
    await folder.ask('subscriptions/listen', { notifications: { resourceSubscriptions: uris.slice(0, 1) } });
    await part.ask('subscriptions/listen', { notifications: { resourceSubscriptions: uris.slice(1) } });
    await settled();
    const updates = ['file:///a/b', 'file:///a/c', 'file:///a/%2e%2e/c', 'file:///a/b/../d'];
    for (const uri of updates)
      await child().deliver({ method: 'notifications/resources/updated', params: { uri } });
    const heard = [folder, part].map(({ received }) =>
      received.flatMap(({ params }) => params?.['uri'] ?? []),
    );
    expect(heard).toEqual([['file:///a/c', 'file:///a/b/../d'], ['file:///a/b']]);
  });

  test('is let go in good order when the process dies', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', filter);
    await settled();
    child().drop();
    expect(client.answerTo(id)?.result).toMatchObject({
      resultType: 'complete',
      _meta: { [META.subscriptionId]: id },
    });
  });

  test('for what the server does not offer is let go at once', async () => {
    const { pool } = createWorld();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', { notifications: { promptsListChanged: true } });
    await eventually(() => expect(client.answerTo(id)?.result).toMatchObject({ resultType: 'complete' }));
    expect(client.received[0]).toMatchObject({ params: { notifications: {} } });
  });

  test('has to say to what', async () => {
    const { pool } = createWorld();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', { notifications: 'all' });
    await eventually(() => expect(client.answerTo(id)?.error?.code).toBe(-32602));
  });

  test('may cancel over the one channel of stdio', async () => {
    const { pool, child } = createWorld();
    const client = connect(pool);
    const requestId = await client.ask('subscriptions/listen', filter);
    await settled();
    client.tell('notifications/cancelled', { requestId });
    await settled();
    await child().deliver({ method: 'notifications/tools/list_changed' });
    expect(client.received).toHaveLength(1);
  });
});
