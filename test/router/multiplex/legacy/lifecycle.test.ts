import { describe, expect, it } from 'vitest';
import { RunError } from '../../../../src/errors.ts';
import type { Link } from '../../../../src/link/link.ts';
import { createMemoryLink } from '../../../support/memory-link.ts';
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

const DEAD = new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL', exitCode: 137 });

describe('a child', () => {
  it('is started by the first client, and by no other', async () => {
    const { connect, children } = shareChild();
    expect(children).toHaveLength(0);
    await Promise.all([connect(), connect(), connect()]);
    expect(children).toHaveLength(1);
  });

  it('gets what clients sent while it started, in order', async () => {
    let answer = (): void => {};
    const setup = shareChild({
      initialize: (id) => {
        answer = () => void setup.child.deliver({ id, result: INITIALIZED });
        return undefined;
      },
    });
    const client = await setup.connect({ initialize: false });
    const sent = [
      client.send(initializeRequest(1)),
      client.send({ method: 'notifications/initialized' }),
      client.send(toolCall(2)),
      client.send({ method: 'notifications/cancelled', params: { requestId: 2 } }),
    ];
    await settle();
    answer();
    await Promise.all(sent);
    expect(client.received).toMatchObject([{ id: 1, result: { instructions: 'Share nicely.' } }]);
    expect(setup.child.sent.map(({ message }) => message.method)).toEqual([
      'initialize',
      'notifications/initialized',
      'tools/call',
      'notifications/cancelled',
    ]);
  });

  it('gets nothing of a client that left while it started', async () => {
    let answer = (): void => {};
    const setup = shareChild({
      initialize: (id) => {
        answer = () => void setup.child.deliver({ id, result: INITIALIZED });
        return undefined;
      },
    });
    const client = await setup.connect({ initialize: false });
    const sent = client.send(toolCall(1));
    await settle();
    await client.link.close();
    answer();
    await sent;
    expect(callsOf(setup.child)).toEqual([]);
  });

  it('stays when its clients leave', async () => {
    const { connect, child } = await warmed();
    const client = await connect();
    await client.link.close();
    await client.link.close();
    expect(child.isClosed).toBe(false);
    expect(client.closedWith).toMatchObject([{ code: 'UPSTREAM_CLOSED' }]);
  });

  it('is closed with the share, whose calls fail, and none is started after it', async () => {
    const setup = await warmed();
    const client = await setup.connect();
    await client.send(toolCall(1));
    await setup.share.close();
    expect(setup.child.isClosed).toBe(true);
    await client.send(toolCall(2));
    expect(client.received).toMatchObject([
      { id: 1, error: { data: { reason: 'upstream_closed' } } },
      { id: 2, error: { data: { reason: 'shutting_down' } } },
    ]);
    expect(setup.children).toHaveLength(1);
  });

  it('that is still being opened is closed with the share, too', async () => {
    const child = createMemoryLink('server');
    let open = (_link: Link): void => {};
    const setup = shareChild({ openUpstream: () => new Promise((resolve) => (open = resolve)) });
    setup.share.keep();
    const closed = setup.share.close();
    open(child);
    await closed;
    expect(child.isClosed).toBe(true);
    expect(child.sent).toEqual([]);
  });
});

describe('the death of a child', () => {
  it('fails the calls that it had, at once, and nothing else', async () => {
    const setup = await warmed();
    const [a, b, idle] = [await setup.connect(), await setup.connect(), await setup.connect()];
    await a.send(toolCall(1));
    await b.send(toolCall(1));
    await b.send(toolCall('two', 't'));
    setup.child.drop(DEAD);
    const error = { code: -32_603, data: { reason: 'upstream_exited' } };
    expect(a.received).toMatchObject([{ id: 1, error }]);
    expect(b.received).toMatchObject([
      { id: 1, error },
      { id: 'two', error },
    ]);
    expect(idle.received).toEqual([]);
    expect([...a.closedWith, ...b.closedWith, ...idle.closedWith]).toEqual([]);
  });

  it('is followed by the next one, which the same conversations go on with', async () => {
    const setup = await warmed();
    const client = await setup.connect();
    setup.child.drop(DEAD);
    await settle();
    expect(setup.children).toHaveLength(2);
    await client.send(toolCall(5));
    const [call] = callsOf(setup.child);
    await setup.child.deliver({ id: call?.id ?? null, result: { new: true } });
    expect(client.received).toEqual([{ jsonrpc: '2.0', id: 5, result: { new: true } }]);
    expect(paramsOf(setup.child, 'initialize')).toHaveLength(1);
  });

  it('starts no other by itself if it died young; the next call does', async () => {
    const setup = await warmed({ minLifeMs: 60_000 });
    const client = await setup.connect();
    setup.child.drop(DEAD);
    await settle();
    expect(setup.children).toHaveLength(1);
    await client.send(toolCall(1));
    expect(setup.children).toHaveLength(2);
    expect(callsOf(setup.child)).toHaveLength(1);
  });

  it('starts no other where the child is not kept and nobody calls', async () => {
    const setup = shareChild();
    await setup.connect();
    setup.child.drop(DEAD);
    await settle();
    expect(setup.children).toHaveLength(1);
  });

  it('makes late answers those of nobody', async () => {
    const setup = await warmed();
    const client = await setup.connect();
    await client.send(toolCall(1));
    const [before] = callsOf(setup.child);
    setup.child.drop(DEAD);
    await settle();
    await client.send(toolCall(1));
    await setup.child.deliver({ id: before?.id ?? null, result: {} });
    expect(client.received).toMatchObject([{ error: {} }]);
  });
});

describe('a child that cannot be used', () => {
  it('fails the calls that wait for it when it never answers initialize, and is stopped', async () => {
    const setup = shareChild({ initialize: () => undefined, initializeTimeoutMs: 20 });
    const [a, b] = [await setup.connect({ initialize: false }), await setup.connect({ initialize: false })];
    await Promise.all([a.send(initializeRequest(1)), b.send(initializeRequest('b'))]);
    expect([a.received, b.received]).toMatchObject([
      [{ id: 1, error: { data: { reason: 'request_timeout' } } }],
      [{ id: 'b', error: { data: { reason: 'request_timeout' } } }],
    ]);
    expect(setup.children).toHaveLength(1);
    expect(setup.child.isClosed).toBe(true);
  });

  it('is tried again by the next call', async () => {
    let works = false;
    const setup = shareChild({
      initialize: (id) =>
        works ? { id, result: INITIALIZED } : { id, error: { code: -1, message: 'not today' } },
    });
    const client = await setup.connect({ initialize: false });
    await client.send(initializeRequest(1));
    expect(client.received).toMatchObject([
      {
        id: 1,
        error: {
          code: -32_603,
          message: expect.stringContaining('not today'),
          data: { reason: 'upstream_error' },
        },
      },
    ]);
    await settle();
    expect(setup.children).toHaveLength(1);
    expect(setup.child.isClosed).toBe(true);
    works = true;
    await client.send(initializeRequest(2));
    expect(client.received[1]).toMatchObject({ id: 2, result: {} });
    expect(setup.children).toHaveLength(2);
  });

  it.each([
    ['nested too deeply to be told to anybody', '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000)],
    ['cut off in the middle', '{"a":}'],
    ['null', 'null'],
    ['a text', '"x"'],
  ])('fails the calls that wait for it when its answer is %s', async (_what, result) => {
    const setup = shareChild({ initialize: () => undefined });
    const client = await setup.connect({ initialize: false });
    const sent = client.send(initializeRequest(1));
    await settle();
    say(setup.child, `{"jsonrpc":"2.0","id":"mcpr:1","result":${result}}`);
    await sent;
    expect(client.received).toMatchObject([{ id: 1, error: { data: { reason: 'malformed_answer' } } }]);
    expect(setup.child.isClosed).toBe(true);
  });

  it('is never two at once, however calls and failures interleave', async () => {
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const opened: ReturnType<typeof createMemoryLink>[] = [];
    const setup = shareChild({
      openUpstream: async () => {
        const child = createMemoryLink('server');
        opened.push(child);
        // Its process has ended, but what it has started is still being stopped.
        const { close } = child;
        if (opened.length === 1) child.close = (reason) => close(reason).then(() => stopped);
        return child;
      },
    });
    const client = await setup.connect({ initialize: false });
    const first = client.send(toolCall(1));
    await settle();
    opened[0]?.drop(DEAD);
    const second = client.send(toolCall(2));
    await settle();
    expect(opened).toHaveLength(1);
    stop();
    await Promise.all([first, second]);
    expect(client.received).toMatchObject([
      { id: 1, error: { data: { reason: 'upstream_exited' } } },
      { id: 2, error: { data: { reason: 'upstream_exited' } } },
    ]);
    const third = client.send(toolCall(3));
    const fourth = client.send(toolCall(4));
    await settle();
    expect(opened).toHaveLength(2);
    opened[1]?.drop(DEAD);
    await Promise.all([third, fourth]);
    await settle();
    expect(opened).toHaveLength(2);
  });

  it('since it cannot be opened says so to every caller', async () => {
    const setup = shareChild({
      openUpstream: async () => {
        throw new RunError('COMMAND_NOT_FOUND', { server: 'files', command: 'nope' });
      },
    });
    setup.share.keep();
    const client = await setup.connect({ initialize: false });
    await client.send(initializeRequest(1));
    await client.send({ method: 'notifications/initialized' });
    expect(client.received).toMatchObject([{ id: 1, error: { data: { reason: 'command_not_found' } } }]);
  });
});

describe('a client that does not read', () => {
  const kilobyte = 'x'.repeat(1_000);

  it('is cut off at the bound, and the others and the child go on', async () => {
    const { connect, child, log } = await warmed({ maxUnreadBytes: 10_000 });
    const [slow, other] = [await connect(), await connect()];
    slow.holdWith(new Promise(() => {}));
    await slow.send(toolCall(1, 't'));
    const [call] = callsOf(child);
    for (let progress = 1; progress <= 20; progress++) {
      const wait = child.deliver({
        method: 'notifications/progress',
        params: { progressToken: call?.id, progress, message: kilobyte },
      });
      expect(wait).toBeUndefined();
    }
    expect(slow.closedWith).toMatchObject([{ code: 'CLIENT_TOO_SLOW' }]);
    expect(slow.received.length).toBeLessThan(12);
    expect(paramsOf(child, 'notifications/cancelled')).toMatchObject([{ requestId: call?.id }]);
    expect(log.of('client.too-slow')).toHaveLength(1);
    await other.send(toolCall(1));
    await child.deliver({ id: callsOf(child)[1]?.id ?? null, result: {} });
    expect(other.received).toMatchObject([{ id: 1, result: {} }]);
  });

  it('is the one that left the most unread, when all together are over the bound', async () => {
    const { connect, child } = await warmed({ maxUnreadBytes: 10_000 });
    const [slow, slower] = [await connect(), await connect()];
    for (const client of [slow, slower]) {
      client.holdWith(new Promise(() => {}));
      await client.send(toolCall(1));
    }
    const [one, two] = callsOf(child);
    await child.deliver({ id: one?.id ?? null, result: { text: kilobyte.repeat(2) } });
    await child.deliver({ id: two?.id ?? null, result: { text: kilobyte.repeat(9) } });
    expect(slow.closedWith).toEqual([]);
    expect(slower.closedWith).toMatchObject([{ code: 'CLIENT_TOO_SLOW' }]);
  });

  it('is forgiven once it has read', async () => {
    const { connect, child } = await warmed({ maxUnreadBytes: 10_000 });
    const client = await connect();
    for (let round = 0; round < 10; round++) {
      let read = (): void => {};
      client.holdWith(new Promise((resolve) => (read = resolve)));
      await client.send(toolCall(round));
      await child.deliver({ id: callsOf(child)[round]?.id ?? null, result: { text: kilobyte.repeat(5) } });
      read();
      await settle();
    }
    expect(client.closedWith).toEqual([]);
    expect(client.received).toHaveLength(10);
  });
});
