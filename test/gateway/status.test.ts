import { describe, expect, it } from 'vitest';
import { createStatus } from '../../src/gateway/status.ts';
import type { ServerSnapshot } from '../../src/upstream/supervision/server-snapshot.ts';

const FAILURE = {
  code: 'UPSTREAM_EXITED',
  message: 'it exited with /a',
  publicMessage: 'it exited',
  hint: '',
};

function readinessOf(...snapshots: Pick<ServerSnapshot, 'server' | 'state' | 'lastFailure'>[]) {
  return createStatus(
    snapshots.map((one) => ({ snapshot: () => ({ conversations: 0, failedStarts: 0, ...one }) })),
  ).readiness();
}

describe('readiness', () => {
  it.each(['stopped', 'starting', 'ready', 'degraded'] as const)(
    'has no problem with a server that is %s',
    (state) => {
      expect(readinessOf({ server: 'a', state })).toEqual({ codes: [], servers: { a: state }, problems: {} });
    },
  );

  it('has none with running processes whose sibling failed to start', () => {
    expect(readinessOf({ server: 'a', state: 'degraded', lastFailure: FAILURE }).codes).toEqual([]);
  });

  it.each([
    ['stopped', 'failed start', 'it exited'],
    ['starting', 'failed start', 'it exited'],
    ['backoff', 'backoff', 'backoff: it exited'],
    ['crash-loop', 'crash loop', 'crash-loop: it exited'],
  ] as const)('names a server that is %s after a failed start', (state, code, problem) => {
    const found = readinessOf({ server: 'a', state, lastFailure: FAILURE }, { server: 'b', state: 'ready' });
    expect(found).toEqual({ codes: [code], servers: { a: state, b: 'ready' }, problems: { a: problem } });
  });

  it('has each code once', () => {
    const state = 'backoff';
    const servers = ['a', 'b', 'c'].map((server) => ({ server, state, lastFailure: FAILURE }) as const);
    expect(readinessOf(...servers).codes).toEqual(['backoff']);
  });

  it('takes any name for a server', () => {
    const { problems } = readinessOf({ server: '__proto__', state: 'stopped', lastFailure: FAILURE });
    expect(JSON.stringify(problems)).toBe('{"__proto__":"it exited"}');
  });
});
