import { describe, expect, test } from 'vitest';
import { META } from '../../../src/protocol/constants.ts';
import { createFacade, DISCOVERED, initialize, introduced, settle, toolCall } from './facade.ts';

describe('the handshake', () => {
  test('is answered from what the server says of itself', async () => {
    const facade = createFacade();
    await facade.send(initialize('init', { capabilities: { sampling: {} } }));
    const { id, meta } = facade.requested('server/discover');
    expect(meta).toStrictEqual({
      [META.protocolVersion]: '2026-07-28',
      [META.clientCapabilities]: { sampling: {} },
      [META.clientInfo]: { name: 'client', version: '1' },
    });
    await facade.say({ id, result: DISCOVERED });
    expect(facade.answerTo('init').result).toStrictEqual({
      protocolVersion: '2025-11-25',
      capabilities: DISCOVERED.capabilities,
      serverInfo: { name: 'modern', version: '9' },
      instructions: 'Be kind.',
    });
    expect(facade.server.sent).toHaveLength(1);
  });

  test('asks nobody when the answer is known', async () => {
    const facade = await introduced();
    expect(facade.server.sent).toHaveLength(0);
  });

  test.each([
    ['2024-11-05', '2024-11-05'],
    ['2025-06-18', '2025-06-18'],
    ['1999-01-01', '2025-11-25'],
  ])('agrees to %s with %s', async (protocolVersion, agreed) => {
    const facade = createFacade({ discovered: DISCOVERED });
    await facade.send(initialize(1, { protocolVersion }));
    expect(facade.answerTo(1).result).toMatchObject({ protocolVersion: agreed });
  });

  test('holds back what the client sends before it is over', async () => {
    const facade = createFacade();
    await facade.send(initialize('init'));
    void facade.send({ method: 'notifications/initialized' });
    void facade.send(toolCall(1));
    await settle();
    expect(facade.server.sent).toHaveLength(1);
    await facade.say({ id: facade.requested('server/discover').id, result: DISCOVERED });
    await settle();
    expect(facade.server.sent.map(({ message }) => message.method)).toEqual([
      'server/discover',
      'subscriptions/listen',
      'tools/call',
    ]);
  });

  test.each([
    ['an error', { error: { code: -32022, message: 'no such version' } }, /no such version/],
    ['another revision', { result: { ...DISCOVERED, supportedVersions: ['2031-01-01'] } }, /2031-01-01/],
    ['anything else', { result: { hello: 'world' } }, /server\/discover/],
  ])('fails when the server answers with %s, and may be tried again', async (_what, answer, text) => {
    const facade = createFacade();
    await facade.send(initialize(1));
    const call = facade.send(toolCall(2));
    await facade.say({ id: facade.requested('server/discover').id, ...answer });
    await call;
    expect(facade.answerTo(1).error).toMatchObject({ code: -32603, message: expect.stringMatching(text) });
    expect(facade.answerTo(2).error).toMatchObject({ code: -32600 });
    await facade.send(initialize(3));
    await facade.say({ id: facade.requested('server/discover').id, result: DISCOVERED });
    expect(facade.answerTo(3).result).toBeDefined();
  });

  test('fails when the answer is no JSON', async () => {
    const facade = createFacade();
    await facade.send(initialize(1));
    await facade.say(`{"jsonrpc":"2.0","id":${facade.requested('server/discover').id},"result":{,}}`);
    expect(facade.answerTo(1).error).toMatchObject({ data: { reason: 'malformed_answer' } });
  });

  test('comes once', async () => {
    const facade = await introduced();
    await facade.send(initialize(2));
    expect(facade.answerTo(2).error?.code).toBe(-32600);
  });

  test('comes before anything but a ping', async () => {
    const facade = createFacade();
    await facade.send({ id: 1, method: 'ping' });
    await facade.send(toolCall(2));
    await facade.send({ method: 'notifications/initialized' });
    expect(facade.answerTo(1).result).toStrictEqual({});
    expect(facade.answerTo(2).error?.code).toBe(-32600);
    expect(facade.server.sent).toHaveLength(0);
  });
});
