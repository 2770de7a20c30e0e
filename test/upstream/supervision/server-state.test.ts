import { describe, expect, it, test } from 'vitest';
import {
  nextState,
  SERVER_EVENTS,
  SERVER_STATES,
  type ServerEvent,
  type ServerState,
} from '../../../src/upstream/supervision/server-state.ts';

const EVENTS = ['start', 'answer', 'failure', 'loop', 'unstartable', 'unreachable', 'empty', 'stop'] as const;

/** Each state's next one, in the order of the events above; a dot stays. */
const EXPECTED: readonly (readonly [ServerState, ...(ServerState | '.')[]])[] = [
  ['stopped', 'starting', '.', 'backoff', 'crash-loop', '.', 'backoff', '.', '.'],
  ['starting', '.', 'ready', 'backoff', 'crash-loop', 'stopped', 'backoff', 'stopped', 'stopped'],
  ['ready', '.', '.', 'degraded', 'crash-loop', 'degraded', 'backoff', 'stopped', 'stopped'],
  ['degraded', '.', 'ready', '.', 'crash-loop', '.', 'backoff', 'backoff', 'stopped'],
  ['backoff', '.', 'ready', '.', 'crash-loop', '.', '.', '.', 'stopped'],
  ['crash-loop', '.', 'ready', '.', '.', '.', '.', '.', 'stopped'],
];

const CASES = EXPECTED.flatMap(([state, ...next]) =>
  EVENTS.map((event, index): [ServerState, ServerEvent, ServerState] => {
    const then = next[index];
    return [state, event, then === undefined || then === '.' ? state : then];
  }),
);

describe("a server's state", () => {
  it.each(CASES)('%s after %s is %s', (state, event, next) => {
    expect(nextState(state, event)).toBe(next);
  });

  test('every state and every event is in the table above', () => {
    expect(EXPECTED.map(([state]) => state)).toEqual(expect.arrayContaining([...SERVER_STATES]));
    expect([...EVENTS]).toEqual([...SERVER_EVENTS]);
    expect(CASES).toHaveLength(SERVER_STATES.length * SERVER_EVENTS.length);
  });

  test('every state can be reached', () => {
    const reached = new Set<ServerState>(['stopped']);
    for (const state of reached) for (const event of SERVER_EVENTS) reached.add(nextState(state, event));
    expect(reached).toEqual(new Set(SERVER_STATES));
  });

  test('every state ends in stopped', () => {
    expect(SERVER_STATES.map((state) => nextState(state, 'stop'))).toEqual(
      SERVER_STATES.map(() => 'stopped'),
    );
  });
});
