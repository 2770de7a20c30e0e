import { describe, expect, it } from 'vitest';
import {
  createEventLog,
  formatEventId,
  parseEventId,
} from '../../../src/downstream/http/streamable/event-log.ts';
import { collectGarbage } from '../../support/garbage.ts';

const KB = 1024;
const MB = 1024 * KB;

describe('the log of events', () => {
  it('gives back what one stream has had after an event, oldest first', () => {
    const log = createEventLog(1_000);
    for (const [stream, sequence] of [
      [0, 1],
      [1, 1],
      [0, 2],
      [1, 2],
      [0, 3],
    ] as const) {
      log.add(stream, sequence, Buffer.from(`${stream}-${sequence}`), false);
    }
    expect(log.after(0, 1).map(({ data }) => String(data))).toEqual(['0-2', '0-3']);
    expect(log.after(1, 0).map(({ data }) => String(data))).toEqual(['1-1', '1-2']);
    expect(log.after(1, 2)).toEqual([]);
    expect(log.after(7, 0)).toEqual([]);
  });

  it('drops the oldest over its limit', () => {
    const log = createEventLog(100);
    for (let sequence = 1; sequence <= 50; sequence += 1) log.add(0, sequence, Buffer.alloc(10), false);
    expect(log.after(0, 0).map(({ sequence }) => sequence)).toEqual([41, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
  });

  it('stays within its limit over thousands of events', () => {
    const log = createEventLog(100);
    for (let sequence = 1; sequence <= 10_000; sequence += 1)
      log.add(sequence % 3, sequence, Buffer.alloc(10), false);
    const kept = [0, 1, 2].flatMap((stream) => log.after(stream, 0));
    expect(kept.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_none, index) => 9_991 + index),
    );
  });

  it('does not keep what alone is over the limit, unless nobody has seen it', () => {
    const log = createEventLog(100);
    log.add(0, 1, Buffer.alloc(101), false);
    expect(log.after(0, 0)).toEqual([]);
    log.add(0, 2, Buffer.alloc(101), true);
    expect(log.after(0, 0)).toMatchObject([{ sequence: 2 }]);
    log.add(0, 3, Buffer.alloc(1), false);
    expect(log.after(0, 0)).toMatchObject([{ sequence: 3 }]);
  });

  it('does not keep the chunk that a small message was read in', () => {
    const log = createEventLog(MB);
    log.add(0, 1, Buffer.alloc(64 * KB).subarray(10, 30), false);
    expect(log.after(0, 0)[0]?.data.buffer.byteLength).toBeLessThan(KB * 10);
  });

  it('lets go of what it has dropped', async () => {
    const log = createEventLog(MB);
    const events = Array.from({ length: 100 }, (_, sequence) => {
      const data = Buffer.alloc(MB - 1, 'x');
      log.add(0, sequence, data, false);
      return new WeakRef(data);
    });
    // What a WeakRef was made for lives until the end of its turn.
    await new Promise(setImmediate);
    collectGarbage();
    expect(events.filter((event) => event.deref() !== undefined).length).toBeLessThan(10);
    expect(log.after(0, -1)).toHaveLength(1);
  });
});

describe('event ids', () => {
  it('are read as they are written', () => {
    expect(parseEventId(formatEventId(12, 345))).toEqual({ stream: 12, sequence: 345 });
  });

  it.each(['', '-', '1', '1-', '-1', 'a-b', '1-2-3', ' 1-2', '1-2\n', '1.0-2', '9'.repeat(16).concat('-1')])(
    '%j is none',
    (text) => {
      expect(parseEventId(text)).toBeUndefined();
    },
  );
});
