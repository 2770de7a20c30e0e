import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { call, initialize, join, joinInitialized } from './harness.ts';

describe('idle', () => {
  it('is at once when nothing is pending', async () => {
    const { conversation } = await joinInitialized();
    await conversation.idle();
  });

  it('is when the last call has its answer, for everyone who waits', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver(call(2));
    const idle = watch(Promise.all([conversation.idle(), conversation.idle()]));
    await server.deliver({ id: 1, result: {} });
    await turn();
    expect(idle.settled).toBe(false);
    await server.deliver({ id: 2, result: {} });
    await idle.promise;
    expect(conversation.pending).toBe(0);
  });

  it.each(['cancelled', 'closed', 'died'])('is when the last call was %s', async (how) => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    const idle = conversation.idle();
    if (how === 'cancelled')
      await client.deliver({ method: 'notifications/cancelled', params: { requestId: 1 } });
    else if (how === 'died') server.drop();
    else await conversation.close(new RunError('SHUTTING_DOWN'));
    await idle;
  });

  it('is when the last call has timed out', async () => {
    const { client, conversation } = await joinInitialized({ requestTimeoutMs: 10 });
    await client.deliver(call(1));
    await conversation.idle();
    expect(client.answersTo(1)).toHaveLength(1);
  });
});

describe('a subscription', () => {
  it.each([
    ['in good order when we end', 'SHUTTING_DOWN', { result: { resultType: 'complete' } }],
    ['with an error when its server does', 'UPSTREAM_CLOSED', { error: { code: -32_603 } }],
  ] as const)('ends %s', async (_title, code, answer) => {
    const { client, conversation } = join({ eager: true });
    await client.deliver({ id: 'l', method: 'subscriptions/listen', params: {} });
    await conversation.close(new RunError(code, { server: 'files' }));
    expect(client.answersTo('l')).toMatchObject([answer]);
  });
});

describe('a client that sends nothing more', () => {
  it('gets the answers that it waits for, and then it is over', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    client.end();
    await turn();
    expect(server.isClosed).toBe(false);
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toMatchObject([{ result: {} }]);
    await conversation.closed;
    expect([client.isClosed, server.isClosed]).toEqual([true, true]);
  });

  it('is over at once if it waits for nothing', async () => {
    const { client, server, conversation } = await joinInitialized();
    client.end();
    await conversation.closed;
    expect(server.closeReason).toMatchObject({ code: 'CLIENT_GONE' });
  });

  it('answers the open questions of its server with an error', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await server.deliver({ id: 's1', method: 'sampling/createMessage' });
    await server.deliver({ id: 's2', method: 'elicitation/create' });
    client.setAsk(false);
    client.end();
    await turn();
    for (const id of ['s1', 's2']) {
      expect(server.answersTo(id)).toMatchObject([
        { error: { code: -32_603, data: { reason: 'client_gone' } } },
      ]);
    }
    await server.deliver({ id: 's3', method: 'ping' });
    expect(server.answersTo('s3')).toMatchObject([{ error: { code: -32_601 } }]);
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toHaveLength(1);
  });

  it('gets an answer to what it said right before, while the server was still starting', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { client, server, conversation } = join({
      eager: true,
      openUpstream: async () => {
        await gate;
        return server;
      },
    });
    const wait = client.deliver(initialize(1));
    client.end();
    open();
    await wait;
    expect(server.isClosed).toBe(false);
    await server.deliver({ id: 1, result: { protocolVersion: '2025-11-25' } });
    expect(client.answersTo(1)).toHaveLength(1);
    await conversation.closed;
  });
});

describe('closing', () => {
  it('closes both links with its reason, once', async () => {
    const { client, server, conversation } = await joinInitialized();
    const reasons = ['SHUTTING_DOWN', 'CLIENT_GONE'] as const;
    await Promise.all(reasons.map((code) => conversation.close(new RunError(code))));
    expect(client.closeReason).toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(server.closeReason).toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('tells what ended the server, when that was first', async () => {
    const { server, conversation } = await joinInitialized();
    server.drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'exit code 3', exitCode: 3 }));
    await conversation.close(new RunError('SHUTTING_DOWN'));
    expect(await conversation.closed).toMatchObject({ code: 'UPSTREAM_EXITED', fields: { exitCode: 3 } });
  });

  it('waits until the server is released', async () => {
    const { server, conversation } = await joinInitialized();
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    server.close = () => released;
    const closed = watch(conversation.close(new RunError('SHUTTING_DOWN')));
    await turn();
    expect(closed.settled).toBe(false);
    release();
    await closed.promise;
  });
});

describe('backpressure', () => {
  it('of the client reaches the server', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1, { progressToken: 't' }));
    const wait = Promise.resolve();
    client.holdWith(wait);
    expect(server.deliver({ method: 'notifications/message' })).toBe(wait);
    expect(server.deliver({ method: 'notifications/progress', params: { progressToken: 't' } })).toBe(wait);
    expect(server.deliver({ id: 's', method: 'ping' })).toBe(wait);
    expect(server.deliver({ id: 1, result: {} })).toBe(wait);
    client.holdWith(undefined);
    expect(server.deliver({ method: 'notifications/message' })).toBeUndefined();
  });

  it('of the server reaches the client', async () => {
    const { client, server } = await joinInitialized();
    const wait = Promise.resolve();
    server.holdWith(wait);
    await server.deliver({ id: 's', method: 'ping' });
    expect(client.deliver(call(1))).toBe(wait);
    expect(client.deliver({ method: 'notifications/vendor' })).toBe(wait);
    expect(client.deliver({ id: 's', result: {} })).toBe(wait);
    server.holdWith(undefined);
    expect(client.deliver(call(2))).toBeUndefined();
  });
});

function watch(promise: Promise<unknown>): { readonly settled: boolean; readonly promise: Promise<unknown> } {
  const state = { settled: false, promise };
  void promise.then(() => {
    state.settled = true;
  });
  return state;
}
