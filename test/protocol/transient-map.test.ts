import { describe, expect, it } from 'vitest';
import { TransientMap } from '../../src/protocol/transient-map.ts';
import { collectGarbage } from '../support/garbage.ts';

const MB = 1024 * 1024;

const collectYoung = (): void => collectGarbage({ type: 'minor' });

describe('a map for what comes and goes', () => {
  it('holds what was added and not deleted, oldest first, however much came and went', () => {
    const map = new TransientMap<number, string>();
    map.set(-1, 'stays');
    for (let key = 0; key < 1_000; key += 1) {
      map.set(key, String(key));
      if (key >= 10) expect(map.delete(key - 10)).toBe(true);
    }
    expect(map.size).toBe(11);
    expect([...map.values()]).toEqual(['stays', ...Array.from({ length: 10 }, (_, n) => String(990 + n))]);
    expect(map.get(-1)).toBe('stays');
    expect(map.has(989)).toBe(false);
    expect(map.get(989)).toBeUndefined();
    expect(map.delete(989)).toBe(false);
  });

  it('replaces a value in its place', () => {
    const map = new TransientMap<string, number>();
    for (const key of ['a', 'b']) map.set(key, 0);
    map.set('a', 1);
    expect([...map.values()]).toEqual([1, 0]);
  });

  it('keeps nothing alive of what has gone, once it is old itself', () => {
    const map = new TransientMap<number, number[]>();
    map.set(0, []);
    map.delete(0);
    // What outlives two collections is in the old generation.
    for (let time = 0; time < 3; time += 1) collectYoung();
    const before = process.memoryUsage().heapUsed;
    for (let key = 1; key <= 5_000; key += 1) {
      map.set(
        key,
        Array.from({ length: 500 }, () => key),
      );
      map.delete(key - 8);
      if (key % 100 === 0) collectYoung();
    }
    expect((process.memoryUsage().heapUsed - before) / MB).toBeLessThan(3);
  });
});
