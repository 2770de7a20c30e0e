import { expect, test } from 'vitest';
import { compose, type LinkFilter } from '../../src/link/compose.ts';
import { ForwardingLink } from '../../src/link/forward.ts';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import { createMemoryLink } from '../support/memory-link.ts';

const PING = frameOf({ id: 1, method: 'ping' });

test('frames pass the filters in the order of the list, and back in reverse', async () => {
  const peer = createMemoryLink('server');
  const passed: string[] = [];
  const link = compose(peer, [noting('a', passed), noting('b', passed)]);
  link.onframe(() => void passed.push('holder'));
  await link.send(PING);
  await peer.deliver(PING);
  expect(passed).toEqual(['a sends', 'b sends', 'b receives', 'a receives', 'holder']);
  expect(peer.sent).toHaveLength(1);
});

test('without filters the link is the same', () => {
  const peer = createMemoryLink('server');
  expect(compose(peer, [])).toBe(peer);
});

function noting(name: string, passed: string[]): LinkFilter {
  class Noting extends ForwardingLink {
    protected override toPeer(frame: Frame): void | Promise<void> {
      passed.push(`${name} sends`);
      return super.toPeer(frame);
    }
    protected override fromPeer(frame: Frame): void | Promise<void> {
      passed.push(`${name} receives`);
      return super.fromPeer(frame);
    }
  }
  return (link) => new Noting(link);
}
