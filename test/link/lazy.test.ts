import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { lazyLink } from '../../src/link/lazy.ts';
import type { Link } from '../../src/link/link.ts';
import { frameOf, type JsonRpcMessage } from '../../src/protocol/frame.ts';
import { createMemoryLink } from '../support/memory-link.ts';

const PING = frameOf({ id: 1, method: 'ping' });
const NOTE = frameOf({ method: 'notifications/progress' });

describe('a lazy link', () => {
  it('opens its target once, and sends what has waited in order', async () => {
    const target = createMemoryLink('server');
    let opened = 0;
    const link = lazyLink('modern', async () => {
      opened += 1;
      return target;
    });
    expect(opened).toBe(0);
    await Promise.all([link.send(PING), link.send(NOTE)]);
    expect(opened).toBe(1);
    expect(target.sent.map(({ frame }) => frame)).toEqual([PING, NOTE]);
  });

  it('answers a request with the error when opening fails, and opens again for the next', async () => {
    const target = createMemoryLink('server');
    const outcomes: (() => Link)[] = [failing, failing, () => target];
    const link = lazyLink('modern', async () => outcomes.shift()?.() ?? target);
    const received: JsonRpcMessage[] = [];
    link.onframe(({ message }) => void received.push(message));
    await link.send(PING);
    await link.send(NOTE);
    await link.send(PING);
    expect(received).toMatchObject([{ id: 1, error: { data: { reason: 'shutting_down' } } }]);
    expect(target.sent).toHaveLength(1);
  });

  it('closes a target that opens after the link was closed', async () => {
    const target = createMemoryLink('server');
    const link = lazyLink('modern', async () => target);
    let ends = 0;
    link.onclose(() => (ends += 1));
    const sent = link.send(PING);
    await link.close();
    await sent;
    expect([ends, target.isClosed, target.sent]).toEqual([1, true, []]);
  });

  it('ends with its target', async () => {
    const target = createMemoryLink('server');
    const link = lazyLink('modern', async () => target);
    await link.send(PING);
    const error = new RunError('UPSTREAM_CLOSED', { server: 'x' });
    target.drop(error);
    const ends: unknown[] = [];
    link.onclose((end) => void ends.push(end));
    expect(ends).toEqual([error]);
  });
});

function failing(): never {
  throw new RunError('SHUTTING_DOWN');
}
