import { describe, expect, it } from 'vitest';
import { createMarker, idsIn, MARKER, RELEASED } from '../../src/process/marker.ts';

describe('a marker', () => {
  it('has a variable that servers get to see', () => {
    expect(MARKER).not.toMatch(/^MCP_RUN/i);
  });

  it('is unique for each process', () => {
    const ids = Array.from({ length: 1000 }, () => createMarker(0, undefined).id);
    expect(new Set(ids).size).toBe(1000);
  });

  it('names the processes of all levels', () => {
    const outer = createMarker(0, '');
    const inner = createMarker(0, outer.value);
    expect(outer.value).toBe(outer.id);
    expect(idsIn(inner.value)).toEqual([outer.id, inner.id]);
  });

  it.each([RELEASED, 'A B', 'a:', '../x', "a'b"])('ignores the value %j above it', (value) => {
    const { id, value: own } = createMarker(0, value);
    expect(own).toBe(id);
    expect(idsIn(value)).toEqual([]);
  });

  it('does not grow without end', () => {
    let value = '';
    for (let level = 0; level < 100; level++) ({ value } = createMarker(0, value));
    expect(idsIn(value)).toHaveLength(16);
  });
});
