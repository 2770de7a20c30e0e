import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { ForwardingLink } from '../../src/link/forward.ts';
import { frameOf, type Frame, type RequestId } from '../../src/protocol/frame.ts';
import { createMemoryLink } from '../support/memory-link.ts';

const PING = frameOf({ id: 1, method: 'ping' });

describe('a forwarding link', () => {
  it('passes frames, related request ids and backpressure on in both directions', async () => {
    const peer = createMemoryLink('server');
    const link = new ForwardingLink(peer);
    const wait = Promise.resolve();
    peer.holdWith(wait);
    expect(link.send(PING, 'q')).toBe(wait);
    expect(peer.sent).toMatchObject([{ frame: PING, relatedRequestId: 'q' }]);
    const received: [Frame, RequestId | undefined][] = [];
    link.onframe((frame, relatedRequestId) => {
      received.push([frame, relatedRequestId]);
      return wait;
    });
    expect(peer.deliver(PING, 'r')).toBe(wait);
    expect(received).toEqual([[PING, 'r']]);
  });

  it('has the peer, the era, the principal and the support of the wrapped link', () => {
    const peer = createMemoryLink('client');
    const link = new ForwardingLink(peer);
    expect([link.peer, link.era]).toEqual(['client', 'legacy']);
    expect(link.principal).toBe(peer.principal);
    expect(link.supports.requests).toBe(true);
    peer.setAsk(false);
    expect(link.supports.requests).toBe(false);
  });

  it('passes the end of input, abandoned responses and the close on', async () => {
    const peer = createMemoryLink('client');
    const link = new ForwardingLink(peer);
    let isInputEnded = false;
    link.onend(() => (isInputEnded = true));
    peer.end();
    expect(isInputEnded).toBe(true);
    link.abandonResponse('q');
    expect(peer.forgotten).toEqual(['q']);
    const reason = new RunError('CLIENT_GONE');
    await link.close(reason);
    expect(peer.closeReason).toBe(reason);
  });

  it('calls the latest handlers only', async () => {
    const peer = createMemoryLink('client');
    const link = new ForwardingLink(peer);
    const seen: string[] = [];
    for (const holder of ['first', 'second']) {
      link.onframe(() => void seen.push(`${holder}: frame`));
      link.onend(() => void seen.push(`${holder}: end`));
      link.onclose(() => void seen.push(`${holder}: close`));
    }
    await peer.deliver(PING);
    peer.end();
    peer.drop();
    expect(seen).toEqual(['second: frame', 'second: end', 'second: close']);
  });

  it.each([true, false])(
    'calls a close handler that is set after the end, once (watched: %s)',
    (isWatched) => {
      const peer = createMemoryLink('server');
      const link = new ForwardingLink(peer);
      if (isWatched) link.watch();
      else link.onclose(() => {});
      const error = new RunError('UPSTREAM_CLOSED', { server: 'x' });
      peer.drop(error);
      const ends: (Error | undefined)[] = [];
      link.onclose((end) => void ends.push(end));
      expect(ends).toEqual([error]);
    },
  );

  it('does not register at the wrapped link before it is used', () => {
    const peer = createMemoryLink('server');
    let isClosed = false;
    peer.onclose(() => (isClosed = true));
    expect(new ForwardingLink(peer).peer).toBe('server');
    peer.drop();
    expect(isClosed).toBe(true);
  });

  it('lets a subclass change the frames of each direction and the end', async () => {
    class Tagged extends ForwardingLink {
      protected override toPeer(_frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
        return super.toPeer(frameOf({ method: 'to-peer' }), relatedRequestId);
      }
      protected override fromPeer(_frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
        return super.fromPeer(frameOf({ method: 'from-peer' }), relatedRequestId);
      }
      protected override closed(): void {
        super.closed(new RunError('CLIENT_GONE'));
      }
    }
    const peer = createMemoryLink('server');
    const link = new Tagged(peer);
    const seen: unknown[] = [];
    link.onframe(({ method }) => void seen.push(method));
    link.onclose((error) => void seen.push(error?.name, error instanceof RunError && error.code));
    await link.send(PING);
    await peer.deliver(PING);
    peer.drop();
    expect(peer.sent.map(({ frame }) => frame.method)).toEqual(['to-peer']);
    expect(seen).toEqual(['from-peer', 'RunError', 'CLIENT_GONE']);
  });
});
