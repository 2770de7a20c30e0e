import { expect, test } from 'vitest';
import { Sessions } from '../../../src/downstream/http/sessions.ts';
import { StreamableSession } from '../../../src/downstream/http/streamable/session.ts';
import { Ticker } from '../../../src/downstream/http/ticker.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { principalOf } from '../../support/principal.ts';

function open(
  sessions: Sessions,
  clock: FakeClock,
  id: string,
  principal = principalOf('local'),
): StreamableSession {
  const session = new StreamableSession({
    id,
    server: 'files',
    principal,
    resumeLimitBytes: 1_000,
    jsonResponse: false,
    keepAliveMs: 5_000,
    onEnd: (ended) => sessions.remove(ended),
    clock,
  });
  sessions.add(session);
  return session;
}

const idsOf = (sessions: Sessions, ids: readonly string[], principalId = 'local'): string[] =>
  ids.filter((id) => {
    try {
      return sessions.find('streamable', id, 'files', principalId).id === id;
    } catch {
      return false;
    }
  });

test('ends a session without messages after the idle time of the injected clock', async () => {
  const clock = createFakeClock();
  const sessions = new Sessions(10, 60_000);
  const ticker = new Ticker(clock, 1_000);
  ticker.onTick((now) => sessions.tick(now));
  ticker.start();
  open(sessions, clock, 'first');
  await clock.pass(30_000);
  open(sessions, clock, 'second');
  await clock.pass(31_000);
  expect(idsOf(sessions, ['first', 'second'])).toEqual(['second']);
  await clock.pass(31_000);
  expect(idsOf(sessions, ['first', 'second'])).toEqual([]);
});

test('evicts the session that the same principal left idle longest, and rejects a client without one', async () => {
  const clock = createFakeClock();
  const sessions = new Sessions(2, 60_000);
  open(sessions, clock, 'older');
  await clock.pass(10);
  open(sessions, clock, 'newer');
  expect(() => sessions.makeRoom('stranger')).toThrow('Too many sessions');
  sessions.makeRoom('local');
  expect(idsOf(sessions, ['older', 'newer'])).toEqual(['newer']);
});

test('finds a session for its own principal only', () => {
  const clock = createFakeClock();
  const sessions = new Sessions(2, 60_000);
  open(sessions, clock, 'own', principalOf('a'));
  expect(idsOf(sessions, ['own'], 'a')).toEqual(['own']);
  expect(idsOf(sessions, ['own'], 'b')).toEqual([]);
});

test('a session belongs to all requests with its principal id, also when their claims differ', async () => {
  const clock = createFakeClock();
  const sessions = new Sessions(2, 60_000);
  const [earlier, later] = [principalOf('a', { groups: ['x'] }), principalOf('a', { groups: ['y'] })];
  open(sessions, clock, 'first', earlier);
  await clock.pass(10);
  open(sessions, clock, 'second', later);
  expect(idsOf(sessions, ['first', 'second'], later.id)).toEqual(['first', 'second']);
  expect(sessions.evictIdle(later.id, 'files')).toBe(true);
  expect(idsOf(sessions, ['first', 'second'], earlier.id)).toEqual(['second']);
});

test('a ticker calls its handlers at every interval until it is stopped', async () => {
  const clock = createFakeClock();
  const ticker = new Ticker(clock, 500);
  const ticks: number[] = [];
  ticker.onTick((now) => void ticks.push(now));
  await clock.pass(1_000);
  expect(ticks).toEqual([]);
  ticker.start();
  await clock.pass(1_600);
  ticker.stop();
  await clock.pass(5_000);
  expect(ticks).toEqual([1_500, 2_000, 2_500]);
});
