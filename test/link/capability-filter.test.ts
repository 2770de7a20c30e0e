import type { Capability } from '../../src/config/types.ts';
import { describe, expect, it, test } from 'vitest';
import { frameOf, parseFrame } from '../../src/protocol/frame.ts';
import { isWithheld, withoutCapabilities } from '../../src/link/capability-filter.ts';
import { call, initialize, join, joinInitialized } from '../router/conversation/harness.ts';

const ALL: ReadonlySet<Capability> = new Set(['roots', 'sampling', 'elicitation']);
const DECLARED = {
  roots: { listChanged: true },
  sampling: { tools: {} },
  elicitation: { form: {}, url: {} },
  tasks: { requests: { sampling: { createMessage: {} } } },
  experimental: { x: 1 },
};

describe('behind an open address', () => {
  it('the server does not hear that the client can be asked, and the log says so once', async () => {
    const { client, server, log } = join({ withheld: ALL });
    await client.deliver(initialize('a', DECLARED));
    expect(server.sent[0]?.message.params).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: { experimental: { x: 1 } },
      clientInfo: { name: 't' },
    });
    expect(Object.keys(Object(server.sent[0]?.message.params?.['capabilities']))).toEqual(['experimental']);
    expect(log.of('client.withheld')).toMatchObject([
      { level: 'info', capabilities: ['roots', 'sampling', 'elicitation', 'tasks'] },
    ]);
  });

  it.each(['sampling/createMessage', 'elicitation/create', 'roots/list', 'tasks/list'])(
    'a server that asks %s all the same is refused, and the client hears nothing',
    async (method) => {
      const { client, server } = await joinInitialized({ withheld: ALL }, DECLARED);
      await client.deliver(call(1));
      await server.deliver({ id: 's1', method, params: {} });
      expect(client.sent).toEqual([]);
      expect(server.answersTo('s1')).toMatchObject([
        { error: { code: -32_601, data: { reason: 'client_cannot' } } },
      ]);
    },
  );

  it.each(['ping', 'vendor/ask'])('a server may still ask %s', async (method) => {
    const { client, server } = await joinInitialized({ withheld: ALL }, DECLARED);
    await server.deliver({ id: 's1', method });
    expect(client.sent).toMatchObject([{ message: { id: 's1', method } }]);
  });
});

test('what is declared otherwise stays as it is, and so does a frame with nothing to withhold', () => {
  const text =
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{},"__proto__":{"x":1}}}}';
  const stripped = withoutCapabilities(parseFrame(Buffer.from(text)), new Set(['roots']));
  expect(Buffer.from(stripped?.frame.bytes ?? []).toString()).toBe(text.replace('"roots":{},', ''));
  expect(withoutCapabilities(parseFrame(Buffer.from(text)), new Set())).toBeUndefined();
  for (const capabilities of [null, 'roots', ['roots'], {}, { constructor: {} }]) {
    expect(
      withoutCapabilities(frameOf({ id: 1, method: 'initialize', params: { capabilities } }), ALL),
    ).toBeUndefined();
  }
});

test('what cannot be written again is refused before the server is opened', () => {
  const depth = 200_000;
  const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const text = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{}},"deep":${deep}}}`;
  const setup = join();
  expect(() => setup.client.deliver(parseFrame(Buffer.from(text)))).toThrow('nested too deeply');
  expect(setup.opened).toBe(0);
  expect(setup.conversation.pending).toBe(0);
});

test('tasks are withheld only together with everything that they run', () => {
  expect(isWithheld('tasks/get', ALL)).toBe(true);
  expect(isWithheld('tasks/get', new Set(['roots', 'sampling']))).toBe(false);
  expect(isWithheld('constructor', ALL)).toBe(false);
});
