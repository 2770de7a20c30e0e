import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { InFlightRequest, type RequestScope } from '../../../src/router/shared-process/in-flight-request.ts';
import { InFlightRequests } from '../../../src/router/shared-process/in-flight.ts';
import { TestPort } from './test-port.ts';

function request(port: TestPort, id: string | number, scope?: RequestScope): InFlightRequest<TestPort> {
  return new InFlightRequest(port, id, JSON.stringify(id), undefined, scope);
}

test('requests of several ports under one id have numbers of their own', () => {
  const requests = new InFlightRequests<TestPort>(systemClock);
  const all = [request(new TestPort(), 'x'), request(new TestPort(), 'x')];
  expect(all.map((one) => requests.start(one))).toEqual([1, 2]);
  const second = requests.get(2);
  expect(second).toBe(all[1]);
  if (second !== undefined) requests.settle(second, 0);
  expect([requests.get(2), requests.get('1'), requests.get(1)]).toEqual([undefined, undefined, all[0]]);
});

test('an id that is in flight is refused to the same port until it is settled', () => {
  const requests = new InFlightRequests<TestPort>(systemClock);
  const port = new TestPort();
  const first = request(port, 'x');
  requests.start(first);
  expect(() => requests.start(request(port, 'x'))).toThrow(expect.objectContaining({ code: 'DUPLICATE_ID' }));
  expect(requests.size).toBe(1);
  requests.settle(first, 0);
  expect(requests.start(request(port, 'x'))).toBe(2);
});

test('a client that leaves abandons its own requests, oldest first', () => {
  const requests = new InFlightRequests<TestPort>(systemClock);
  const [leaving, staying] = [new TestPort(), new TestPort()];
  const settled: unknown[] = [];
  for (const id of ['a', 'b', 'c']) {
    const one = request(leaving, id);
    one.onSettled = (isError) => void settled.push([id, isError]);
    requests.start(one);
    requests.start(request(staying, id));
  }
  expect(requests.abandon(leaving, 'b')).toBe(3);
  expect([requests.abandon(leaving, 'b'), requests.abandon(leaving, undefined)]).toEqual([
    undefined,
    undefined,
  ]);
  expect(requests.abandonAll(leaving)).toEqual([1, 5]);
  expect(settled).toEqual([
    ['b', true],
    ['a', true],
    ['c', true],
  ]);
  expect([requests.size, requests.abandonAll(leaving)]).toEqual([3, []]);
});

test('all are settled as failed when the process is gone, and leave nothing with their ports', () => {
  const requests = new InFlightRequests<TestPort>(systemClock);
  const port = new TestPort();
  const all = ['a', 'b'].map((id) => request(port, id));
  for (const one of all) requests.start(one);
  expect(requests.settleAll()).toEqual(all);
  expect([requests.size, port.hasCalls, requests.settleAll()]).toEqual([0, false, []]);
});

test('a message without correlation may belong to the calls of the only client', () => {
  let now = 0;
  const requests = new InFlightRequests<TestPort>({ now: () => now });
  const [one, other] = [new TestPort(), new TestPort()];
  const call = request(one, 'call');
  requests.start(call);
  requests.start(request(one, 'listen', 'listen'));
  requests.start(request(other, 'listen', 'listen'));
  expect(requests.candidates()).toEqual([call]);
  const watch = request(other, 'watch', 'watch');
  requests.start(watch);
  expect(requests.candidates()).toEqual([]);
  requests.settle(watch, 0);
  expect(requests.candidates()).toEqual([]);
  now = 30_000;
  expect(requests.candidates()).toEqual([call]);
});
