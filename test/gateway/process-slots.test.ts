import { expect, test } from 'vitest';
import { createProcessSlots, type ProcessSlot, type SlotOwner } from '../../src/gateway/process-slots.ts';

interface Guest extends SlotOwner {
  isGone: boolean;
}

function guest(server = 'a', principal = 'p'): Guest {
  const self: Guest = { server, principal, isGone: false, isLeaving: () => self.isGone };
  return self;
}

const never = (): boolean => false;

test('as many as allowed start at once, of one server and of all', async () => {
  const places = createProcessSlots({ maxChildren: 3, childrenPerServer: 2 }, never);
  for (const server of ['a', 'a', 'b']) await places.acquire(guest(server)).ready();
  expect(() => places.acquire(guest('a'))).toThrow('Too many processes of server "a" (2)');
  expect(() => places.acquire(guest('b'))).toThrow('Too many processes of all servers (3)');
});

test('a place that is left is free again, once', async () => {
  const places = createProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, never);
  const place = places.acquire(guest());
  await place.ready();
  place.release();
  place.release();
  await places.acquire(guest()).ready();
  expect(() => places.acquire(guest())).toThrow('Too many');
});

test('the newcomer for whom another leaves waits until the process of that one is gone', async () => {
  const old = guest();
  const asked: (string | undefined)[] = [];
  const places = createProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, (principal, server) => {
    asked.push(principal, server);
    old.isGone = true;
    return true;
  });
  const first = places.acquire(old);
  await first.ready();
  const second = places.acquire(guest('a', 'q'));
  const events: string[] = [];
  const started = second.ready().then(() => events.push('started'));
  await Promise.resolve();
  events.push('gone');
  first.release();
  await started;
  expect(events).toEqual(['gone', 'started']);
  expect(asked).toEqual(['q', 'a']);
});

test('the limit on all servers looks for one to end among all of them', () => {
  const asked: (string | undefined)[] = [];
  const places = createProcessSlots({ maxChildren: 1, childrenPerServer: 5 }, (_principal, server) => {
    asked.push(server);
    return false;
  });
  places.acquire(guest('a'));
  expect(() => places.acquire(guest('b'))).toThrow('Too many');
  expect(asked).toEqual([undefined]);
});

test('who waits starts in the order of arrival, and who gives up lets the next one pass', async () => {
  const guests = [guest(), guest(), guest(), guest()];
  const places = createProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, () => {
    // Whoever came last gives way, without a process of its own to wait for.
    const idle = guests.find(({ isGone }) => !isGone);
    if (idle !== undefined) idle.isGone = true;
    return idle !== undefined;
  });
  const [first, ...waiting] = guests.map((each) => places.acquire(each)) as [ProcessSlot, ...ProcessSlot[]];
  await first.ready();
  const order: number[] = [];
  const ready = waiting.map((place, index) => place.ready().then(() => order.push(index)));
  waiting[0]?.release();
  await ready[0];
  expect(order).toEqual([0]);
  first.release();
  await ready[1];
  expect(order).toEqual([0, 1]);
  waiting[1]?.release();
  await ready[2];
  expect(order).toEqual([0, 1, 2]);
});

test('a process that is started in any case counts', () => {
  const places = createProcessSlots({ maxChildren: 1, childrenPerServer: 1 }, never);
  places.acquireAlways(guest());
  places.acquireAlways(guest());
  expect(() => places.acquire(guest())).toThrow('Too many');
});
