/** A server for modern clients, when it is not what the first question has made of it. */
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RunError } from '../../../src/errors.ts';
import { META } from '../../../src/protocol/constants.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import { createEraCache } from '../../../src/router/negotiation/era-cache.ts';
import { ModernClientRoute } from '../../../src/router/negotiation/modern-client.ts';
import type { ModernBackend } from '../../../src/router/modern-backend.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const CALL = {
  id: 1,
  method: 'tools/call',
  params: { _meta: { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} } },
};
const CLIENT = { principalId: 'one', withheld: new Set<never>() };

test('a server that turns out to be modern is not translated any more', async () => {
  const { route, child, known, sent, closed } = open();
  const first = route.open(CLIENT).send(frameOf(CALL));
  await child.waitFor(({ message }) => message.method === 'server/discover');
  child.drop();
  await first;
  await route.open(CLIENT).send(frameOf(CALL));
  expect(sent).toEqual(['legacy', 'legacy']);
  known.modern = true;
  await route.open(CLIENT).send(frameOf(CALL));
  expect(sent).toEqual(['legacy', 'legacy', 'modern']);
  await route.close(new RunError('SHUTTING_DOWN'));
  expect(closed.toSorted()).toEqual(['legacy', 'modern']);
});

test('a backend that is being created when the server turns out to be modern is closed with the other one', async () => {
  let create = (): void => {};
  const { route, child, known, sent, closed, asked } = open(new Promise((resolve) => (create = resolve)));
  const first = route.open(CLIENT).send(frameOf(CALL));
  await child.waitFor(({ message }) => message.method === 'server/discover');
  child.drop();
  await asked;
  known.modern = true;
  const second = route.open(CLIENT).send(frameOf(CALL));
  create();
  await Promise.all([first, second]);
  await route.open(CLIENT).send(frameOf(CALL));
  expect(sent).toEqual(['legacy', 'legacy', 'modern']);
  await route.close(new RunError('SHUTTING_DOWN'));
  expect(closed.toSorted()).toEqual(['legacy', 'modern']);
});

test('closing it does not wait for a server that does not say what it is', async () => {
  const { route, child } = open();
  void route.open(CLIENT).send(frameOf(CALL));
  await child.waitFor(({ message }) => message.method === 'server/discover');
  await route.close(new RunError('SHUTTING_DOWN'));
  expect(child.isClosed).toBe(true);
});

/** @param created resolves when a legacy server's backend is there */
function open(created: Promise<void> = Promise.resolve()) {
  let ask = (): void => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const known = createEraCache(undefined);
  const child: MemoryLink = createMemoryLink('server');
  const sent: string[] = [];
  const closed: string[] = [];
  const face = (era: string): ModernBackend => ({
    pending: 0,
    open: () => createMemoryLink('server', () => void sent.push(era)),
    evictIdle: () => false,
    close: async () => void closed.push(era),
  });
  const route = new ModernClientRoute({
    version: '0',
    clock: systemClock,
    known,
    openChild: async () => child,
    toModernServer: async () => face('modern'),
    toLegacyServer: async () => {
      ask();
      await created;
      return face('legacy');
    },
  });
  return { route, child, known, sent, closed, asked };
}
