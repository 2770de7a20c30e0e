/** Requests of modern clients to a legacy server, and the notifications that belong to them. */
import { describe, expect, test } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { META } from '../../../src/protocol/constants.ts';
import { createHarness, lastCallOf, requestsTo, SERVER_INFO, settled } from './harness.ts';
import { connect } from './modern-client.ts';

const CALL = { name: 'any', arguments: {} };

describe('a request', () => {
  test('reaches the server without its envelope under a number of ours, and is answered under its own id', async () => {
    const { pool, child } = createHarness();
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
  ])('that the revision does not have is rejected: %s', async (method) => {
    const { pool, children } = createHarness();
    const client = connect(pool);
    const id = await client.ask(method);
    expect(client.answerTo(id)?.error?.code).toBe(-32601);
    expect(children).toEqual([]);
  });

  test.each([
    [{ [META.clientCapabilities]: undefined }, -32602],
    [{ [META.protocolVersion]: '2099-01-01' }, -32022],
    [{ [META.logLevel]: 'loud' }, -32602],
  ])('with an invalid envelope is rejected: %j', async (meta, code) => {
    const { pool } = createHarness();
    const client = connect(pool);
    expect(client.answerTo(await client.ask('tools/list', {}, meta))?.error?.code).toBe(code);
  });

  test('of two clients under the same id at the same time is answered to each', async () => {
    const { pool, child } = createHarness();
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

  test('is cancelled when its client leaves', async () => {
    const { pool, child } = createHarness();
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

  test('fails at once when the process exits, and the next one has another process', async () => {
    const { pool, children, child } = createHarness();
    const client = connect(pool);
    const id = await client.ask('tools/call', CALL);
    await settled();
    child().drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL', exitCode: 137 }));
    expect(client.answerTo(id)?.error).toMatchObject({ code: -32603, data: { reason: 'upstream_exited' } });
    await client.ask('tools/call', CALL);
    expect(children).toHaveLength(2);
  });

  test('for a tool that runs as a task only becomes a task', async () => {
    const { pool, child } = createHarness();
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

  test('is not answered by a message with two ids', async () => {
    const { pool, child } = createHarness();
    const client = connect(pool);
    const id = await client.ask('tools/call', CALL);
    await settled();
    const { frameFromBytes } = await import('../../../src/protocol/frame.ts');
    const bytes = Buffer.from(`{"jsonrpc":"2.0","id":99,"id":${lastCallOf(child())},"result":{}}`);
    await child().deliver(frameFromBytes('response', bytes, 99, undefined));
    expect(client.answerTo(id)).toBeUndefined();
  });
});

describe('log lines', () => {
  const line = (level: string) => ({ method: 'notifications/message', params: { level, data: level } });

  test('reach the call that has asked for them, from its level on', async () => {
    const { pool, child } = createHarness();
    const verbose = connect(pool);
    const other = connect(pool);
    await verbose.ask('tools/call', CALL, { [META.logLevel]: 'warning' });
    await other.ask('tools/call', CALL);
    await settled();
    expect(requestsTo(child(), 'logging/setLevel').map(({ message }) => message.params)).toEqual([
      { level: 'warning' },
    ]);
    await child().deliver(line('info'));
    await child().deliver(line('error'));
    expect(verbose.received.map(({ params }) => params?.['level'])).toEqual(['error']);
    expect(other.received).toEqual([]);
  });

  test('of a remote server reach no client whose call overlapped with the one that logged', async () => {
    const { pool, child } = createHarness();
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
    const { pool, child } = createHarness();
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

  test('reach no call while several clients without a name have calls running', async () => {
    const { pool, children, child } = createHarness();
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
