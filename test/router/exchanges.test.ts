import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { frameOf, type Frame, type RequestId } from '../../src/protocol/frame.ts';
import { Exchanges, type Exchange } from '../../src/router/exchanges.ts';

const LIMITS = { timeoutMs: 1_000, maxMs: 5_000 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('one request', () => {
  it('is running until it is settled, once', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request(1), LIMITS);
    expect(exchanges.has(1)).toBe(true);
    expect(exchanges.get(1)).toMatchObject({ id: 1, method: 'tools/call' });
    expect(exchanges.settle(1)).toMatchObject({ id: 1 });
    expect(exchanges.settle(1)).toBeUndefined();
    expect(exchanges.pending).toBe(0);
  });

  it('is another one if its id is text instead of a number', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request(1), LIMITS);
    expect(exchanges.has('1')).toBe(false);
    expect(exchanges.settle('1')).toBeUndefined();
  });

  it.each(['__proto__', 'constructor', ''])('may have the id %j', (id) => {
    const exchanges = new Exchanges(() => {}, systemClock);
    expect(exchanges.has(id)).toBe(false);
    exchanges.start(request(id), LIMITS);
    expect(exchanges.settle(id)).toMatchObject({ id });
  });

  it('leaves no timer when it is settled', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request(1), LIMITS);
    exchanges.settle(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('settles all, oldest first', () => {
  const exchanges = new Exchanges(() => {}, systemClock);
  for (const id of [3, 'x', 1]) exchanges.start(request(id), LIMITS);
  expect(exchanges.settleAll().map(({ id }) => id)).toEqual([3, 'x', 1]);
  expect(exchanges.pending).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

describe('timeout', () => {
  it('comes after the time without progress, with the exchange already removed', () => {
    const timedOut = vi.fn((exchange: Exchange): void => expect(exchanges.has(exchange.id)).toBe(false));
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(request(1), LIMITS);
    vi.advanceTimersByTime(999);
    expect(timedOut).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(timedOut).toHaveBeenCalledOnce();
    expect(exchanges.settle(1)).toBeUndefined();
  });

  it('keeps the process alive while a request is running', () => {
    const keepsAlive: (boolean | undefined)[] = [];
    const clock = {
      now: () => 0,
      date: () => 0,
      after: (_ms: number, _run: () => void, keeps?: boolean) => {
        keepsAlive.push(keeps);
        return () => {};
      },
    };
    new Exchanges(() => {}, clock).start(request(1), LIMITS);
    expect(keepsAlive).toEqual([true]);
  });

  it('starts anew with every progress', () => {
    const timedOut = vi.fn();
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(request(1, 'token'), LIMITS);
    for (let count = 0; count < 4; count += 1) {
      vi.advanceTimersByTime(900);
      expect(exchanges.progressed('token')).toMatchObject({ id: 1 });
    }
    vi.advanceTimersByTime(999);
    expect(timedOut).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(timedOut).toHaveBeenCalledOnce();
  });

  it('comes at the hard maximum in spite of progress', () => {
    const timedOut = vi.fn();
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(request(1, 'token'), LIMITS);
    for (let elapsed = 0; elapsed < 4_950; elapsed += 50) {
      vi.advanceTimersByTime(50);
      exchanges.progressed('token');
    }
    expect(timedOut).not.toHaveBeenCalled();
    vi.advanceTimersByTime(50);
    expect(timedOut).toHaveBeenCalledOnce();
  });

  it('comes at the hard maximum if that is the shorter one', () => {
    const timedOut = vi.fn();
    new Exchanges(timedOut, systemClock).start(request(1), { timeoutMs: 1_000, maxMs: 300 });
    vi.advanceTimersByTime(300);
    expect(timedOut).toHaveBeenCalledOnce();
    expect(timedOut).toHaveBeenCalledWith(expect.objectContaining({ id: 1 }), 300);
  });

  it('is not put off by the progress of another request', () => {
    const timedOut = vi.fn();
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(request(1, 'one'), LIMITS);
    exchanges.start(request(2, 'two'), LIMITS);
    vi.advanceTimersByTime(900);
    exchanges.progressed('two');
    vi.advanceTimersByTime(100);
    expect(timedOut).toHaveBeenCalledWith(expect.objectContaining({ id: 1 }), LIMITS.timeoutMs);
    expect(exchanges.has(2)).toBe(true);
  });

  it('comes to each request at its own time', () => {
    const timedOut = vi.fn();
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(request(1), LIMITS);
    vi.advanceTimersByTime(400);
    exchanges.start(request(2), { timeoutMs: 100, maxMs: 5_000 });
    exchanges.start(request(3), LIMITS);
    const timesOut = (afterMs: number, ...ids: number[]): void => {
      vi.advanceTimersByTime(afterMs - 1);
      expect(timedOut).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(timedOut.mock.calls.map(([{ id }]) => id)).toEqual(ids);
      timedOut.mockClear();
    };
    timesOut(100, 2);
    timesOut(500, 1);
    timesOut(400, 3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not come to a subscription', () => {
    const timedOut = vi.fn();
    const exchanges = new Exchanges(timedOut, systemClock);
    exchanges.start(frameOf({ id: 'listen', method: 'subscriptions/listen' }), LIMITS);
    expect(vi.getTimerCount()).toBe(0);
    exchanges.start(request(1), LIMITS);
    vi.advanceTimersByTime(10_000);
    expect(timedOut.mock.calls.map(([{ id }]) => id)).toEqual([1]);
    expect(exchanges.has('listen')).toBe(true);
  });
});

describe('progress', () => {
  it('belongs to the request with its token, number and text apart', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request('a', 1), LIMITS);
    exchanges.start(request('b', '1'), LIMITS);
    expect(exchanges.progressed(1)).toMatchObject({ id: 'a' });
    expect(exchanges.progressed('1')).toMatchObject({ id: 'b' });
  });

  it.each([undefined, null, {}, [], true, 'other', '__proto__', Number.NaN])(
    'of token %j belongs to none',
    (token) => {
      const exchanges = new Exchanges(() => {}, systemClock);
      exchanges.start(request(1, 'token'), LIMITS);
      expect(exchanges.progressed(token)).toBeUndefined();
    },
  );

  it('belongs to none once its request is settled', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request(1, 'token'), LIMITS);
    exchanges.settle(1);
    expect(exchanges.progressed('token')).toBeUndefined();
  });

  it('of a token that is used twice belongs to the newer request, also after the older has ended', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    exchanges.start(request(1, 'same'), LIMITS);
    exchanges.start(request(2, 'same'), LIMITS);
    exchanges.settle(1);
    expect(exchanges.progressed('same')).toMatchObject({ id: 2 });
  });
});

describe('a message without correlation', () => {
  it('belongs to the newest request that may ask', () => {
    const exchanges = new Exchanges(() => {}, systemClock);
    for (const [id, method] of [
      [1, 'tools/call'],
      [2, 'prompts/get'],
      [3, 'tools/list'],
    ] as const) {
      exchanges.start(frameOf({ id, method }), LIMITS);
    }
    expect(exchanges.likely()).toMatchObject({ id: 2 });
    exchanges.settle(2);
    expect(exchanges.likely()).toMatchObject({ id: 1 });
    exchanges.settle(1);
    expect(exchanges.likely()).toMatchObject({ id: 3 });
    exchanges.settle(3);
    expect(exchanges.likely()).toBeUndefined();
  });
});

function request(id: RequestId, progressToken?: RequestId): Frame {
  return frameOf({
    id,
    method: 'tools/call',
    params: progressToken === undefined ? {} : { _meta: { progressToken } },
  });
}
