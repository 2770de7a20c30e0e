import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { RunError } from '../../src/errors.ts';
import { ModernMultiplexer } from '../../src/router/multiplex/modern.ts';
import { BackendPerPrincipal } from '../../src/router/per-principal.ts';
import type { ModernBackend } from '../../src/router/modern-backend.ts';
import { createRecordingLog } from '../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../support/memory-link.ts';
import { connect } from './modern-to-legacy/modern-client.ts';

const CLOSED = new RunError('SHUTTING_DOWN');

interface Setup {
  readonly face: ModernBackend;
  /** Principals that something was made for, in order. */
  readonly made: readonly string[];
  readonly children: ReadonlyMap<string, MemoryLink>;
}

function setUp(first?: { readonly link: MemoryLink; readonly principalId: string }): Setup {
  const made: string[] = [];
  const children = new Map<string, MemoryLink>();
  const face = BackendPerPrincipal.create((principalId, onUnused, own) => {
    made.push(principalId);
    return ModernMultiplexer.create({
      server: 'files',
      first: own,
      openUpstream: async () => {
        const link = createMemoryLink('server');
        children.set(principalId, link);
        return link;
      },
      maxUnreadBytes: 1_000_000,
      idleMs: 60_000,
      principalId,
      onUnused,
      clock: systemClock,
      log: createRecordingLog(),
    });
  }, first);
  onTestFinished(() => face.close(CLOSED));
  return { face, made, children };
}

test('a process that runs already serves the principal that it was opened for, and no other', async () => {
  const link = createMemoryLink('server');
  const { face, children } = setUp({ link, principalId: 'one' });
  await connect(face, { principalId: 'two' }).ask('tools/list');
  expect([link.sent.length, [...children.keys()]]).toEqual([0, ['two']]);
  await connect(face, { principalId: 'one' }).ask('tools/list');
  expect([link.sent.length, [...children.keys()]]).toEqual([1, ['two']]);
});

test('a principal can have its own idle process ended, and no other', async () => {
  const { face, children } = setUp();
  const one = connect(face, { principalId: 'one' });
  await one.ask('tools/list');
  expect(face.evictIdle('one')).toBe(false);
  await children.get('one')?.deliver({ id: 1, result: {} });
  expect([face.evictIdle('two'), children.get('one')?.isClosed]).toEqual([false, false]);
  expect([face.evictIdle('one'), children.get('one')?.isClosed]).toEqual([true, true]);
  expect(face.evictIdle('one')).toBe(false);
});

test('a principal is forgotten when its process has ended and its last client has gone', async () => {
  const { face, made, children } = setUp();
  const client = connect(face, { principalId: 'one' });
  await client.ask('tools/list');
  await client.leave();
  await connect(face, { principalId: 'one' }).leave();
  expect(made).toEqual(['one']);
  children.get('one')?.drop();
  await new Promise(setImmediate);
  await connect(face, { principalId: 'one' }).leave();
  expect(made).toEqual(['one', 'one']);
});

test('closing it leaves nothing that could be used', async () => {
  const { face, children } = setUp();
  await face.close(CLOSED);
  const client = connect(face, { principalId: 'one' });
  const id = await client.ask('tools/list');
  expect(client.answerTo(id)?.error).toMatchObject({ data: { reason: 'shutting_down' } });
  expect(children.size).toBe(0);
});
