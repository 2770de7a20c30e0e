/** Calls that wait for the input of their clients, and the states that find them again. */
import { describe, expect, test } from 'vitest';
import { RequestStates } from '../../../src/era/request-state.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import { Caller, PendingCall } from '../../../src/router/modern-to-legacy/pending-call.ts';
import { SuspendedCalls } from '../../../src/router/modern-to-legacy/suspended-calls.ts';
import { readRequest } from '../../../src/router/request-parts.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { TestPort } from '../shared-process/test-port.ts';

const TTL_MS = 1_000;

describe('a state', () => {
  test('finds its call once', () => {
    const { suspended } = harness();
    const call = suspendedCall();
    const state = suspended.add(call);
    expect(suspended.take(state, call.digest)).toEqual({ kind: 'call', call });
    expect(suspended.take(state, call.digest)).toBeUndefined();
    expect(suspended.size).toBe(0);
  });

  test('is not valid for another request or another key', () => {
    const { suspended, setKey } = harness();
    const call = suspendedCall();
    const state = suspended.add(call);
    expect(suspended.take(state, 'another digest')).toBeUndefined();
    setKey('another key');
    expect(suspended.take(state, call.digest)).toBeUndefined();
    setKey('key');
    expect(suspended.take(state, call.digest)).toMatchObject({ kind: 'call' });
  });

  test('of a request without a suspended call has it sent anew, until it expires', async () => {
    const { suspended, clock } = harness();
    const state = suspended.replayState('digest');
    await clock.pass(TTL_MS - 1);
    expect(suspended.take(state, 'digest')).toEqual({ kind: 'replay' });
    await clock.pass(1);
    expect(suspended.take(state, 'digest')).toBeUndefined();
  });

  test('says once that the process has ended', () => {
    const { suspended } = harness();
    const call = suspendedCall();
    const state = suspended.add(call);
    suspended.loseAll();
    expect(suspended.size).toBe(0);
    expect(suspended.take(state, call.digest)).toEqual({ kind: 'lost' });
    expect(suspended.take(state, call.digest)).toBeUndefined();
  });
});

describe('a suspended call', () => {
  test('expires after its time, with its state', async () => {
    const { suspended, clock, expired } = harness();
    const call = suspendedCall();
    const state = suspended.add(call);
    await clock.pass(TTL_MS - 1);
    expect(expired).toEqual([]);
    await clock.pass(1);
    expect(expired).toEqual([call]);
    expect(suspended.take(state, call.digest)).toBeUndefined();
  });

  test.each(['take', 'remove', 'loseAll'] as const)('does not expire after %s', async (way) => {
    const { suspended, clock, expired } = harness();
    const call = suspendedCall();
    const state = suspended.add(call);
    if (way === 'take') suspended.take(state, call.digest);
    else if (way === 'remove') suspended.remove(call);
    else suspended.loseAll();
    await clock.pass(10 * TTL_MS);
    expect(expired).toEqual([]);
  });

  test('is the oldest until it is removed', () => {
    const { suspended } = harness();
    const calls = [suspendedCall(), suspendedCall()];
    for (const call of calls) suspended.add(call);
    expect(suspended.oldest()).toBe(calls[0]);
    suspended.remove(suspended.oldest() ?? suspendedCall());
    expect(suspended.oldest()).toBe(calls[1]);
  });
});

function harness(): {
  readonly suspended: SuspendedCalls;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly expired: PendingCall[];
  readonly setKey: (text: string) => void;
} {
  const clock = createFakeClock();
  const expired: PendingCall[] = [];
  let keyText = 'key';
  const suspended = new SuspendedCalls({
    states: new RequestStates(),
    keyText: () => keyText,
    ttlMs: TTL_MS,
    onExpire: (call) => void expired.push(call),
    clock,
  });
  return { suspended, clock, expired, setKey: (text) => void (keyText = text) };
}

function suspendedCall(): PendingCall {
  const frame = frameOf({ id: 1, method: 'tools/call', params: { name: 'any' } });
  const call = new PendingCall(1, frame, readRequest(frame), new Caller(new TestPort(), 1, '1', undefined));
  call.suspend();
  return call;
}
