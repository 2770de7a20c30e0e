import { expect, test } from 'vitest';
import { observeTools } from '../../src/link/observe-tools.ts';
import { frameOf, type Frame, type RequestId } from '../../src/protocol/frame.ts';
import { createMemoryLink } from '../support/memory-link.ts';

function open() {
  const client = createMemoryLink('client');
  const seen: Frame[] = [];
  const link = observeTools(client, (answer) => void seen.push(answer));
  link.onframe(() => {});
  const answer = (id: RequestId) => link.send(frameOf({ id, result: { tools: [] } }));
  return { client, link, seen, answer };
}

test('each answer to tools/list is observed and sent on, once', async () => {
  const { client, seen, answer } = open();
  await client.deliver({ id: 1, method: 'tools/list' });
  await client.deliver({ id: 2, method: 'ping' });
  for (const id of [2, 1, 1]) await answer(id);
  expect(seen.map(({ id }) => id)).toEqual([1]);
  expect(client.sent.map(({ message }) => message.id)).toEqual([2, 1, 1]);
});

test('an abandoned request is forgotten', async () => {
  const { client, link, seen, answer } = open();
  await client.deliver({ id: 1, method: 'tools/list' });
  link.abandonResponse(1);
  await answer(1);
  expect([seen, client.forgotten]).toEqual([[], [1]]);
});

test('no more than a thousand requests are remembered', async () => {
  const { client, seen, answer } = open();
  for (let id = 0; id <= 1_000; id += 1) await client.deliver({ id, method: 'tools/list' });
  await answer(1_000);
  await answer(999);
  expect(seen.map(({ id }) => id)).toEqual([999]);
});
