import { describe, expect, it } from 'vitest';
import { createLineSplitter, type LineEnds } from '../../src/protocol/lines.ts';
import { longAnswerTo } from '../../src/protocol/outline.ts';

interface Cut {
  readonly lines: string[];
  readonly overflows: LineEnds[];
}

describe('every chunk boundary', () => {
  const text = 'ä{"a":1}\r\n\n\r\nzwölf 十二\n🐕\nlast\n';
  const expected = ['ä{"a":1}', 'zwölf 十二', '🐕', 'last'];
  const bytes = Buffer.from(text);

  it('gives the same lines for any cut into two', () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      expect({ at, ...cut([bytes.subarray(0, at), bytes.subarray(at)]) }).toMatchObject({
        at,
        lines: expected,
      });
    }
  });

  it('gives the same lines for any cut into three', () => {
    for (let one = 0; one <= bytes.length; one += 1) {
      for (let two = one; two <= bytes.length; two += 1) {
        const { lines } = cut([bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)]);
        if (lines.join('|') !== expected.join('|'))
          expect({ one, two, lines }).toEqual({ one, two, lines: expected });
      }
    }
  });

  it('gives the same lines byte by byte', () => {
    expect(cut([...bytes].map((byte) => Buffer.from([byte]))).lines).toEqual(expected);
  });
});

describe('a byte order mark', () => {
  const mark = '\uFEFF';

  it.each([1, 2, 3, 4, 100])('at the beginning is no part of the first line, in chunks of %i', (size) => {
    expect(cut(chunks(`${mark}one\n${mark}two\n`, size)).lines).toEqual(['one', `${mark}two`]);
  });

  it('is left out once', () => {
    expect(cut([Buffer.from(`${mark}${mark}one\n`)]).lines).toEqual([`${mark}one`]);
  });

  it('alone on a line is no line', () => {
    expect(cut([Buffer.from(`${mark}\r\none\n`)]).lines).toEqual(['one']);
  });

  it('before a line that is too long does not hide which request that answers', () => {
    const line = `${mark}{"jsonrpc":"2.0","id":7,"result":{"text":"${'x'.repeat(2_000)}"}}\n`;
    expect(cut([Buffer.from(line)]).overflows.map(longAnswerTo)).toEqual([7]);
  });
});

it('reports a line as soon as its end has come', () => {
  const lines: string[] = [];
  const split = createLineSplitter(100, {
    line: (line) => void lines.push(line.toString()),
    overflow: () => {},
  });
  split(Buffer.from('one\ntw'));
  expect(lines).toEqual(['one']);
  split(Buffer.from('o'));
  expect(lines).toEqual(['one']);
  split(Buffer.from('\n'));
  expect(lines).toEqual(['one', 'two']);
});

it('takes no more lines than it may, and says how much that was', () => {
  const lines: string[] = [];
  const split = createLineSplitter(100, {
    line: (line) => void lines.push(line.toString()),
    overflow: () => {},
  });
  let rest = Buffer.from('one\n\nthree\nfour\nfi');
  const taken: number[] = [];
  while (rest.length > 0) {
    taken.push(split(rest, 2));
    rest = rest.subarray(taken.at(-1));
  }
  expect(taken).toEqual(['one\n\n'.length, 'three\nfour\nfi'.length]);
  split(Buffer.from('ve\n'));
  expect(lines).toEqual(['one', 'three', 'four', 'five']);
});

it('takes only the CR of the line end away', () => {
  expect(cut([Buffer.from('a\rb\r\r\n')]).lines).toEqual(['a\rb\r']);
});

it('does not report empty lines', () => {
  expect(cut([Buffer.from('\n\r\n\n')])).toEqual({ lines: [], overflows: [] });
});

it('gives lines that outlive the chunk that they came in', () => {
  const kept: Buffer[] = [];
  const split = createLineSplitter(100, { line: (line) => void kept.push(line), overflow: () => {} });
  split(Buffer.from('ab'));
  split(Buffer.from('cd\nef\n'));
  expect(kept.map(String)).toEqual(['abcd', 'ef']);
});

describe('a line over the limit', () => {
  const limit = 1_000;
  const long = `${'a'.repeat(400)}${'b'.repeat(2_000)}${'c'.repeat(400)}`;

  it('is passed if it is exactly at the limit', () => {
    const line = 'x'.repeat(limit);
    for (const size of [1, 7, limit, limit + 1, 5_000]) {
      expect(cut(chunks(`${line}\n`, size), limit)).toEqual({ lines: [line], overflows: [] });
    }
  });

  it('is skipped one byte past the limit', () => {
    for (const size of [1, 7, limit, limit + 1, 5_000]) {
      expect(cut(chunks(`${'x'.repeat(limit + 1)}\n`, size), limit)).toMatchObject({
        lines: [],
        overflows: [{}],
      });
    }
  });

  it.each([1, 3, 255, 256, 257, 1_000, 10_000])('is told by its two ends, in chunks of %i', (size) => {
    const { lines, overflows } = cut(chunks(`before\n${long}\nafter\n`, size), limit);
    expect(lines).toEqual(['before', 'after']);
    expect(overflows.map(({ head, tail }) => [String(head), String(tail)])).toEqual([
      ['a'.repeat(256), 'c'.repeat(256)],
    ]);
  });

  it('is told once for each such line', () => {
    expect(cut([Buffer.from(`${long}\n${long}\nx\n`)], limit)).toMatchObject({
      lines: ['x'],
      overflows: [{}, {}],
    });
  });

  it('is not told before its end', () => {
    expect(cut([Buffer.from(long)], limit).overflows).toEqual([]);
  });

  it.each(['\n', '\r\n'])('shows which request it answers, with line end %j', (end) => {
    const answers = [
      `{"jsonrpc":"2.0","id":7,"result":{"text":"${long}"}}`,
      `{"result":{"text":"${long}"},"jsonrpc":"2.0","id":7}`,
    ];
    for (const answer of answers) {
      const { overflows } = cut(chunks(answer + end, 100), limit);
      expect(overflows.map(longAnswerTo)).toEqual([7]);
    }
  });

  it('does not keep the chunks that it skips', () => {
    const { overflows } = cut(
      [Buffer.alloc(1024 * 1024, 'x'), Buffer.alloc(1024 * 1024, 'y'), Buffer.from('\n')],
      limit,
    );
    expect(overflows[0]?.head.buffer.byteLength).toBeLessThanOrEqual(64 * 1024);
    expect(overflows[0]?.tail.buffer.byteLength).toBeLessThanOrEqual(64 * 1024);
  });
});

function cut(parts: readonly Buffer[], limit = 1_000): Cut {
  const found: Cut = { lines: [], overflows: [] };
  const split = createLineSplitter(limit, {
    line: (line) => void found.lines.push(line.toString()),
    overflow: (ends) => void found.overflows.push(ends),
  });
  for (const part of parts) split(part);
  return found;
}

function chunks(text: string, size: number): Buffer[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_none, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}
