/** One process of a modern server for clients that know nothing of each other. */
import { onTestFinished, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { RunError } from '../../../../src/errors.ts';
import { META } from '../../../../src/protocol/constants.ts';
import { frameFromBytes, frameOf, type RequestId } from '../../../../src/protocol/frame.ts';
import type { ModernBackend } from '../../../../src/router/modern-backend.ts';
import { ModernMultiplexer } from '../../../../src/router/multiplex/modern.ts';
import { createRecordingLog, type RecordingLog } from '../../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../../support/memory-link.ts';
import { connect, type ModernTestClient } from '../../modern-to-legacy/modern-client.ts';
import { eventually } from '../../../support/eventually.ts';

const LISTEN = { notifications: { toolsListChanged: true } };

describe('a request', () => {
  test('goes to the one process under a number of ours, its envelope and all else as it was written', async () => {
    const { share, child } = open();
    const link = share.open({ principalId: 'one', withheld: new Set() });
    const bytes = `{"jsonrpc":"2.0", "x":1.0,"id":"mine","method":"tools/call","params":{"n":1e400,"_meta":{"progressToken":"t","${META.protocolVersion}":"2026-07-28"}}}`;
    await link.send(frameFromBytes('request', Buffer.from(bytes), 'mine', 'tools/call'));
    expect(Buffer.from(child().sent[0]?.frame.bytes ?? []).toString()).toBe(
      bytes.replace('"mine"', '1').replace('"t"', '1'),
    );
  });

  test('of several clients under one id is answered to each', async () => {
    const { share, child } = open();
    const links = ['one', 'two'].map((principalId) => {
      const link = share.open({ principalId, withheld: new Set() });
      const got: unknown[] = [];
      link.onframe((frame) => void got.push(frame.message));
      return { link, got };
    });
    for (const { link } of links)
      await link.send(frameOf({ id: 'x', method: 'tools/call', params: { _meta: { progressToken: 'x' } } }));
    await child().deliver({ method: 'notifications/progress', params: { progressToken: 2, progress: 1 } });
    await child().deliver({ id: 2, result: { of: 2 } });
    await child().deliver({ id: 1, result: { of: 1 } });
    expect(links[0]?.got).toEqual([{ jsonrpc: '2.0', id: 'x', result: { of: 1 } }]);
    expect(links[1]?.got).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } },
      { jsonrpc: '2.0', id: 'x', result: { of: 2 } },
    ]);
  });

  test.each([
    '{"jsonrpc":"2.0","id":7,"id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"ID":2,"result":{}}',
    '{"jsonrpc":"2.0","id":2,"result":{}}',
  ])('is not answered by %s', async (line) => {
    const { share, child } = open();
    const client = connect(share);
    await client.ask('tools/list');
    await child().deliver(frameFromBytes('response', Buffer.from(line), 1, undefined));
    expect(client.received).toEqual([]);
  });

  test('whose client goes is cancelled', async () => {
    const { share, child } = open();
    const client = connect(share);
    await client.ask('tools/call');
    await client.leave();
    expect(child().sent.at(-1)?.message).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    });
    expect(share.pending).toBe(0);
  });

  test('that is cancelled over stdio is cancelled under our number', async () => {
    const { share, child } = open();
    const client = connect(share);
    const requestId = await client.ask('tools/call');
    client.tell('notifications/cancelled', { requestId, reason: 'r' });
    expect(child().sent.at(-1)?.message.params).toEqual({ requestId: 1, reason: 'r' });
    client.tell('notifications/cancelled', { requestId: 'somebody else’s' });
    expect(child().sent).toHaveLength(2);
  });

  test('fails at once when the process dies, and the next one has another process', async () => {
    const { share, children, child } = open();
    const client = connect(share);
    const id = await client.ask('tools/call');
    child().drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL', exitCode: 137 }));
    expect(client.answerTo(id)?.error).toMatchObject({ data: { reason: 'upstream_exited' } });
    await client.ask('tools/call');
    expect(children).toHaveLength(2);
  });
});

describe('a notification', () => {
  const line = { method: 'notifications/message', params: { level: 'info', data: 'x' } };

  test('without correlation goes to the one call that runs, subscriptions aside', async () => {
    const { share, child } = open();
    const [listener, caller] = [connect(share), connect(share)];
    await listener.ask('subscriptions/listen', LISTEN);
    await caller.ask('tools/call');
    await child().deliver(line);
    expect(caller.received).toMatchObject([line]);
    await connect(share).ask('tools/call');
    await child().deliver(line);
    expect(caller.received).toHaveLength(1);
    expect(listener.received).toEqual([]);
  });

  const DEBUG = { [META.logLevel]: 'debug' };
  const heard = ({ received }: ModernTestClient): unknown[] =>
    received.flatMap(({ method, params }) => (method === line.method ? [params?.['level']] : []));
  const at = (level: string) => ({ method: line.method, params: { level, data: 'x' } });

  test('goes to the newest call that has asked for it, although another one hangs', async () => {
    const { share, child } = open();
    const [hanging, second, silent] = [connect(share), connect(share), connect(share)];
    await hanging.ask('tools/call', {}, DEBUG);
    await second.ask('tools/call', {}, { [META.logLevel]: 'warning' });
    await silent.ask('tools/call');
    await child().deliver(at('error'));
    await child().deliver(at('info'));
    expect([hanging, second, silent].map(heard)).toEqual([['info'], ['error'], []]);
  });

  test.each([
    ['principals', { principalId: 'two' }],
    ['names', { name: 'other' }],
  ])('goes to no call while calls of clients with different %s run', async (_what, options) => {
    const { share, child } = open();
    const [one, two] = [connect(share), connect(share, options)];
    await one.ask('tools/call', {}, DEBUG);
    await child().deliver(at('info'));
    await two.ask('tools/call', {}, DEBUG);
    await child().deliver(at('error'));
    await child().deliver({ id: 1, result: { resultType: 'complete' } });
    await child().deliver(at('error'));
    await child().deliver({ id: 2, result: { resultType: 'complete' } });
    await two.ask('tools/call', {}, DEBUG);
    await child().deliver(at('notice'));
    expect([one, two].map(heard)).toEqual([['info'], ['notice']]);
  });

  test.each<[string, (client: ModernTestClient, child: MemoryLink) => void | Promise<void>]>([
    ['failed', (_, child) => child.deliver({ id: 1, error: { code: -1, message: 'x' } })],
    [
      'needs input',
      (_, child) => child.deliver({ id: 1, result: { resultType: 'input_required', inputRequests: {} } }),
    ],
    ['was left by its client', (one) => one.leave()],
  ])('is not taken for one of a later call after a call of another client %s', async (_how, end) => {
    const { share, child } = open();
    const [one, two, again] = [connect(share), connect(share, { name: 'other' }), connect(share)];
    await one.ask('tools/call', {}, DEBUG);
    await end(one, child());
    await two.ask('tools/call', {}, DEBUG);
    await child().deliver(at('error'));
    await child().deliver({ id: 2, result: { resultType: 'complete' } });
    // The same client has had its own answer.
    await again.ask('tools/call', {}, DEBUG);
    await child().deliver(at('info'));
    expect([two, again].map(heard)).toEqual([[], ['info']]);
  });

  test('is not taken for one of a call while another client listens to a resource', async () => {
    const { share, child } = open();
    const [listener, caller] = [connect(share, { name: 'other' }), connect(share)];
    await listener.ask('subscriptions/listen', { notifications: { resourceSubscriptions: ['a://1'] } });
    await caller.ask('tools/call', {}, DEBUG);
    await child().deliver(at('error'));
    expect(heard(caller)).toEqual([]);
  });

  test('that came with a call goes to its caller', async () => {
    const { share, child } = open();
    const [one, two] = [connect(share), connect(share)];
    await one.ask('tools/call');
    await two.ask('tools/call');
    await child().deliver(line, 2);
    await child().deliver(line, 99);
    expect(one.received).toEqual([]);
    expect(two.received).toMatchObject([line]);
  });

  test('of a subscription goes to whoever has it, under the id that it gave', async () => {
    const { share, child } = open();
    const [one, two] = [connect(share), connect(share)];
    const id = await one.ask('subscriptions/listen', LISTEN);
    await two.ask('subscriptions/listen', LISTEN);
    await child().deliver(changed(1));
    await child().deliver(changed(99));
    await child().deliver({ method: 'notifications/tools/list_changed' });
    expect(one.received).toEqual([{ jsonrpc: '2.0', ...changed(id) }]);
    expect(two.received).toEqual([]);
    await child().deliver({
      id: 1,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: 1, kept: 1 } },
    });
    expect(one.answerTo(id)?.result).toEqual({
      resultType: 'complete',
      _meta: { [META.subscriptionId]: id, kept: 1 },
    });
  });
});

test.each(['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update'])(
  '%s of a task of another principal does not reach the server',
  async (method) => {
    const { share, child } = open();
    const [one, two] = [connect(share), connect(share, { principalId: 'two' })];
    await one.ask('tools/call');
    await child().deliver({ id: 1, result: { resultType: 'task', taskId: '1' } });
    const ids = [await two.ask(method, { taskId: '1' }), await two.ask(method, { taskId: '2' })];
    for (const id of ids) expect(two.answerTo(id)?.error).toMatchObject({ data: { reason: 'not_shared' } });
    expect(one.answerTo(await one.ask('tasks/list'))?.error?.code).toBe(-32_601);
    await one.ask(method, { taskId: '1' });
    expect(child().sent.map(({ message }) => message.method)).toEqual(['tools/call', method]);
  },
);

test('a subscription ends in good order when the process dies', async () => {
  const { share, child } = open();
  const client = connect(share);
  const id = await client.ask('subscriptions/listen', LISTEN);
  child().drop();
  expect(client.answerTo(id)?.result).toMatchObject({
    resultType: 'complete',
    _meta: { [META.subscriptionId]: id },
  });
});

test('a subscription that the server tears down ends in good order, and is nobody else’s business', async () => {
  const { share, child } = open();
  const [listener, caller] = [connect(share), connect(share)];
  const id = await listener.ask('subscriptions/listen', LISTEN);
  await caller.ask('tools/call');
  await child().deliver({ method: 'notifications/cancelled', params: { requestId: 2 } });
  expect(share.pending).toBe(2);
  await child().deliver({ method: 'notifications/cancelled', params: { requestId: 1 } });
  expect(listener.answerTo(id)?.result).toMatchObject({ _meta: { [META.subscriptionId]: id } });
  expect(caller.received).toEqual([]);
  expect(share.pending).toBe(1);
});

test('a subscription whose result is no JSON has an error', async () => {
  const { share, child } = open();
  const client = connect(share);
  const id = await client.ask('subscriptions/listen', LISTEN);
  const line = '{"jsonrpc":"2.0","id":1,"result":{x y z}}';
  await child().deliver(frameFromBytes('response', Buffer.from(line), 1, undefined));
  expect(client.answerTo(id)?.error).toMatchObject({ data: { reason: 'malformed_answer' } });
});

test('a server that asks is not answered, since nobody may', async () => {
  const { share, child, log } = open();
  await connect(share).ask('tools/call');
  await child().deliver({ id: 'q', method: 'sampling/createMessage', params: {} });
  expect(child().sent).toHaveLength(1);
  expect(log.of('server.request-dropped')).toHaveLength(1);
});

test('a process that nobody uses ends', async () => {
  const { share, children, child } = open(1);
  const client = connect(share);
  await client.ask('tools/call');
  await child().deliver({ id: 1, result: {} });
  await eventually(() => expect(child().isClosed).toBe(true));
  await client.ask('tools/call');
  expect(children).toHaveLength(2);
});

test('closing answers what is open, and takes nothing more', async () => {
  const { share, child } = open();
  const client = connect(share);
  const id = await client.ask('tools/call');
  await share.close(new RunError('SHUTTING_DOWN'));
  expect(client.answerTo(id)?.error).toMatchObject({ data: { reason: 'shutting_down' } });
  expect(child().isClosed).toBe(true);
});

function changed(id: RequestId): { method: string; params: Record<string, unknown> } {
  return { method: 'notifications/tools/list_changed', params: { _meta: { [META.subscriptionId]: id } } };
}

function open(idleMs = 60_000): {
  share: ModernBackend;
  children: MemoryLink[];
  child: () => MemoryLink;
  log: RecordingLog;
} {
  const children: MemoryLink[] = [];
  const log = createRecordingLog();
  const share = ModernMultiplexer.create({
    server: 'files',
    first: undefined,
    openUpstream: async () => {
      const link = createMemoryLink('server');
      children.push(link);
      return link;
    },
    maxUnreadBytes: 1_000_000,
    idleMs,
    clock: systemClock,
    log,
  });
  onTestFinished(() => share.close(new RunError('SHUTTING_DOWN')));
  return {
    share,
    children,
    log,
    child() {
      const [first] = children;
      if (first === undefined) throw new Error('no process');
      return first;
    },
  };
}
