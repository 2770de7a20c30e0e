/** Which era a server is of, found out by asking it. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { META } from '../../../src/protocol/constants.ts';
import { reattachable } from '../../../src/link/reattachable.ts';
import { detectEra } from '../../../src/router/negotiation/detect-era.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const DISCOVERED = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} };

describe('a server is modern if it answers server/discover', () => {
  test('with what it is', async () => {
    const server = createMemoryLink('server');
    const verdict = detectEra(server, { clock: systemClock, version: '7' });
    expect(server.sent[0]?.message).toMatchObject({
      method: 'server/discover',
      params: {
        _meta: {
          [META.protocolVersion]: '2026-07-28',
          [META.clientCapabilities]: {},
          [META.clientInfo]: { name: 'mcp-run', version: '7' },
        },
      },
    });
    await answer(server, { result: DISCOVERED });
    expect(await verdict).toMatchObject({ era: 'modern', discovered: DISCOVERED });
  });
  test.each([-32020, -32021, -32022])('with the error %i', async (code) => {
    const server = createMemoryLink('server');
    const verdict = detectEra(server, { clock: systemClock, version: '7' });
    await answer(server, { error: { code, message: 'no' } });
    expect(await verdict).toMatchObject({ era: 'modern', discovered: undefined });
  });
});

describe('a server is legacy', () => {
  test.each([
    { error: { code: -32601, message: 'no' } },
    { error: { code: -32602, message: 'no' } },
    { error: { code: -32000, message: 'Mcp-Session-Id header is required' } },
    { result: {} },
  ])('if it answers %j', async (outcome) => {
    const server = createMemoryLink('server');
    const verdict = detectEra(server, { clock: systemClock, version: '7' });
    await answer(server, outcome);
    expect(await verdict).toEqual({ era: 'legacy' });
  });
  test.each([{ result: {} }, { error: { code: -32002, message: 'not initialized' } }])(
    'if it answers nothing but the ping, with %j',
    async (pong) => {
      const server = createMemoryLink('server', ({ message }) => {
        if (message.method === 'ping') void server.deliver({ id: message.id ?? 0, ...pong });
      });
      expect(await detectEra(server, { clock: systemClock, version: '7', silenceMs: 1 })).toEqual({
        era: 'legacy',
      });
    },
  );
  test('if it is silent for ever', async () => {
    const server = createMemoryLink('server');
    expect(
      await detectEra(server, { clock: systemClock, version: '7', silenceMs: 1, longestMs: 20 }),
    ).toEqual({ era: 'legacy' });
  });
});

test('a slow server is only sent requests that are valid in both eras', async () => {
  const server = createMemoryLink('server');
  const verdict = detectEra(server, { clock: systemClock, version: '7', silenceMs: 1 });
  await server.waitFor(({ message }) => message.method === 'ping');
  for (const { message } of server.sent)
    expect(message.params?.['_meta']).toMatchObject({ [META.protocolVersion]: '2026-07-28' });
  await answer(server, { result: DISCOVERED });
  expect(await verdict).toMatchObject({ era: 'modern', isOpen: false });
});

test.each([
  { error: { code: -32601, message: 'no ping in 2026-07-28' } },
  { result: { resultType: 'complete' } },
])('a slow server that answers the ping with %j is still waited for', async (pong) => {
  const server = createMemoryLink('server', ({ message }) => {
    if (message.method === 'ping') void server.deliver({ id: message.id ?? 0, ...pong });
  });
  const verdict = detectEra(server, { clock: systemClock, version: '7', silenceMs: 1, graceMs: 1 });
  await server.waitFor(({ message }) => message.method === 'ping');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await answer(server, { result: DISCOVERED });
  expect(await verdict).toMatchObject({ era: 'modern' });
});

test('a server that ends at the question is gone', async () => {
  const server = createMemoryLink('server');
  const verdict = detectEra(server, { clock: systemClock, version: '7' });
  server.drop(new Error('exit'));
  expect(await verdict).toMatchObject({ era: 'gone' });
});

test('what the server says besides is nobody’s, and the link is left for the next one', async () => {
  const server = createMemoryLink('server');
  const link = reattachable(server);
  const verdict = detectEra(link, { clock: systemClock, version: '7' });
  await server.deliver({ method: 'notifications/message', params: {} });
  await server.deliver({ id: 'other', result: DISCOVERED });
  await answer(server, { result: DISCOVERED });
  await verdict;
  const seen: unknown[] = [];
  link.onframe((frame) => void seen.push(frame.method));
  await server.deliver({ method: 'notifications/tools/list_changed' });
  expect(seen).toEqual(['notifications/tools/list_changed']);
  server.drop();
  let isTold = false;
  link.onclose(() => (isTold = true));
  expect(isTold).toBe(true);
});

function answer(server: MemoryLink, outcome: object): void | Promise<void> {
  return server.deliver({ id: server.sent[0]?.message.id ?? 0, ...outcome });
}
