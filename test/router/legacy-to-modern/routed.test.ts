/** A facade behind the router, as it is used. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { presentAsLegacy } from '../../../src/router/legacy-to-modern/facade.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';
import { aboutOf, call, initialize, join, type Setup } from '../conversation/harness.ts';
import { DISCOVERED, inputRequired } from './facade.ts';

const FORM = {
  method: 'elicitation/create',
  params: { message: 'name?', requestedSchema: { type: 'object' } },
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function joined(): Promise<Setup & { modern: MemoryLink }> {
  const modern = createMemoryLink('server');
  const setup = join({
    openUpstream: async () =>
      presentAsLegacy(modern, {
        server: 'files',
        discovered: DISCOVERED,
        clock: systemClock,
        log: createRecordingLog(),
      }),
  });
  await setup.client.deliver(initialize('init', { elicitation: {} }));
  return { ...setup, modern };
}

function newestCall(modern: MemoryLink): RequestId {
  return modern.sent.findLast(({ message }) => message.method === 'tools/call')?.message.id ?? -1;
}

test('a question goes with the call that it is asked for, not with the newest one', async () => {
  const { client, modern } = await joined();
  await client.deliver(call('first'));
  const first = newestCall(modern);
  await client.deliver(call('second'));
  await modern.deliver(inputRequired(first, { a: FORM }));
  expect(aboutOf(client, 'elicitation/create')).toEqual(['first']);
});

test('a client that ends its input has the call of an open question fail', async () => {
  const { client, modern, conversation } = await joined();
  await client.deliver(call('c'));
  await modern.deliver(inputRequired(newestCall(modern), { a: FORM }));
  client.end();
  expect(client.answersTo('c')).toMatchObject([{ result: { isError: true } }]);
  await conversation.closed;
  expect(modern.isClosed).toBe(true);
});

test('a call that takes too long is answered once, and its question taken back', async () => {
  const { client, modern } = await joined();
  await client.deliver(call('c'));
  await modern.deliver(inputRequired(newestCall(modern), { a: FORM }));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(client.answersTo('c')).toMatchObject([{ error: { data: { reason: 'request_timeout' } } }]);
  expect(client.sent.at(-1)?.message).toMatchObject({
    method: 'notifications/cancelled',
    params: { requestId: 'mcpr:1' },
  });
  await client.deliver({ id: 'mcpr:1', result: { action: 'accept' } });
  expect(modern.sent.filter(({ message }) => message.method === 'tools/call')).toHaveLength(1);
});

test('progress of any round keeps a call alive', async () => {
  const { client, modern } = await joined();
  await client.deliver(call('c', { progressToken: 'p' }));
  for (let round = 0; round < 3; round += 1) {
    const progressToken = newestCall(modern);
    await vi.advanceTimersByTimeAsync(2_900);
    await modern.deliver({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
    await modern.deliver(inputRequired(progressToken, undefined, 's'));
    await vi.advanceTimersByTimeAsync(250);
    await modern.deliver({
      method: 'notifications/progress',
      params: { progressToken: newestCall(modern), progress: 1 },
    });
    await modern.deliver(inputRequired(newestCall(modern), { a: FORM }));
    await client.deliver({ id: `mcpr:${round + 1}`, result: { action: 'accept' } });
  }
  await modern.deliver({ id: newestCall(modern), result: { resultType: 'complete', content: [] } });
  expect(client.answersTo('c')).toMatchObject([{ result: { content: [] } }]);
});

test('a server that dies fails what is open', async () => {
  const { client, modern } = await joined();
  await client.deliver(call('running'));
  await client.deliver(call('asking'));
  await modern.deliver(inputRequired(newestCall(modern), { a: FORM }));
  modern.drop();
  expect(client.answersTo('running')).toMatchObject([{ error: { code: -32603 } }]);
  expect(client.answersTo('asking')).toMatchObject([{ error: { code: -32603 } }]);
});
