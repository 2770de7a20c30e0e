/** What a server's answers prove, and what its end means. */
import { describe, expect, test } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { frameOf } from '../../src/protocol/frame.ts';
import type { Link } from '../../src/link/link.ts';
import { observeHealth } from '../../src/link/observe-health.ts';
import { createMemoryLink, type MemoryLink } from '../support/memory-link.ts';

const REFUSED = { error: { code: -32000, message: 'no licence' } };
const EXITED = new RunError('UPSTREAM_EXITED', { server: 'x', status: 'exit code 1', exitCode: 1 });

test('the first answer is one, the second is the proof', async () => {
  const { server, link, seen } = observe();
  await ask(server, link, 'initialize', { result: {} });
  await ask(server, link, 'tools/list', REFUSED);
  expect(seen).toEqual(['answered', 'proved']);
});

test('a refused initialize is not made good by an answer to server/discover', async () => {
  const { server, link, seen } = observe();
  await ask(server, link, 'initialize', REFUSED);
  await ask(server, link, 'server/discover', REFUSED);
  await link.close(
    new RunError('UPSTREAM_ERROR', { server: 'x', method: 'initialize', detail: 'no licence' }),
  );
  expect(seen).toEqual(['answered', 'gone: failed']);
});

test('a modern server proves itself by what it does', async () => {
  const { server, link, seen } = observe();
  await ask(server, link, 'server/discover', { result: {} });
  await ask(server, link, 'tools/list', { result: {} });
  expect(seen).toEqual(['answered', 'proved']);
});

describe('a server that ends at server/discover', () => {
  test.each([
    [true, 'gone'],
    [false, 'gone: failed'],
  ])('forgiven: %s, %s', async (isForgiven, end) => {
    const { server, link, seen } = observe(isForgiven);
    await link.send(frameOf({ id: 1, method: 'server/discover' }));
    server.drop(EXITED);
    expect(seen).toEqual([end]);
  });
});

test.each([
  ['mcpr:offer', 405, 'gone'],
  ['mcpr:offer', 500, 'gone: failed'],
  ['mcpr:trial', 405, 'gone: failed'],
])('a server that ends %s with HTTP status %s: %s', async (id, status, end) => {
  const { server, link, seen } = observe();
  await link.send(frameOf({ id, method: 'initialize' }));
  server.drop(new RunError('UPSTREAM_HTTP', { server: 'x', status, detail: '' }));
  expect(seen).toEqual([end]);
});

function observe(isForgiven = false): { server: MemoryLink; link: Link; seen: string[] } {
  const server = createMemoryLink('server');
  const seen: string[] = [];
  const link = observeHealth({
    answered: () => void seen.push('answered'),
    proved: () => void seen.push('proved'),
    forgives: () => isForgiven,
    gone: (_error, isFailedStart) => void seen.push(isFailedStart ? 'gone: failed' : 'gone'),
  })(server);
  link.onframe(() => {});
  return { server, link, seen };
}

async function ask(server: MemoryLink, link: Link, method: string, outcome: object): Promise<void> {
  await link.send(frameOf({ id: method, method }));
  await server.deliver({ id: method, ...outcome });
}
