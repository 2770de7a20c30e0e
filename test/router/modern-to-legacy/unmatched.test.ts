import { expect, test } from 'vitest';
import type { ServerRequest } from '../../../src/router/modern-to-legacy/pending-call.ts';
import { UnmatchedRequests } from '../../../src/router/modern-to-legacy/unmatched.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

function harness(): {
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly unmatched: UnmatchedRequests;
  readonly expired: ServerRequest[];
} {
  const clock = createFakeClock();
  const expired: ServerRequest[] = [];
  const unmatched = new UnmatchedRequests(clock, (request) => void expired.push(request));
  return { clock, unmatched, expired };
}

function request(id: number): ServerRequest {
  return { id, method: 'roots/list', params: {}, relatedRequestId: undefined };
}

test('an unmatched request expires after 20 s', async () => {
  const { clock, unmatched, expired } = harness();
  unmatched.keep(request(1));
  await clock.pass(19_999);
  expect(expired).toEqual([]);
  await clock.pass(1);
  expect(expired).toEqual([request(1)]);
  expect(unmatched.takeAll()).toEqual([]);
});

test('an unmatched request that is taken or removed does not expire', async () => {
  const { clock, unmatched, expired } = harness();
  for (const id of [1, 2, 3]) unmatched.keep(request(id));
  unmatched.remove(2);
  expect(unmatched.takeAll()).toEqual([request(1), request(3)]);
  await clock.pass(60_000);
  expect(expired).toEqual([]);
});

test('an unmatched request replaces an older one with the same id', async () => {
  const { clock, unmatched, expired } = harness();
  unmatched.keep(request(1));
  await clock.pass(15_000);
  unmatched.keep(request(1));
  await clock.pass(15_000);
  expect(expired).toEqual([]);
  expect(unmatched.takeAll()).toEqual([request(1)]);
});
