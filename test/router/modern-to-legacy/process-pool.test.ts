/** The processes of a legacy server for modern clients: one for each kind of client, prewarmed ones, and which one ends when. */
import { describe, expect, test, vi } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import type { Link } from '../../../src/link/link.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { eventually } from '../../support/eventually.ts';
import type { MemoryLink } from '../../support/memory-link.ts';
import { createHarness, lastCallOf, requestsTo, settled, startServer, type Harness } from './harness.ts';
import { connect, type ModernTestClient } from './modern-client.ts';

const CALL = { name: 'any', arguments: {} };
const IDLE_MS = 1_000;

describe('a process', () => {
  test('is initialized for the one client that it serves, without withheld capabilities', async () => {
    const { pool, child } = createHarness();
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

  test('serves all connections of the same client, and no other client', async () => {
    const { pool, children, principals } = createHarness();
    await connect(pool).ask('tools/list');
    await connect(pool).ask('tools/list');
    expect(children).toHaveLength(1);
    await connect(pool, { principalId: 'two' }).ask('tools/list');
    await connect(pool, { capabilities: { sampling: {} } }).ask('tools/list');
    await connect(pool, { name: 'other' }).ask('tools/list');
    expect(principals).toEqual(['one', 'two', 'one', 'one']);
  });

  test('that cannot be started fails the request, and the next request tries again', async () => {
    let attempts = 0;
    const { pool } = createHarness({
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
});

describe('an idle process', () => {
  test('ends after its time, and the next request starts another one', async () => {
    const { clock, harness, client } = await idleProcess();
    await clock.pass(IDLE_MS - 1);
    expect(harness.child().isClosed).toBe(false);
    await clock.pass(1);
    expect(harness.child().isClosed).toBe(true);
    await client.ask('tools/call', CALL);
    expect(harness.children).toHaveLength(2);
  });

  test('has its time started anew by every request', async () => {
    const { clock, harness, client } = await idleProcess();
    for (let n = 0; n < 5; n += 1) {
      await clock.pass(IDLE_MS - 1);
      await client.ask('tools/call', CALL);
      await answerLast(harness.child());
    }
    expect(harness.child().isClosed).toBe(false);
    await clock.pass(IDLE_MS);
    expect(harness.child().isClosed).toBe(true);
  });

  test('sets no timer for each call', async () => {
    const { clock, harness, client } = await idleProcess();
    const after = vi.spyOn(clock, 'after');
    for (let n = 0; n < 5; n += 1) {
      await client.ask('tools/list');
      await answerLast(harness.child(), 'tools/list');
    }
    expect(after).not.toHaveBeenCalled();
  });

  test.each([
    ['a running call', (client: ModernTestClient) => client.ask('tools/call', CALL)],
    [
      'a subscription',
      (client: ModernTestClient) =>
        client.ask('subscriptions/listen', { notifications: { toolsListChanged: true } }),
    ],
  ])('does not end with %s', async (_title, begin) => {
    const { clock, harness, client } = await idleProcess();
    await begin(client);
    await clock.pass(10 * IDLE_MS);
    expect(harness.child().isClosed).toBe(false);
  });

  test('does not end with a suspended call until that has expired', async () => {
    const inputTtlMs = 10 * IDLE_MS;
    const { clock, harness, client } = await idleProcess({ inputTtlMs });
    const id = await client.ask('tools/call', CALL);
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    await clock.pass(5);
    expect(client.answerTo(id)?.result).toMatchObject({ resultType: 'input_required' });
    await clock.pass(inputTtlMs - 1);
    expect(harness.child().isClosed).toBe(false);
    await clock.pass(1 + IDLE_MS);
    expect(harness.child().isClosed).toBe(true);
  });

  test('does not end while a request waits for it to start', async () => {
    const clock = createFakeClock();
    const server = startServer();
    let start = (_server: Link): void => {};
    const starting = new Promise<Link>((resolve) => (start = resolve));
    const harness = createHarness({ clock, childIdleMs: IDLE_MS, openChild: () => starting });
    const [first, second] = [connect(harness.pool), connect(harness.pool)];
    const [left, kept] = [first.ask('tools/list'), second.ask('tools/list')];
    await first.leave();
    await clock.pass(10 * IDLE_MS);
    expect(harness.pool.evictIdle('one')).toBe(false);
    start(server);
    await Promise.all([left, kept]);
    await settled();
    expect(requestsTo(server, 'tools/list')).toHaveLength(1);
  });
});

describe('evictIdle', () => {
  test('ends the process of the principal that has been idle longest', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock });
    for (const name of ['a', 'b']) await callAs(harness, name);
    await clock.pass(1);
    await answerLast(harness.child(1));
    await clock.pass(1);
    await answerLast(harness.child(0));
    expect(harness.pool.evictIdle('one')).toBe(true);
    expect(harness.children.map(({ isClosed }) => isClosed)).toEqual([false, true]);
  });

  test('ends neither a busy process nor one of another principal', async () => {
    const harness = createHarness();
    await callAs(harness, 'busy');
    await callAs(harness, 'idle', 'two');
    await answerLast(harness.child(1));
    expect(harness.pool.evictIdle('one')).toBe(false);
    expect(harness.children.map(({ isClosed }) => isClosed)).toEqual([false, false]);
  });
});

describe('a principal', () => {
  test('has at most eight processes, and the one idle longest ends for a ninth', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock });
    for (let n = 0; n < 8; n += 1) await callAs(harness, `kind ${n}`);
    const ninth = connect(harness.pool, { name: 'one too many' });
    const rejected = await ninth.ask('tools/list');
    expect(ninth.answerTo(rejected)?.error).toMatchObject({
      code: -32603,
      data: { reason: 'too_many_variants' },
    });
    for (const index of [3, 0]) {
      await clock.pass(1);
      await answerLast(harness.child(index));
    }
    await ninth.ask('tools/list');
    expect(harness.children).toHaveLength(9);
    expect(harness.children.map(({ isClosed }) => isClosed).indexOf(true)).toBe(3);
  });

  test('does not use up the processes of another one', async () => {
    const harness = createHarness();
    for (let n = 0; n < 8; n += 1) await callAs(harness, `kind ${n}`);
    await callAs(harness, 'any', 'two');
    expect(harness.children).toHaveLength(9);
  });

  test('has one process for a client whose capabilities differ in the order of their keys only', async () => {
    const harness = createHarness();
    const orders = [
      { sampling: {}, elicitation: { form: {}, url: {} } },
      { elicitation: { url: {}, form: {} }, sampling: {} },
    ];
    for (const capabilities of orders) await connect(harness.pool, { capabilities }).ask('tools/list');
    expect(harness.children).toHaveLength(1);
  });
});

describe('a prewarmed process', () => {
  test('is assigned to the next client with the same capabilities, and replaced', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock, warm: 1 });
    await callAs(harness, 'first');
    expect(harness.children).toHaveLength(1);
    await clock.pass(1);
    expect(harness.children).toHaveLength(2);
    expect(requestsTo(harness.child(1), 'initialize')[0]?.message.params?.['clientInfo']).toEqual({
      name: 'mcp-run',
      version: '0',
    });
    const second = await callAs(harness, 'second');
    expect(requestsTo(harness.child(1), 'tools/call')).toHaveLength(1);
    await answerLast(harness.child(1));
    expect(second.received).toHaveLength(1);
    await clock.pass(1);
    expect(harness.children).toHaveLength(3);
  });

  test('is not used for a client with other capabilities', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock, warm: 1 });
    await callAs(harness, 'first');
    await clock.pass(1);
    await connect(harness.pool, { capabilities: { sampling: {} } }).ask('tools/call', CALL);
    await settled();
    expect(requestsTo(harness.child(1), 'tools/call')).toEqual([]);
  });

  test('does not exist for clients that grant access to directories', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock, warm: 1 });
    await connect(harness.pool, { capabilities: { roots: {} } }).ask('tools/list');
    await clock.pass(1);
    expect(harness.children).toHaveLength(1);
  });

  test('exists for the four kinds of clients seen last', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock, warm: 1 });
    for (let n = 0; n < 5; n += 1) {
      const capabilities = { experimental: { [`kind ${n}`]: {} } };
      await connect(harness.pool, { capabilities, principalId: `${n}` }).ask('tools/list');
      await clock.pass(1);
    }
    // Each kind has started one process for its client, and one ahead of the next.
    expect(harness.children).toHaveLength(10);
    expect(harness.children.map(({ isClosed }) => isClosed).indexOf(true)).toBe(1);
    expect(harness.children.filter(({ isClosed }) => isClosed)).toHaveLength(1);
  });

  test('ends with the pool, and is not replaced then', async () => {
    const clock = createFakeClock();
    const harness = createHarness({ clock, warm: 1 });
    await callAs(harness, 'first');
    await clock.pass(1);
    await callAs(harness, 'second');
    await harness.pool.close(new RunError('SHUTTING_DOWN'));
    await clock.pass(1);
    expect(harness.children.map(({ isClosed }) => isClosed)).toEqual([true, true]);
  });
});

describe('a process that was opened before the pool', () => {
  test('is the first one', async () => {
    const first = startServer();
    const { pool, children } = createHarness({ first });
    await connect(pool).ask('tools/list');
    await settled();
    expect(children).toEqual([]);
    expect(requestsTo(first, 'tools/list')).toHaveLength(1);
  });

  test('serves the principal that it was opened for, and no other', async () => {
    const first = startServer();
    const { pool, children } = createHarness({ first, principalIdOfFirst: 'one' });
    await connect(pool, { principalId: 'two' }).ask('tools/call', CALL);
    await settled();
    expect([children.length, requestsTo(first, 'tools/call').length]).toEqual([1, 0]);
    await connect(pool, { principalId: 'one' }).ask('tools/call', CALL);
    await settled();
    expect([children.length, requestsTo(first, 'tools/call').length]).toEqual([1, 1]);
  });

  test('ends when its principal does not use it', async () => {
    const clock = createFakeClock();
    const first = startServer();
    createHarness({ clock, first, principalIdOfFirst: 'one', childIdleMs: IDLE_MS });
    await clock.pass(IDLE_MS - 1);
    expect(first.isClosed).toBe(false);
    await clock.pass(1);
    expect(first.isClosed).toBe(true);
  });

  test('is evicted for its principal, and for no other', () => {
    const first = startServer();
    const { pool } = createHarness({ first, principalIdOfFirst: 'one' });
    expect([pool.evictIdle('two'), first.isClosed]).toEqual([false, false]);
    expect([pool.evictIdle('one'), first.isClosed]).toEqual([true, true]);
    expect(pool.evictIdle('one')).toBe(false);
  });
});

/** A process whose only call has been answered, and the client that sent it. */
async function idleProcess(overrides: Parameters<typeof createHarness>[0] = {}): Promise<{
  clock: ReturnType<typeof createFakeClock>;
  harness: Harness;
  client: ModernTestClient;
}> {
  const clock = createFakeClock();
  const harness = createHarness({ clock, childIdleMs: IDLE_MS, ...overrides });
  const client = connect(harness.pool, { capabilities: { roots: {} } });
  await client.ask('tools/call', CALL);
  await settled();
  await answerLast(harness.child());
  return { clock, harness, client };
}

/** A client with a running call. */
async function callAs(harness: Harness, name: string, principalId = 'one'): Promise<ModernTestClient> {
  const client = connect(harness.pool, { name, principalId });
  await client.ask('tools/call', CALL);
  await settled();
  return client;
}

async function answerLast(server: MemoryLink, method = 'tools/call'): Promise<void> {
  await server.deliver({ id: lastCallOf(server, method), result: {} });
}
