import { describe, expect, it } from 'vitest';
import { createStatus } from '../../src/gateway/status.ts';
import type { ServerSnapshot } from '../../src/upstream/supervisor.ts';

const FAILURE = { code: 'UPSTREAM_EXITED', message: 'it exited', hint: '' };

function problemsOf(...snapshots: Pick<ServerSnapshot, 'server' | 'state' | 'lastFailure'>[]) {
  return createStatus(
    snapshots.map((one) => ({ snapshot: () => ({ conversations: 0, failedStarts: 0, ...one }) })),
  ).problems();
}

describe('readiness', () => {
  it.each(['stopped', 'starting', 'ready', 'degraded'] as const)(
    'has no problem with a server that is %s',
    (state) => {
      expect(problemsOf({ server: 'a', state })).toBeUndefined();
    },
  );

  it('has none with running processes whose sibling failed to start', () => {
    expect(problemsOf({ server: 'a', state: 'degraded', lastFailure: FAILURE })).toBeUndefined();
  });

  it.each([
    ['stopped', 'it exited'],
    ['starting', 'it exited'],
    ['backoff', 'backoff: it exited'],
    ['crash-loop', 'crash-loop: it exited'],
  ] as const)('names a server that is %s after a failed start', (state, problem) => {
    expect(problemsOf({ server: 'a', state, lastFailure: FAILURE }, { server: 'b', state: 'ready' })).toEqual(
      { a: problem },
    );
  });

  it('takes any name for a server', () => {
    const problems = problemsOf({ server: '__proto__', state: 'stopped', lastFailure: FAILURE });
    expect(JSON.stringify(problems)).toBe('{"__proto__":"it exited"}');
  });
});
