import { describe, expect, it } from 'vitest';
import { isRunError, RunError } from '../../../src/errors.ts';
import { parseFrame } from '../../../src/protocol/frame.ts';
import { aboutOf, call, initialize, join, joinInitialized } from './harness.ts';

describe('initialize', () => {
  it('starts the server, and nothing before it does', async () => {
    const setup = join();
    await setup.client.deliver({ method: 'notifications/initialized' });
    expect(setup.opened).toBe(0);
    await setup.client.deliver(initialize());
    expect(setup.opened).toBe(1);
  });

  it('reaches the server as the bytes that came', async () => {
    const { client, server } = join();
    const bytes = Buffer.from(
      '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"x":12345678901234567890,"capabilities":{"sampling":{}}}}',
    );
    await client.deliver(parseFrame(bytes));
    expect(server.sent[0]?.frame.bytes).toBe(bytes);
  });

  it('is refused when it is nested too deeply to be written again, and may then come anew', async () => {
    const { client, server, conversation } = join();
    const nested = `${'{"a":'.repeat(100_000)}{}${'}'.repeat(100_000)}`;
    const text = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{},"x":${nested}}}}`;
    expect(codeOf(() => client.deliver(parseFrame(Buffer.from(text))))).toBe('INVALID_REQUEST');
    expect(conversation.pending).toBe(0);
    await client.deliver(initialize());
    expect(server.sent).toHaveLength(1);
  });

  it('must come first', async () => {
    const setup = join();
    expect(codeOf(() => setup.client.deliver(call(1)))).toBe('NOT_INITIALIZED');
    expect(setup.opened).toBe(0);
    expect(setup.conversation.pending).toBe(0);
  });

  it('need not come first where the server is started at once', async () => {
    const setup = join({ eager: true });
    expect(setup.opened).toBe(1);
    await setup.client.deliver(call(1));
    await setup.server.deliver({ id: 1, result: {} });
    expect(setup.client.answersTo(1)).toHaveLength(1);
  });

  it('lets requests pass while it is running', async () => {
    const { client, server } = join();
    await client.deliver(initialize());
    await client.deliver({ id: 2, method: 'ping' });
    expect(server.sent.map(({ message }) => message.method)).toEqual(['initialize', 'ping']);
  });

  it.each(['while the first is running', 'after the first'])('is refused a second time %s', async (when) => {
    const { client, server } = join();
    await client.deliver(initialize(1));
    if (when === 'after the first')
      await server.deliver({ id: 1, result: { protocolVersion: '2025-11-25' } });
    expect(codeOf(() => client.deliver(initialize(2)))).toBe('ALREADY_INITIALIZED');
    expect(server.sent).toHaveLength(1);
  });

  it('may be repeated after an error, on the same server', async () => {
    const setup = join();
    const { client, server } = setup;
    await client.deliver(initialize(1));
    await server.deliver({ id: 1, error: { code: -32_602, message: 'Unsupported protocol version' } });
    expect(codeOf(() => client.deliver(call(9)))).toBe('NOT_INITIALIZED');
    await client.deliver(initialize(2));
    await server.deliver({ id: 2, result: { protocolVersion: '2025-11-25' } });
    await client.deliver(call(3));
    expect(server.sent.map(({ message }) => message.id)).toEqual([1, 2, 3]);
    expect(setup.opened).toBe(1);
  });

  it('has a time limit of its own, which ends the conversation', async () => {
    const { client, server, conversation } = join({ initializeTimeoutMs: 10 });
    await client.deliver(initialize(1));
    await conversation.closed;
    expect(client.answersTo(1)).toMatchObject([
      { error: { code: -32_603, data: { reason: 'request_timeout' } } },
    ]);
    // Its limit is not that of other requests.
    expect(JSON.stringify(client.answersTo(1))).toMatch(/^(?!.*--request-timeout).*--initialize-timeout/);
    expect(server.closeReason).toMatchObject({ code: 'REQUEST_TIMEOUT' });
    expect(aboutOf(server, 'notifications/cancelled')).toEqual([]);
  });
});

describe("the client's roots", () => {
  const ROOTS = { roots: { listChanged: true }, sampling: {}, experimental: { x: 1 } };

  it('are not declared to the server, and everything else is', async () => {
    const { client, server, log } = join();
    await client.deliver(initialize('a', ROOTS));
    expect(server.sent[0]?.message).toMatchObject({
      id: 'a',
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', clientInfo: { name: 't' } },
    });
    expect(server.sent[0]?.message.params?.['capabilities']).toEqual({
      sampling: {},
      experimental: { x: 1 },
    });
    expect(log.of('client.withheld')).toHaveLength(1);
  });

  it('are not told to a server that asks all the same', async () => {
    const { client, server } = await joinInitialized({}, ROOTS);
    await server.deliver({ id: 's1', method: 'roots/list' });
    expect(client.sent).toEqual([]);
    expect(server.answersTo('s1')).toMatchObject([
      { error: { code: -32_601, data: { reason: 'client_cannot' } } },
    ]);
  });

  it('may change without the server being told', async () => {
    const { client, server } = await joinInitialized({}, ROOTS);
    await client.deliver({ method: 'notifications/roots/list_changed' });
    expect(server.sent).toEqual([]);
  });

  it('pass where they are allowed: capability, question, answer and change', async () => {
    const { client, server } = join({ withheld: new Set() });
    await client.deliver(initialize('a', ROOTS));
    expect(server.sent[0]?.message.params?.['capabilities']).toEqual(ROOTS);
    await server.deliver({ id: 'a', result: { protocolVersion: '2025-11-25' } });
    await server.deliver({ id: 's1', method: 'roots/list' });
    expect(client.sent.at(-1)?.message).toMatchObject({ id: 's1', method: 'roots/list' });
    await client.deliver({ id: 's1', result: { roots: [{ uri: 'file:///x' }] } });
    expect(server.answersTo('s1')).toMatchObject([{ result: { roots: [{ uri: 'file:///x' }] } }]);
    await client.deliver({ method: 'notifications/roots/list_changed' });
    expect(server.sent.at(-1)?.message.method).toBe('notifications/roots/list_changed');
  });

  it('change nothing about a client that has none', async () => {
    const { client, server, log } = join();
    const bytes = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}');
    await client.deliver(parseFrame(bytes));
    expect(server.sent[0]?.frame.bytes).toBe(bytes);
    expect(log.of('client.withheld')).toEqual([]);
  });

  it.each(['null', '"roots"', '["roots"]', '5'])('survive capabilities of %s', async (capabilities) => {
    const { client, server } = join();
    const text = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":${capabilities}}}`;
    await client.deliver(parseFrame(Buffer.from(text)));
    expect(String(server.sent[0]?.frame.bytes)).toBe(text);
  });
});

it('refuses initialize once the conversation is over', async () => {
  const { client, conversation } = join();
  await conversation.close(new RunError('SHUTTING_DOWN'));
  expect(codeOf(() => client.deliver(initialize()))).toBe('CLIENT_GONE');
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
