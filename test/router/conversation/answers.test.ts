import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isRunError, RunError } from '../../../src/errors.ts';
import { parseFrame, peekFrame } from '../../../src/protocol/frame.ts';
import { call, initialize, join, joinInitialized } from './harness.ts';

describe('an accepted request gets exactly one answer', () => {
  it("the server's result, as its bytes, about that request", async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    const bytes = Buffer.from('{"result":{"n":12345678901234567890,"x-kept":1.0},"jsonrpc":"2.0","id":1}');
    await server.deliver(peekFrame(bytes));
    expect(client.sent).toHaveLength(1);
    expect(client.sent[0]).toMatchObject({ relatedRequestId: 1, frame: { bytes } });
  });

  it("the server's error", async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    const error = { code: -32_602, message: 'Unknown tool', data: { x: 1 } };
    await server.deliver({ id: 1, error });
    expect(client.answersTo(1)).toEqual([{ jsonrpc: '2.0', id: 1, error }]);
  });

  it('-32603 with reason request_timeout, and a later answer is dropped', async () => {
    const { client, server, log } = await joinInitialized({ requestTimeoutMs: 10 });
    await client.deliver(call(1));
    const { message, relatedRequestId } = await client.waitFor(({ message: { id } }) => id === 1);
    expect(message.error).toMatchObject({ code: -32_603, data: { reason: 'request_timeout' } });
    expect(relatedRequestId).toBe(1);
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toHaveLength(1);
    expect(log.of('server.answer-dropped')).toHaveLength(1);
  });

  it('and what is known of the server meanwhile is told with it', async () => {
    const asked: number[] = [];
    const { client, log } = await joinInitialized({
      requestTimeoutMs: 10,
      remarkSince: (time) => (asked.push(time) > 0 ? '3 lines were skipped' : undefined),
    });
    const before = Date.now();
    await client.deliver(call(1));
    const { message } = await client.waitFor(({ message: { id } }) => id === 1);
    expect(message.error?.message).toContain('within 10 ms. 3 lines were skipped');
    expect(log.of('exchange.timeout')[0]?.text).toContain('3 lines were skipped');
    expect(asked[0]).toBeGreaterThanOrEqual(before);
  });

  it('and the server is told to stop when it has timed out', async () => {
    const { client, server } = await joinInitialized({ requestTimeoutMs: 10 });
    await client.deliver(call(1));
    const { message } = await server.waitFor((sent) => sent.message.method === 'notifications/cancelled');
    expect(message.params).toEqual({ requestId: 1, reason: 'timeout' });
  });

  it('-32603 with reason upstream_exited, all of them at once, when the server dies', async () => {
    const { client, server, conversation } = await joinInitialized();
    for (const id of [1, 'two', 3]) await client.deliver(call(id));
    server.drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL' }));
    for (const id of [1, 'two', 3]) {
      expect(client.answersTo(id)).toMatchObject([
        { error: { code: -32_603, data: { reason: 'upstream_exited' } } },
      ]);
    }
    expect((await conversation.closed).code).toBe('UPSTREAM_EXITED');
    expect(client.isClosed).toBe(true);
  });

  it('-32603 with reason upstream_closed when the server goes without a word', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    server.drop();
    expect(client.answersTo(1)).toMatchObject([{ error: { data: { reason: 'upstream_closed' } } }]);
    expect((await conversation.closed).code).toBe('UPSTREAM_CLOSED');
  });

  it('whatever ends the conversation', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    await conversation.close(new RunError('SHUTTING_DOWN'));
    expect(client.answersTo(1)).toMatchObject([{ error: { data: { reason: 'shutting_down' } } }]);
    expect(server.isClosed).toBe(true);
  });

  it('and a second answer of the server is dropped', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await server.deliver({ id: 1, result: { n: 1 } });
    await server.deliver({ id: 1, result: { n: 2 } });
    await server.deliver({ id: 1, error: { code: 1, message: '' } });
    expect(client.answersTo(1)).toMatchObject([{ result: { n: 1 } }]);
  });

  it('of its own type of id: 1 is not "1"', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver(call('1'));
    await server.deliver({ id: '1', result: { text: true } });
    expect(client.answersTo(1)).toEqual([]);
    expect(client.answersTo('1')).toHaveLength(1);
  });

  it('also if its message is sent while the server is still being opened', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { client, server, conversation } = join({
      eager: true,
      openUpstream: async () => {
        await gate;
        return server;
      },
    });
    const waits = [1, 2, 3].map((id) => client.deliver(call(id)));
    expect(waits.every((wait) => wait instanceof Promise)).toBe(true);
    open();
    for (const wait of waits) await wait;
    expect(server.sent.map(({ message }) => message.id)).toEqual([1, 2, 3]);
    expect(conversation.pending).toBe(3);
  });

  it('with the reason why its server cannot be started', async () => {
    const { client, conversation } = join({
      openUpstream: () =>
        Promise.reject(new RunError('COMMAND_NOT_FOUND', { server: 'files', command: 'nope' })),
    });
    await client.deliver(initialize(1));
    expect(client.answersTo(1)).toMatchObject([
      { error: { code: -32_603, data: { reason: 'command_not_found' } } },
    ]);
    expect((await conversation.closed).code).toBe('COMMAND_NOT_FOUND');
  });

  it('an unexpected failure to start among them', async () => {
    const { client, conversation } = join({ openUpstream: () => Promise.reject(new TypeError('boom')) });
    await client.deliver(initialize(1));
    expect(client.answersTo(1)).toMatchObject([{ error: { code: -32_603, data: { reason: 'internal' } } }]);
    expect((await conversation.closed).code).toBe('INTERNAL');
  });
});

describe('an answer to nothing', () => {
  it('is dropped, from the server', async () => {
    const { client, server, log } = await joinInitialized();
    await server.deliver({ id: 99, result: {} });
    await server.deliver(
      parseFrame(Buffer.from('{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"?"}}')),
    );
    expect(client.sent).toEqual([]);
    expect(log.of('server.answer-dropped')).toMatchObject([
      { level: 'warn', id: 99 },
      { level: 'warn', text: 'the server could not make sense of a message: ?' },
    ]);
  });

  it('is told about a few times, and one to a request that was given up is none', async () => {
    const { client, server, log } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver({ method: 'notifications/cancelled', params: { requestId: 1 } });
    for (const id of [1, 2, 3, 4, 5, 'mcpr:1']) await server.deliver({ id, result: {} });
    expect(log.of('server.answer-dropped').map(({ level, id }) => [level, id])).toEqual([
      ['debug', 1],
      ['warn', 2],
      ['warn', 3],
      ['warn', 4],
      ['debug', 5],
      ['debug', 'mcpr:1'],
    ]);
  });

  it('is told to the client whose call timed out', async () => {
    const { client, server } = await joinInitialized({ requestTimeoutMs: 10 });
    await client.deliver(call(1));
    await server.deliver({ id: '1', result: {} });
    const { message } = await client.waitFor(({ message: { id } }) => id === 1);
    expect(message.error).toMatchObject({
      code: -32_603,
      data: { reason: 'request_timeout', hint: expect.stringContaining('an answer to no request of ours') },
    });
  });

  it('is dropped, from the client', async () => {
    const { client, server, log } = await joinInitialized();
    await client.deliver({ id: 99, result: {} });
    expect(server.sent).toEqual([]);
    expect(log.of('client.answer-dropped')).toHaveLength(1);
  });
});

describe('a cancelled request', () => {
  it('gets no answer, not even a late one, and its link is told', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver({
      method: 'notifications/cancelled',
      params: { requestId: 1, reason: 'r', 'x-kept': 1 },
    });
    expect(server.sent.at(-1)?.message.params).toEqual({ requestId: 1, reason: 'r', 'x-kept': 1 });
    expect(client.forgotten).toEqual([1]);
    await server.deliver({ id: 1, result: {} });
    expect(client.sent).toEqual([]);
    expect(conversation.pending).toBe(0);
  });

  it('frees its id', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await client.deliver(call(1));
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toHaveLength(1);
  });

  it.each([undefined, null, {}, 99, '1'])('is only the one that is named: %j', async (requestId) => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver({ method: 'notifications/cancelled', params: { requestId } });
    expect(client.forgotten).toEqual([]);
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toHaveLength(1);
  });

  it('is never initialize', async () => {
    const { client, server } = join();
    await client.deliver(initialize(1));
    await client.deliver({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await server.deliver({ id: 1, result: { protocolVersion: '2025-11-25' } });
    expect(client.answersTo(1)).toHaveLength(1);
  });
});

describe('an id that is in use', () => {
  it('is refused, and the first request is answered all the same', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    expect(codeOf(() => client.deliver(call(1)))).toBe('DUPLICATE_ID');
    expect(server.sent).toHaveLength(1);
    await server.deliver({ id: 1, result: {} });
    expect(client.answersTo(1)).toHaveLength(1);
  });

  it('is free again after the answer', async () => {
    const { client, server } = await joinInitialized();
    for (let count = 0; count < 3; count += 1) {
      await client.deliver(call(1));
      await server.deliver({ id: 1, result: {} });
    }
    expect(client.answersTo(1)).toHaveLength(3);
  });
});

describe('a client that is gone', () => {
  it('takes its server with it', async () => {
    const { client, server, conversation } = await joinInitialized();
    await client.deliver(call(1));
    client.drop();
    await conversation.closed;
    expect(server.closeReason).toMatchObject({ code: 'CLIENT_GONE' });
    expect(server.isClosed).toBe(true);
    expect(conversation.pending).toBe(0);
  });

  it('takes a server with it that is still being opened', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { client, server, conversation } = join({
      openUpstream: async () => {
        await gate;
        return server;
      },
    });
    void client.deliver(initialize(1));
    client.drop();
    open();
    await conversation.closed;
    expect(server.isClosed).toBe(true);
  });

  it('starts no server, if it has asked for nothing', async () => {
    const setup = join();
    setup.client.drop();
    await setup.conversation.closed;
    expect(setup.opened).toBe(0);
  });

  it('is refused if it speaks on', async () => {
    const { client, conversation } = await joinInitialized();
    client.drop();
    await conversation.closed;
    expect(codeOf(() => client.deliver(call(1)))).toBe('CLIENT_GONE');
  });
});

describe('progress keeps a call alive', () => {
  it('past its timeout, and the hard maximum ends it', async () => {
    const { client, server } = await joinInitialized({ requestTimeoutMs: 60, maxRequestTimeMs: 200 });
    const startedAt = performance.now();
    await client.deliver(call(1, { progressToken: 't' }));
    const answered = client.waitFor(({ message }) => message.id === 1);
    let running = true;
    void answered.then(() => (running = false));
    while (running) {
      await server.deliver({ method: 'notifications/progress', params: { progressToken: 't', progress: 1 } });
      await delay(10);
    }
    expect(performance.now() - startedAt).toBeGreaterThan(150);
    expect((await answered).message.error).toMatchObject({ data: { reason: 'request_timeout' } });
  });
});

describe('a malformed message of the server', () => {
  // Its ends look like a message, so it is not parsed on its way.
  const broken = (id: string): ReturnType<typeof peekFrame> =>
    peekFrame(Buffer.from(`{"result":{"broken":nope},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`));

  it('in answer to initialize becomes an error for the client', async () => {
    const { client, server } = join();
    await client.deliver(initialize('init'));
    await server.deliver(broken('init'));
    expect(client.answersTo('init')).toMatchObject([{ error: { code: -32_603 } }]);
  });

  it.each(['notifications/progress', 'notifications/cancelled'])('as %s does no harm', async (method) => {
    const { server, conversation } = await joinInitialized();
    const frame = peekFrame(Buffer.from(`{"method":"${method}","params":{"x":nope},"jsonrpc":"2.0"}`));
    expect(frame.kind).toBe('notification');
    expect(conversation.pending).toBe(0);
    await turn();
    expect(() => server.deliver({ method: 'notifications/message', params: {} })).not.toThrow();
  });
});

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!isRunError(error)) throw error;
    return error.code;
  }
}
