/** Several legacy clients that share one modern server: sharing sees a legacy child. */
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { META } from '../../../src/protocol/constants.ts';
import type { JsonRpcMessage } from '../../../src/protocol/frame.ts';
import { presentAsLegacy } from '../../../src/router/legacy-to-modern/facade.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';
import { settle, shareChild, toolCall, type ShareSetup } from '../multiplex/legacy/clients.ts';
import { DISCOVERED, inputRequired } from './facade.ts';

function shareModern(): Pick<ShareSetup, 'connect'> & { readonly modern: MemoryLink } {
  const modern = createMemoryLink('server', ({ message }) => {
    const answer = answerTo(message);
    if (answer !== undefined) queueMicrotask(() => void modern.deliver(answer));
  });
  const log = createRecordingLog();
  const { connect } = shareChild({
    openUpstream: async () => presentAsLegacy(modern, { server: 'files', clock: systemClock, log }),
  });
  return { connect, modern };
}

function answerTo({ id, method, params }: JsonRpcMessage): Omit<JsonRpcMessage, 'jsonrpc'> | undefined {
  if (method === 'server/discover') return { id: id ?? null, result: DISCOVERED };
  if (method !== 'subscriptions/listen') return undefined;
  const _meta = { [META.subscriptionId]: id };
  return {
    method: 'notifications/subscriptions/acknowledged',
    params: { _meta, notifications: params?.['notifications'] },
  };
}

function requests(modern: MemoryLink, method: string): JsonRpcMessage[] {
  return modern.sent.flatMap(({ message }) => (message.method === method ? [message] : []));
}

test('each gets its own answers and progress, and the server knows of no client', async () => {
  const { connect, modern } = shareModern();
  const [ann, bob] = [await connect(), await connect()];
  await ann.send(toolCall(1, 'a'));
  await bob.send(toolCall(1, 'b'));
  const [first, second] = requests(modern, 'tools/call');
  expect(first?.params?.['_meta']).toMatchObject({
    [META.clientCapabilities]: {},
    [META.clientInfo]: { name: 'mcp-run', version: '1.2.3' },
  });
  await modern.deliver({
    method: 'notifications/progress',
    params: { progressToken: second?.id, progress: 1 },
  });
  await modern.deliver({ id: second?.id ?? null, result: { resultType: 'complete', content: ['b'] } });
  await modern.deliver({ id: first?.id ?? null, result: { resultType: 'complete', content: ['a'] } });
  expect(ann.received).toMatchObject([{ id: 1, result: { content: ['a'] } }]);
  expect(bob.received).toMatchObject([
    { params: { progressToken: 'b' } },
    { id: 1, result: { content: ['b'] } },
  ]);
});

test('a subscription is everybody’s who has it, and a change of the list everybody’s', async () => {
  const { connect, modern } = shareModern();
  const [ann, bob] = [await connect(), await connect()];
  await ann.send({ id: 1, method: 'resources/subscribe', params: { uri: 'a:1' } });
  await settle();
  expect(ann.received).toMatchObject([{ id: 1, result: {} }]);
  const listen = requests(modern, 'subscriptions/listen').at(-1);
  const _meta = { [META.subscriptionId]: listen?.id };
  await modern.deliver({ method: 'notifications/resources/updated', params: { uri: 'a:1', _meta } });
  await modern.deliver({ method: 'notifications/tools/list_changed', params: { _meta } });
  expect(ann.received.slice(1).map(({ method }) => method)).toEqual([
    'notifications/resources/updated',
    'notifications/tools/list_changed',
  ]);
  expect(bob.received.map(({ method }) => method)).toEqual(['notifications/tools/list_changed']);
});

test('nobody is asked: a call that needs input fails', async () => {
  const { connect, modern } = shareModern();
  const ann = await connect();
  await ann.send(toolCall(1));
  const form = { method: 'elicitation/create', params: { message: 'name?', requestedSchema: {} } };
  await modern.deliver(inputRequired(requests(modern, 'tools/call')[0]?.id ?? '', { a: form }));
  expect(ann.received).toMatchObject([{ id: 1, result: { isError: true } }]);
});

test('who leaves takes his calls along', async () => {
  const { connect, modern } = shareModern();
  const ann = await connect();
  await ann.send(toolCall(1));
  await ann.link.close();
  expect(requests(modern, 'notifications/cancelled')).toMatchObject([
    { params: { requestId: requests(modern, 'tools/call')[0]?.id } },
  ]);
});
