import { expect, test } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { frameOf, type Frame } from '../../../src/protocol/frame.ts';
import { InFlightRequest } from '../../../src/router/shared-process/in-flight-request.ts';
import { PortSet } from '../../../src/router/shared-process/port-set.ts';
import { SendBufferLimit } from '../../../src/router/shared-process/send-buffer-limit.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { CLOSED, TestPort } from './test-port.ts';

const REQUEST = frameOf({ id: 1, method: 'tools/list' });
const MESSAGE = frameOf({ method: 'notifications/message', params: { level: 'info', data: 'x' } });

test('a port hands on what it is sent and delivers what comes back', () => {
  const port = new TestPort();
  const delivered: Frame[] = [];
  port.onframe((frame) => void delivered.push(frame));
  expect(port.send(REQUEST)).toBeUndefined();
  port.deliver(MESSAGE);
  expect([port.received, delivered]).toEqual([[REQUEST], [MESSAGE]]);
});

test.each([
  [
    'throws',
    () => {
      throw new RunError('SHUTTING_DOWN');
    },
  ],
  ['rejects', () => Promise.reject(new RunError('SHUTTING_DOWN'))],
])('a request is answered with the error that its server %s', async (_how, receive) => {
  const port = new TestPort();
  const delivered: Frame[] = [];
  port.receive = receive;
  port.onframe((frame) => void delivered.push(frame));
  await port.send(REQUEST);
  await port.send(MESSAGE);
  expect(delivered.map(({ message }) => message)).toMatchObject([
    { id: 1, error: { data: { reason: 'shutting_down' } } },
  ]);
});

test('a port that has ended delivers nothing, and tells its end once', async () => {
  const port = new TestPort();
  const delivered: Frame[] = [];
  const reasons: unknown[] = [];
  port.onframe((frame) => void delivered.push(frame));
  port.onclose((error) => void reasons.push(error));
  await port.close();
  port.end(new RunError('SHUTTING_DOWN'));
  port.deliver(MESSAGE);
  expect([port.isOpen, port.leaves, delivered, reasons]).toEqual([false, 1, [], [CLOSED]]);
});

test('what a client does not take counts until it is taken, or until it leaves', async () => {
  const unread = new SendBufferLimit(1_000, createRecordingLog());
  const [slow, gone] = [new TestPort(unread), new TestPort(unread)];
  let taken = (): void => {};
  slow.onframe(() => new Promise<void>((resolve) => (taken = resolve)));
  gone.onframe(() => new Promise<void>(() => {}));
  slow.deliver(MESSAGE);
  gone.deliver(MESSAGE);
  expect([slow.unread, gone.unread]).toEqual([MESSAGE.bytes.length, MESSAGE.bytes.length]);
  taken();
  await gone.close();
  await Promise.resolve();
  expect([slow.unread, gone.unread]).toEqual([0, 0]);
});

test('the client with the most unread bytes is disconnected when all together leave too many', () => {
  const log = createRecordingLog();
  const { length } = MESSAGE.bytes;
  const unread = new SendBufferLimit(length * 3, log);
  const [slow, slower] = [new TestPort(unread), new TestPort(unread)];
  for (const port of [slow, slower]) port.onframe(() => new Promise<void>(() => {}));
  for (const port of [slow, slower, slower, slow]) port.deliver(MESSAGE);
  expect([slow.isOpen, slower.isOpen]).toEqual([false, true]);
  slower.deliver(MESSAGE);
  expect([slower.isOpen, slower.unread]).toEqual([true, length * 3]);
});

test('a port finds its requests by their ids, one or many, and lists them by age', () => {
  const port = new TestPort();
  const calls = ['a', 1, 10n ** 20n].map((id, index) => {
    const call = new InFlightRequest(port, id, String(id), undefined);
    call.number = index + 1;
    port.addCall(call);
    return call;
  });
  for (const call of calls) expect(port.findCall(call.id)).toBe(call);
  expect([port.findCall('1'), port.findCall(undefined), port.findCall({})]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const [first, second] = calls;
  if (first === undefined || second === undefined) throw new Error('no calls');
  port.removeCall(first);
  const late = new InFlightRequest(port, 'late', '"late"', undefined);
  late.number = 4;
  port.addCall(late);
  expect(port.calls().map(({ number }) => number)).toEqual([2, 3, 4]);
  for (const call of port.calls()) port.removeCall(call);
  expect([port.hasCalls, port.calls()]).toEqual([false, []]);
});

test('ports come to a set and go from it in any order', () => {
  const ports = new PortSet<TestPort>();
  const [one, two, three] = [new TestPort(), new TestPort(), new TestPort()];
  for (const port of [one, two, three]) ports.add(port);
  ports.delete(one);
  ports.delete(one);
  expect(new Set(ports.values())).toEqual(new Set([two, three]));
  ports.delete(new TestPort());
  ports.delete(three);
  ports.delete(two);
  expect(ports.size).toBe(0);
});
