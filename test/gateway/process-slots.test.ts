import { expect, test } from 'vitest';
import { ProcessSlots, type ProcessSlot, type SlotOwner } from '../../src/gateway/process-slots.ts';

interface Owner extends SlotOwner {
  isLeft: boolean;
}

function owner(server = 'a', principalId = 'p'): Owner {
  const self: Owner = { server, principalId, isLeft: false, isLeaving: () => self.isLeft };
  return self;
}

const never = (): boolean => false;

test('starts as many processes at once as allowed, of one server and of all', async () => {
  const slots = new ProcessSlots({ maxChildren: 3, childrenPerServer: 2 }, never);
  for (const server of ['a', 'a', 'b']) await slots.acquire(owner(server)).ready();
  expect(() => slots.acquire(owner('a'))).toThrow('Too many processes of server "a" (2)');
  expect(() => slots.acquire(owner('b'))).toThrow('Too many processes of all servers (3)');
});

test('frees a released slot, once', async () => {
  const slots = new ProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, never);
  const slot = slots.acquire(owner());
  await slot.ready();
  slot.release();
  slot.release();
  await slots.acquire(owner()).ready();
  expect(() => slots.acquire(owner())).toThrow('Too many');
});

test('holds a new process back until the one that was evicted for it has ended', async () => {
  const old = owner();
  const asked: (string | undefined)[] = [];
  const slots = new ProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, (principalId, server) => {
    asked.push(principalId, server);
    old.isLeft = true;
    return true;
  });
  const first = slots.acquire(old);
  await first.ready();
  const second = slots.acquire(owner('a', 'q'));
  const events: string[] = [];
  const started = second.ready().then(() => events.push('started'));
  await Promise.resolve();
  events.push('gone');
  first.release();
  await started;
  expect(events).toEqual(['gone', 'started']);
  expect(asked).toEqual(['q', 'a']);
});

test('looks for an idle conversation among all servers at the limit on all of them', () => {
  const asked: (string | undefined)[] = [];
  const slots = new ProcessSlots({ maxChildren: 1, childrenPerServer: 5 }, (_principal, server) => {
    asked.push(server);
    return false;
  });
  slots.acquire(owner('a'));
  expect(() => slots.acquire(owner('b'))).toThrow('Too many');
  expect(asked).toEqual([undefined]);
});

test('starts waiting processes in the order of arrival, and skips a released slot', async () => {
  const owners = [owner(), owner(), owner(), owner()];
  const slots = new ProcessSlots({ maxChildren: 9, childrenPerServer: 1 }, () => {
    // The last one gives way, without a process of its own to wait for.
    const idle = owners.find(({ isLeft }) => !isLeft);
    if (idle !== undefined) idle.isLeft = true;
    return idle !== undefined;
  });
  const [first, ...waiting] = owners.map((each) => slots.acquire(each)) as [ProcessSlot, ...ProcessSlot[]];
  await first.ready();
  const order: number[] = [];
  const ready = waiting.map((slot, index) => slot.ready().then(() => order.push(index)));
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

test('counts a process that is started in any case', () => {
  const slots = new ProcessSlots({ maxChildren: 1, childrenPerServer: 1 }, never);
  slots.acquireAlways(owner());
  slots.acquireAlways(owner());
  expect(() => slots.acquire(owner())).toThrow('Too many');
});

test('does not limit remote servers, and still evicts their sessions', async () => {
  const asked: (string | undefined)[] = [];
  const limited = new ProcessSlots({ maxChildren: 1, childrenPerServer: 1 }, (_principal, server) => {
    asked.push(server);
    return true;
  });
  const slots = limited.withoutLimit();
  for (let count = 0; count < 3; count += 1) await slots.acquire(owner()).ready();
  expect(asked).toEqual([]);
  expect(slots.evictIdle('p', 'a')).toBe(true);
  expect(asked).toEqual(['a']);
});

test('wakes the waiting owner that releases its slot, and counts it no more', async () => {
  const old = owner();
  const slots = new ProcessSlots({ maxChildren: 1, childrenPerServer: 1 }, () => {
    old.isLeft = true;
    return true;
  });
  await slots.acquire(old).ready();
  const waiting = slots.acquire(owner());
  const ready = waiting.ready();
  waiting.release();
  await ready;
});
