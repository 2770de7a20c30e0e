/** Clients of revision 2026-07-28 on the listener, with the test in the place of the server. */
import { describe, expect, test } from 'vitest';
import type { Frame } from '../../../src/protocol/frame.ts';
import { json, type Json } from '../../support/json.ts';
import type { ModernClientFactory } from '../../support/modern.ts';
import { connectRawModern } from '../../support/raw-modern.ts';
import { connectSdkV2Modern } from '../../support/sdk-v2-modern.ts';
import { listen, type Accepted, type Harness } from './listener.ts';

const CLIENTS: Record<string, ModernClientFactory> = {
  raw: connectRawModern,
  'SDK v2': connectSdkV2Modern,
};

const SCHEMA = { type: 'object', properties: { name: { type: 'string' } } };
const QUESTION = {
  method: 'elicitation/create',
  params: { mode: 'form', message: 'Who?', requestedSchema: SCHEMA },
};

describe.each(Object.entries(CLIENTS))('%s', (_name, connect) => {
  test('calls, and gets progress and the result', async () => {
    const harness = await listen();
    const client = await connect({ kind: 'http', url: harness.mcp });
    expect(client.initializeResult).toMatchObject({ supportedVersions: ['2026-07-28'] });
    const progress: Json[] = [];
    const call = client.request(
      'tools/call',
      { name: 'zwölf', arguments: {} },
      { onProgress: (params) => progress.push(params) },
    );
    const { accepted, frame } = await next(harness, 'tools/call');
    const progressToken = json(json(frame.message.params)['_meta'])['progressToken'];
    void accepted.send({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
    void accepted.send({ id: frame.id ?? 0, result: { resultType: 'complete', content: [] } });
    expect(await call).toMatchObject({ content: [] });
    expect(progress).toMatchObject([{ progress: 1 }]);
  });

  test('answers what the server needs to know, and tries again with the answer', async () => {
    const harness = await listen();
    const client = await connect(
      { kind: 'http', url: harness.mcp },
      {
        capabilities: { elicitation: {} },
        answer: (method, { message }) => ({
          action: 'accept',
          content: { name: `${method} ${String(message)}` },
        }),
      },
    );
    const call = client.request('tools/call', { name: 'greet', arguments: {} });
    const first = await next(harness, 'tools/call');
    const result = { resultType: 'input_required', inputRequests: { q: QUESTION }, requestState: 's' };
    void first.accepted.send({ id: first.frame.id ?? 0, result });
    const second = await next(harness, 'tools/call', first.accepted);
    expect(second.frame.message.params).toMatchObject({
      name: 'greet',
      requestState: 's',
      inputResponses: { q: { action: 'accept', content: { name: 'elicitation/create Who?' } } },
    });
    expect(second.frame.id).not.toBe(first.frame.id);
    void second.accepted.send({ id: second.frame.id ?? 0, result: { resultType: 'complete', content: [] } });
    expect(await call).toMatchObject({ content: [] });
  });

  test('cancels by closing', async () => {
    const harness = await listen();
    const client = await connect({ kind: 'http', url: harness.mcp });
    const abort = new AbortController();
    const call = client.request('tools/call', { name: 'x', arguments: {} }, { signal: abort.signal });
    call.catch(() => {});
    const { accepted } = await next(harness, 'tools/call');
    abort.abort();
    await accepted.closed;
    await expect(call).rejects.toBeInstanceOf(Error);
  });

  test('listens until the listener drains', async () => {
    const harness = await listen();
    const client = await connect({ kind: 'http', url: harness.mcp });
    const listening = client.listen({ toolsListChanged: true });
    const { accepted, frame } = await next(harness, 'subscriptions/listen');
    const _meta = { 'io.modelcontextprotocol/subscriptionId': frame.id };
    const notifications = { toolsListChanged: true };
    void accepted.send({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta, notifications },
    });
    const subscription = await listening;
    expect(subscription.honoured).toEqual(notifications);
    void accepted.send({ method: 'notifications/tools/list_changed', params: { _meta } });
    await expect
      .poll(() => client.incoming.map(({ method }) => method))
      .toContain('notifications/tools/list_changed');
    harness.listener.drain();
    expect(await subscription.ended).toBeDefined();
  });
});

/** The first request of a method that came, apart from one that is known. */
async function next(
  harness: Harness,
  method: string,
  known?: Accepted,
): Promise<{ accepted: Accepted; frame: Frame }> {
  const find = (): Accepted | undefined =>
    harness.accepted.find((one) => one !== known && one.frames[0]?.method === method);
  await expect.poll(find).toBeDefined();
  const accepted = find();
  const frame = accepted?.frames[0];
  if (accepted === undefined || frame === undefined) throw new Error('it is gone');
  return { accepted, frame };
}
