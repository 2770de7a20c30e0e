/** Subscriptions of modern clients to the notifications of a legacy server. */
import { describe, expect, test } from 'vitest';
import { META } from '../../../src/protocol/constants.ts';
import { createHarness, requestsTo, settled } from './harness.ts';
import { connect } from './modern-client.ts';
import { eventually } from '../../support/eventually.ts';

describe('a subscription', () => {
  const filter = { notifications: { toolsListChanged: true, resourceSubscriptions: ['a://1'] } };

  test('is acknowledged first, receives its notifications under its id, and unsubscribes when its client leaves', async () => {
    const { pool, child } = createHarness();
    const [one, two] = [connect(pool), connect(pool)];
    const id = await one.ask('subscriptions/listen', filter);
    await two.ask('subscriptions/listen', filter);
    await settled();
    expect(requestsTo(child(), 'resources/subscribe')).toHaveLength(1);
    expect(one.received[0]).toMatchObject({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { [META.subscriptionId]: id }, notifications: filter.notifications },
    });
    await child().deliver({ method: 'notifications/resources/updated', params: { uri: 'a://1/part' } });
    await child().deliver({ method: 'notifications/prompts/list_changed' });
    expect(one.received.slice(1)).toMatchObject([
      { method: 'notifications/resources/updated', params: { _meta: { [META.subscriptionId]: id } } },
    ]);
    await one.leave();
    expect(requestsTo(child(), 'resources/unsubscribe')).toEqual([]);
    await two.leave();
    expect(requestsTo(child(), 'resources/unsubscribe')).toHaveLength(1);
  });

  test('to a folder receives the update of a part only if no other client has subscribed to exactly that part', async () => {
    const { pool, child } = createHarness();
    const [folder, part] = [connect(pool), connect(pool)];
    const uris = ['file:///a', 'file:///a/b'];
    await folder.ask('subscriptions/listen', { notifications: { resourceSubscriptions: uris.slice(0, 1) } });
    await part.ask('subscriptions/listen', { notifications: { resourceSubscriptions: uris.slice(1) } });
    await settled();
    const updates = ['file:///a/b', 'file:///a/c', 'file:///a/%2e%2e/c', 'file:///a/b/../d'];
    for (const uri of updates)
      await child().deliver({ method: 'notifications/resources/updated', params: { uri } });
    const updated = [folder, part].map(({ received }) =>
      received.flatMap(({ params }) => params?.['uri'] ?? []),
    );
    expect(updated).toEqual([['file:///a/c', 'file:///a/b/../d'], ['file:///a/b']]);
  });

  test('ends with a result when the process exits', async () => {
    const { pool, child } = createHarness();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', filter);
    await settled();
    child().drop();
    expect(client.answerTo(id)?.result).toMatchObject({
      resultType: 'complete',
      _meta: { [META.subscriptionId]: id },
    });
  });

  test('without a notification that the server offers ends at once', async () => {
    const { pool } = createHarness();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', { notifications: { promptsListChanged: true } });
    await eventually(() => expect(client.answerTo(id)?.result).toMatchObject({ resultType: 'complete' }));
    expect(client.received[0]).toMatchObject({ params: { notifications: {} } });
  });

  test('without a filter is rejected', async () => {
    const { pool } = createHarness();
    const client = connect(pool);
    const id = await client.ask('subscriptions/listen', { notifications: 'all' });
    await eventually(() => expect(client.answerTo(id)?.error?.code).toBe(-32602));
  });

  test('is cancelled by a notification over stdio', async () => {
    const { pool, child } = createHarness();
    const client = connect(pool);
    const requestId = await client.ask('subscriptions/listen', filter);
    await settled();
    client.tell('notifications/cancelled', { requestId });
    await settled();
    await child().deliver({ method: 'notifications/tools/list_changed' });
    expect(client.received).toHaveLength(1);
  });
});
