/** The states of a call, and the transitions between them. */
import { describe, expect, test } from 'vitest';
import { frameOf } from '../../../src/protocol/frame.ts';
import { Caller, PendingCall, type CallState } from '../../../src/router/modern-to-legacy/pending-call.ts';
import { readRequest } from '../../../src/router/request-parts.ts';
import { TestPort } from '../shared-process/test-port.ts';

type Transition = 'suspend' | 'resume' | 'discard' | 'settle';

const NEXT: Readonly<Record<CallState, Readonly<Partial<Record<Transition, CallState>>>>> = {
  running: { suspend: 'suspended', settle: 'settled' },
  suspended: { resume: 'running', discard: 'discarded', settle: 'settled' },
  discarded: { settle: 'settled' },
  settled: {},
};
const STATES: readonly CallState[] = ['running', 'suspended', 'discarded', 'settled'];
const TRANSITIONS: readonly Transition[] = ['suspend', 'resume', 'discard', 'settle'];
const PAIRS = STATES.flatMap((state) => TRANSITIONS.map((transition) => ({ state, transition })));
const LEGAL = PAIRS.filter(({ state, transition }) => NEXT[state][transition] !== undefined);
const ILLEGAL = PAIRS.filter(({ state, transition }) => NEXT[state][transition] === undefined);

describe('a pending call', () => {
  test.each(LEGAL)('that is $state allows $transition', ({ state, transition }) => {
    const call = callIn(state);
    apply(call, transition);
    expect(call.state).toBe(NEXT[state][transition]);
  });

  test.each(ILLEGAL)('that is $state rejects $transition, and stays as it is', ({ state, transition }) => {
    const call = callIn(state);
    const { caller } = call;
    expect(() => apply(call, transition)).toThrow(`a call that is ${state} cannot become`);
    expect([call.state, call.caller]).toEqual([state, caller]);
  });

  test('has a caller only while it is running', () => {
    expect(STATES.map((state) => callIn(state).caller !== undefined)).toEqual([true, false, false, false]);
  });

  test('counts how often it has been suspended', () => {
    const call = callIn('suspended');
    call.resume(callerOf());
    call.suspend();
    expect(call.rounds).toBe(2);
  });

  test('has the same digest as its retry, and another one than any other request', () => {
    const [call, retry, other] = [
      callWith({ name: 'any', arguments: { a: 1, b: 2 }, _meta: { progressToken: 1 } }),
      callWith({ arguments: { b: 2, a: 1 }, name: 'any', requestState: 's', inputResponses: {} }),
      callWith({ name: 'other' }),
    ];
    expect(call.digest).toBe(retry.digest);
    expect(call.digest).not.toBe(other.digest);
  });
});

function callIn(state: CallState): PendingCall {
  const call = callWith({ name: 'any' });
  if (state === 'suspended' || state === 'discarded') call.suspend();
  if (state === 'discarded') call.discard();
  if (state === 'settled') call.settle();
  return call;
}

function callWith(params: Readonly<Record<string, unknown>>): PendingCall {
  const frame = frameOf({ id: 1, method: 'tools/call', params });
  return new PendingCall(1, frame, readRequest(frame), callerOf());
}

function callerOf(): Caller {
  return new Caller(new TestPort(), 1, '1', undefined);
}

function apply(call: PendingCall, transition: Transition): void {
  if (transition === 'resume') call.resume(callerOf());
  else call[transition]();
}
