import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { RunError } from '../../src/errors.ts';
import { Requester } from '../../src/link/requester.ts';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createMemoryLink } from '../support/memory-link.ts';

function open() {
  const peer = createMemoryLink('server');
  const clock = createFakeClock();
  const others: Frame[] = [];
  const cancelled: string[] = [];
  const requester = new Requester({
    link: peer,
    idOf: (count) => `mcpr:${count}`,
    onOther: (frame) => void others.push(frame),
    onCancelled: (id) => void cancelled.push(id),
    clock,
  });
  peer.onframe((frame, relatedRequestId) => requester.receive(frame, relatedRequestId));
  const ask = (method: string) => frameOf({ id: requester.nextId(), method });
  return { peer, clock, requester, others, cancelled, ask };
}

const LATE = new RunError('REQUEST_TIMEOUT', { server: 'x', method: 'ping', timeoutMs: 10 });

describe('a request', () => {
  it('resolves with the answer that has its id, an error response included', async () => {
    const { peer, requester, others, ask } = open();
    const first = requester.request(ask('ping'));
    const second = requester.request(ask('tools/list'));
    await peer.deliver({ id: 'mcpr:2', error: { code: 1, message: 'no' } });
    await peer.deliver({ id: 'mcpr:1', result: { ok: true } });
    expect((await first).message.result).toEqual({ ok: true });
    expect((await second).message.error?.message).toBe('no');
    expect(others).toEqual([]);
  });

  it('rejects after its time, and does not take a late answer', async () => {
    const { peer, clock, requester, others, ask } = open();
    const answer = requester.request(ask('ping'), { timeoutMs: 10, timeoutError: () => LATE });
    await Promise.all([expect(answer).rejects.toBe(LATE), clock.pass(10)]);
    await peer.deliver({ id: 'mcpr:1', result: {} });
    expect(others.map(({ id }) => id)).toEqual(['mcpr:1']);
  });

  it('does not time out after its answer', async () => {
    const { peer, clock, requester, ask } = open();
    const answer = requester.request(ask('ping'), { timeoutMs: 10, timeoutError: () => LATE });
    await peer.deliver({ id: 'mcpr:1', result: {} });
    await answer;
    await clock.pass(10);
    expect((await answer).id).toBe('mcpr:1');
  });

  it('rejects with the reason of its signal', async () => {
    const { peer, requester, ask } = open();
    const stop = new AbortController();
    const answer = requester.request(ask('ping'), { signal: stop.signal });
    stop.abort(LATE);
    await expect(answer).rejects.toBe(LATE);
    await expect(requester.request(ask('ping'), { signal: stop.signal })).rejects.toBe(LATE);
    expect(peer.sent).toHaveLength(1);
  });

  it('rejects at the end of the link, and so does the next one', async () => {
    const { peer, requester, ask } = open();
    const error = new RunError('UPSTREAM_CLOSED', { server: 'x' });
    peer.onclose(() => requester.close(error));
    const answer = requester.request(ask('ping'));
    peer.drop();
    await expect(answer).rejects.toBe(error);
    await expect(requester.request(ask('ping'))).rejects.toBe(error);
    expect(peer.sent).toHaveLength(1);
  });

  it('rejects when all fail, and the next one is sent', async () => {
    const { peer, requester, ask } = open();
    const answer = requester.request(ask('ping'));
    requester.failAll(LATE);
    await expect(answer).rejects.toBe(LATE);
    const next = requester.request(ask('ping'));
    await peer.deliver({ id: 'mcpr:2', result: {} });
    expect((await next).id).toBe('mcpr:2');
  });

  it('may be answered before `send` returns', async () => {
    const peer = createMemoryLink(
      'server',
      ({ message }) => void peer.deliver({ id: message.id, result: {} }),
    );
    const requester = new Requester({ link: peer, idOf: (count) => count, clock: systemClock });
    peer.onframe((frame) => requester.receive(frame));
    expect((await requester.request(frameOf({ id: requester.nextId(), method: 'ping' }))).id).toBe(1);
  });
});

describe('a started request', () => {
  it('hands its answer to the handler once, with backpressure', async () => {
    const { peer, requester, others, ask } = open();
    const wait = Promise.resolve();
    const answers: Frame[] = [];
    void requester.start(ask('ping'), (answer) => {
      answers.push(answer);
      return wait;
    });
    expect(peer.deliver({ id: 'mcpr:1', result: {} })).toBe(wait);
    await peer.deliver({ id: 'mcpr:1', result: {} });
    expect([answers.length, others.length]).toEqual([1, 1]);
  });

  it('is cancelled by a notification, once', async () => {
    const { peer, requester, cancelled, others, ask } = open();
    const answers: Frame[] = [];
    await requester.start(ask('tools/call'), (answer) => void answers.push(answer));
    await requester.cancel('mcpr:1', 'too slow');
    await requester.cancel('mcpr:1');
    expect(peer.sent.map(({ message }) => message).slice(1)).toMatchObject([
      { method: 'notifications/cancelled', params: { requestId: 'mcpr:1', reason: 'too slow' } },
    ]);
    await peer.deliver({ id: 'mcpr:1', result: {} });
    expect([answers.length, others.length, cancelled]).toEqual([0, 1, ['mcpr:1']]);
  });

  it.each(['take', 'clear', 'close'] as const)('is forgotten by %s', async (method) => {
    const { peer, requester, others, ask } = open();
    const answers: Frame[] = [];
    await requester.start(ask('tools/call'), (answer) => void answers.push(answer));
    if (method === 'take') expect(requester.take('mcpr:1')).toBeTypeOf('function');
    else if (method === 'clear') requester.clear();
    else requester.close(LATE);
    await peer.deliver({ id: 'mcpr:1', result: {} });
    expect([answers.length, others.length]).toEqual([0, 1]);
  });
});

it('leaves requests, notifications and answers of others', async () => {
  const { peer, requester, others, ask } = open();
  void requester.request(ask('ping'));
  await peer.deliver({ id: 'mcpr:1', method: 'ping' });
  await peer.deliver({ method: 'notifications/message', params: {} });
  await peer.deliver({ id: 1, result: {} });
  expect(others.map(({ kind }) => kind)).toEqual(['request', 'notification', 'response']);
});
