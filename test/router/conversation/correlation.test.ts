import { describe, expect, it } from 'vitest';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { aboutOf, call, joinInitialized } from './harness.ts';

const progress = (
  progressToken: unknown,
  value: number,
): { method: string; params: Record<string, unknown> } => ({
  method: 'notifications/progress',
  params: { progressToken, progress: value },
});

describe('progress', () => {
  it('goes to the call with its token, in order, and before the result', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1, { progressToken: 'one' }));
    await client.deliver(call(2, { progressToken: 2 }));
    for (let value = 0; value < 1_000; value += 1) {
      await server.deliver(progress('one', value));
      await server.deliver(progress(2, value));
    }
    await server.deliver({ id: 1, result: {} });
    const relatedRequestId = (id: RequestId): unknown[] =>
      client.sent
        .filter((sent) => sent.relatedRequestId === id)
        .map(({ message }) => message.params?.['progress'] ?? 'result');
    expect(relatedRequestId(1)).toEqual([
      ...Array.from({ length: 1_000 }, (_none, value) => value),
      'result',
    ]);
    expect(relatedRequestId(2)).toHaveLength(1_000);
  });

  it.each([['unknown'], [undefined], [null], [{}], ['__proto__']])(
    'of token %j belongs to no call',
    async (token) => {
      const { client, server } = await joinInitialized();
      await client.deliver(call(1, { progressToken: 't' }));
      await server.deliver(progress(token, 1));
      expect(aboutOf(client, 'notifications/progress')).toEqual([undefined]);
    },
  );

  it('after the result belongs to no call', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1, { progressToken: 't' }));
    await server.deliver({ id: 1, result: {} });
    await server.deliver(progress('t', 1));
    expect(aboutOf(client, 'notifications/progress')).toEqual([undefined]);
  });
});

describe('a question of the server', () => {
  it('goes to the newest call that may ask, and its answer back under its own id', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver(call(2));
    await client.deliver({ id: 3, method: 'tools/list' });
    await server.deliver({ id: 's1', method: 'sampling/createMessage', params: {} });
    expect(aboutOf(client, 'sampling/createMessage')).toEqual([2]);
    await server.deliver({ id: 2, result: {} });
    await server.deliver({ id: 's2', method: 'elicitation/create', params: {} });
    expect(aboutOf(client, 'elicitation/create')).toEqual([1]);
    await client.deliver({ id: 's2', result: { action: 'accept' } });
    await client.deliver({ id: 's1', error: { code: -1, message: 'User rejected sampling request' } });
    expect(server.answersTo('s2')).toMatchObject([{ result: { action: 'accept' } }]);
    expect(server.answersTo('s1')).toMatchObject([{ error: { code: -1 } }]);
  });

  it('goes to the call that the link knows it belongs to, and to none when that is over', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await client.deliver(call(2));
    await server.deliver({ id: 's1', method: 'sampling/createMessage', params: {} }, 1);
    await server.deliver({ id: 's2', method: 'sampling/createMessage', params: {} }, 3);
    expect(aboutOf(client, 'sampling/createMessage')).toEqual([1, undefined]);
    await server.deliver({ method: 'notifications/message', params: { level: 'info', data: 1 } }, 1);
    expect(aboutOf(client, 'notifications/message')).toEqual([1]);
  });

  it('without any call belongs to none', async () => {
    const { client, server } = await joinInitialized();
    await server.deliver({ id: 1, method: 'ping' });
    expect(aboutOf(client, 'ping')).toEqual([undefined]);
  });

  it('may have the id of a call of the client', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await server.deliver({ id: 1, method: 'sampling/createMessage' });
    await client.deliver({ id: 1, result: { role: 'assistant' } });
    await server.deliver({ id: 1, result: { content: [] } });
    expect(server.answersTo(1)).toMatchObject([{ result: { role: 'assistant' } }]);
    expect(client.answersTo(1)).toMatchObject([{ result: { content: [] } }]);
  });

  it('that nobody answers is refused in the end, oldest first, when there are a thousand of them', async () => {
    const { client, server } = await joinInitialized();
    for (let n = 0; n <= 1_000; n++) await server.deliver({ id: `q${n}`, method: 'ping' });
    expect(server.sent).toMatchObject([
      { message: { id: 'q0', error: { data: { reason: 'client_silent' } } } },
    ]);
    await client.deliver({ id: 'q0', result: {} });
    await client.deliver({ id: 'q1', result: {} });
    expect(server.sent.slice(1)).toMatchObject([{ message: { id: 'q1', result: {} } }]);
  });

  it('is answered once only', async () => {
    const { client, server, log } = await joinInitialized();
    await server.deliver({ id: 's', method: 'ping' });
    await client.deliver({ id: 's', result: {} });
    await client.deliver({ id: 's', result: {} });
    expect(server.answersTo('s')).toHaveLength(1);
    expect(log.of('client.answer-dropped')).toHaveLength(1);
  });

  it('that the server has cancelled is not answered any more, and the client is told', async () => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await server.deliver({ id: 's', method: 'elicitation/create' });
    await server.deliver({ method: 'notifications/cancelled', params: { requestId: 's' } });
    expect(aboutOf(client, 'notifications/cancelled')).toEqual([1]);
    await client.deliver({ id: 's', result: { action: 'accept' } });
    expect(server.sent.filter(({ message }) => message.id === 's')).toEqual([]);
  });

  it('is refused where the client cannot be asked', async () => {
    const { client, server } = await joinInitialized();
    client.setAsk(false);
    await server.deliver({ id: 's', method: 'sampling/createMessage' });
    expect(client.sent).toEqual([]);
    expect(server.answersTo('s')).toMatchObject([
      { error: { code: -32_601, data: { reason: 'client_cannot' } } },
    ]);
  });
});

describe('notifications of the server', () => {
  it.each([
    'notifications/tools/list_changed',
    'notifications/prompts/list_changed',
    'notifications/resources/list_changed',
    'notifications/resources/updated',
  ])('%s belongs to no call, also while one is running', async (method) => {
    const { client, server } = await joinInitialized();
    await client.deliver(call(1));
    await server.deliver({ method });
    expect(aboutOf(client, method)).toEqual([undefined]);
  });

  it.each(['notifications/message', 'vendor/unknown', ''])(
    '%j goes with the running call',
    async (method) => {
      const { client, server } = await joinInitialized();
      await client.deliver(call(1));
      await server.deliver({ method, params: { 'x-kept': [1] } });
      expect(client.sent[0]).toMatchObject({
        relatedRequestId: 1,
        message: { method, params: { 'x-kept': [1] } },
      });
    },
  );

  it('belong to none when nothing is running', async () => {
    const { client, server } = await joinInitialized();
    await server.deliver({ method: 'notifications/message' });
    expect(aboutOf(client, 'notifications/message')).toEqual([undefined]);
  });
});

it('passes unknown requests and notifications of the client', async () => {
  const { client, server } = await joinInitialized();
  await client.deliver({ id: 1, method: 'vendor/do', params: { 'x-kept': 1 }, 'x-member': true });
  await client.deliver({ method: 'notifications/vendor', params: {} });
  expect(server.sent.map(({ message }) => message)).toMatchObject([
    { id: 1, method: 'vendor/do', params: { 'x-kept': 1 }, 'x-member': true },
    { method: 'notifications/vendor' },
  ]);
});
