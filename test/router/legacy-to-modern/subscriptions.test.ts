import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { META } from '../../../src/protocol/constants.ts';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { acknowledge, introduced, listening, type Facade } from './facade.ts';

const LISTEN = 'subscriptions/listen';
const CHANGES = { toolsListChanged: true, resourcesListChanged: true };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function changed(facade: Facade, method: string, subscriptionId: unknown, params: object = {}): void {
  void facade.say({ method, params: { ...params, _meta: { [META.subscriptionId]: subscriptionId } } });
}

function updated(facade: Facade, subscriptionId: unknown, uri: string): void {
  changed(facade, 'notifications/resources/updated', subscriptionId, { uri });
}

function subscribe(facade: Facade, uri: string, id: RequestId = uri): void {
  void facade.send({ id, method: 'resources/subscribe', params: { uri } });
}

function unsubscribe(facade: Facade, uri: string, id: RequestId): void {
  void facade.send({ id, method: 'resources/unsubscribe', params: { uri } });
}

function uris(facade: Facade): unknown {
  return Object(facade.requested(LISTEN).params['notifications'])['resourceSubscriptions'];
}

/** The server's view of its subscriptions that have been cancelled. */
function cancelled(facade: Facade): unknown[] {
  return facade.server.sent.flatMap(({ message }) =>
    message.method === 'notifications/cancelled' ? [message.params?.['requestId']] : [],
  );
}

function told(facade: Facade): unknown[] {
  return facade.received.flatMap(({ message }) => (message.id === undefined ? [message] : []));
}

describe('changes of lists', () => {
  test('are listened to once the client is ready', async () => {
    const facade = await introduced();
    expect(facade.server.sent).toHaveLength(0);
    await facade.send({ method: 'notifications/initialized' });
    const { params, meta } = facade.requested(LISTEN);
    expect(params['notifications']).toStrictEqual(CHANGES);
    expect(meta[META.protocolVersion]).toBe('2026-07-28');
  });

  test('reach the client without the mark of the subscription', async () => {
    const facade = await listening();
    changed(facade, 'notifications/tools/list_changed', facade.listenId);
    expect(told(facade)).toStrictEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    expect(facade.received[0]?.relatedRequestId).toBeUndefined();
  });

  test('are not listened to on a server that has none', async () => {
    const discovered = {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
    };
    const facade = await introduced({ discovered });
    await facade.send({ method: 'notifications/initialized' });
    expect(facade.server.sent).toHaveLength(0);
  });

  test('of somebody else’s subscription are nobody’s', async () => {
    const facade = await listening();
    changed(facade, 'notifications/tools/list_changed', 'other');
    changed(facade, 'notifications/vendor', 'other');
    changed(facade, 'notifications/vendor', facade.listenId);
    expect(told(facade)).toStrictEqual([{ jsonrpc: '2.0', method: 'notifications/vendor' }]);
  });
});

describe('a subscription', () => {
  test('is answered when the server has acknowledged it, and takes the place of the one before', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    expect(facade.received).toHaveLength(0);
    expect(uris(facade)).toEqual(['a:1']);
    expect(cancelled(facade)).toEqual([]);
    acknowledge(facade);
    expect(facade.answerTo('a:1').result).toStrictEqual({});
    expect(cancelled(facade)).toEqual([facade.listenId]);
    const { id } = facade.requested(LISTEN);
    updated(facade, id, 'a:1');
    updated(facade, facade.listenId, 'a:1');
    changed(facade, 'notifications/tools/list_changed', facade.listenId);
    expect(told(facade)).toHaveLength(1);
  });

  test('is answered at once if there is one already', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    acknowledge(facade);
    subscribe(facade, 'a:1', 2);
    expect(facade.answerTo(2).result).toStrictEqual({});
    expect(facade.count(LISTEN)).toBe(2);
  });

  test('that comes while another one is being made is made with the next', async () => {
    const facade = await listening();
    for (const uri of ['a:1', 'a:2', 'a:3']) subscribe(facade, uri);
    subscribe(facade, 'a:1', 'again');
    expect(facade.count(LISTEN)).toBe(2);
    acknowledge(facade);
    expect(facade.answerTo('a:1').result).toStrictEqual({});
    expect(facade.answerTo('again').result).toStrictEqual({});
    expect(uris(facade)).toEqual(['a:1', 'a:2', 'a:3']);
    acknowledge(facade);
    expect(facade.answerTo('a:2').result).toStrictEqual({});
    expect(facade.answerTo('a:3').result).toStrictEqual({});
    expect(facade.count(LISTEN)).toBe(3);
  });

  test('that the server does not accept is an error, and not asked for again', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    acknowledge(facade, CHANGES);
    expect(facade.answerTo('a:1').error).toMatchObject({
      code: -32602,
      data: { reason: 'subscription_refused' },
    });
    subscribe(facade, 'a:2');
    expect(uris(facade)).toEqual(['a:2']);
  });

  test('that the server answers with an error is one', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    void facade.say({ id: facade.requested(LISTEN).id, error: { code: -32602, message: 'no such thing' } });
    expect(facade.answerTo('a:1').error?.message).toContain('no such thing');
    // What was there before goes on.
    changed(facade, 'notifications/tools/list_changed', facade.listenId);
    expect(told(facade)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(facade.count(LISTEN)).toBe(2);
  });

  test('that the server never acknowledges is an error, and taken back', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    const { id } = facade.requested(LISTEN);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(facade.answerTo('a:1').error?.code).toBe(-32602);
    expect(cancelled(facade)).toEqual([id]);
  });

  test('ends with what is in it', async () => {
    const facade = await listening();
    for (const uri of ['a:1', 'b:/dir']) subscribe(facade, uri);
    acknowledge(facade);
    acknowledge(facade);
    const before = facade.requested(LISTEN).id;
    updated(facade, before, 'b:/dir/file');
    unsubscribe(facade, 'a:1', 'off');
    expect(facade.answerTo('off').result).toStrictEqual({});
    updated(facade, before, 'a:1');
    expect(uris(facade)).toEqual(['b:/dir']);
    acknowledge(facade);
    updated(facade, facade.requested(LISTEN).id, 'b:/dir');
    expect(told(facade)).toHaveLength(2);
  });

  test('that nobody had ends without a word to the server', async () => {
    const facade = await listening();
    unsubscribe(facade, 'a:1', 1);
    expect(facade.answerTo(1).result).toStrictEqual({});
    expect(facade.count(LISTEN)).toBe(1);
  });

  test('that is ended while it is being made is answered', async () => {
    const facade = await listening();
    subscribe(facade, 'a:1');
    unsubscribe(facade, 'a:1', 2);
    acknowledge(facade);
    expect(facade.answerTo('a:1').result).toStrictEqual({});
    expect(uris(facade)).toBeUndefined();
    acknowledge(facade);
    updated(facade, facade.requested(LISTEN).id, 'a:1');
    expect(told(facade)).toHaveLength(0);
  });

  test('to nothing at all is none', async () => {
    const discovered = {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { resources: { subscribe: true } },
    };
    const facade = await introduced({ discovered });
    subscribe(facade, 'a:1');
    acknowledge(facade);
    const { id } = facade.requested(LISTEN);
    unsubscribe(facade, 'a:1', 2);
    expect(facade.count(LISTEN)).toBe(1);
    expect(cancelled(facade)).toEqual([id]);
  });

  test('has to name something that the server has', async () => {
    const facade = await listening();
    void facade.send({ id: 1, method: 'resources/subscribe', params: {} });
    expect(facade.answerTo(1).error?.code).toBe(-32602);
    const discovered = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} };
    const other = await introduced({ discovered });
    subscribe(other, 'a:1');
    expect(other.answerTo('a:1').error?.code).toBe(-32601);
  });

  test('is one of a thousand at most', async () => {
    const facade = await listening();
    for (let index = 0; index <= 1_024; index += 1) subscribe(facade, `a:${index}`);
    expect(facade.answerTo('a:1024').error?.message).toContain('1024');
    acknowledge(facade);
    acknowledge(facade);
    expect(facade.answerTo('a:1023').result).toStrictEqual({});
    expect(facade.count(LISTEN)).toBe(3);
  });
});

describe('what the server ends', () => {
  test.each([
    ['an answer', (facade: Facade, id: RequestId) => facade.say({ id, result: { resultType: 'complete' } })],
    [
      'an error',
      (facade: Facade, id: RequestId) => facade.say({ id, error: { code: -32603, message: 'x' } }),
    ],
    [
      'a cancellation',
      (facade: Facade, id: RequestId) =>
        facade.say({ method: 'notifications/cancelled', params: { requestId: id } }),
    ],
  ])('by %s is asked for anew after a pause that grows', async (_how, end) => {
    const facade = await listening();
    let { listenId } = facade;
    for (const [round, ms] of [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
      await end(facade, listenId);
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(facade.count(LISTEN)).toBe(1 + round);
      await vi.advanceTimersByTimeAsync(1);
      expect(facade.count(LISTEN)).toBe(2 + round);
      acknowledge(facade);
      listenId = facade.requested(LISTEN).id;
    }
    changed(facade, 'notifications/tools/list_changed', listenId);
    expect(told(facade)).toHaveLength(1);
    expect(cancelled(facade)).toEqual([]);
  });

  test('after a long time is asked for anew at once', async () => {
    const facade = await listening();
    await facade.say({ id: facade.listenId, result: {} });
    await vi.advanceTimersByTimeAsync(250);
    acknowledge(facade);
    await vi.advanceTimersByTimeAsync(30_000);
    await facade.say({ id: facade.requested(LISTEN).id, result: {} });
    await vi.advanceTimersByTimeAsync(250);
    expect(facade.count(LISTEN)).toBe(3);
  });

  test('since it has nothing to tell is left at that', async () => {
    const facade = await introduced();
    await facade.send({ method: 'notifications/initialized' });
    acknowledge(facade, {});
    await facade.say({ id: facade.requested(LISTEN).id, result: { resultType: 'complete' } });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(facade.count(LISTEN)).toBe(1);
  });

  test('is none of its calls', async () => {
    const facade = await listening();
    await facade.send({ id: 1, method: 'tools/list' });
    const { id } = facade.requested('tools/list');
    await facade.say({ method: 'notifications/cancelled', params: { requestId: id } });
    await facade.say({ id, result: { tools: [] } });
    expect(facade.answerTo(1).result).toStrictEqual({ tools: [] });
  });
});
