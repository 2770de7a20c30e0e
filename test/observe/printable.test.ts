import { expect, test } from 'vitest';
import {
  printable,
  printableJson,
  printableLines,
  printableStyled,
  widthOf,
} from '../../src/observe/printable.ts';

const UNSAFE = [
  ...[
    '\0',
    '\u0007',
    '\b',
    '\u001B',
    '\u007F',
    '\u0080',
    '\u0085',
    '\u009B',
    '\u009F',
    '\u00AD',
    '\u061C',
    '\u200B',
  ],
  ...[
    '\u200E',
    '\u200F',
    '\u2028',
    '\u2029',
    '\u202A',
    '\u202B',
    '\u202C',
    '\u202D',
    '\u202E',
    '\u2060',
    '\u2066',
  ],
  ...['\u2067', '\u2068', '\u2069', '\uFEFF', '\u{E0001}', '\u{E0041}', '\u{E007F}'],
];

test.each([
  ['colours', '\u001B[31mred\u001B[0m', 'red'],
  ['what moves the cursor', '\u001B[2J\u001B[1;1Hgone', String.raw`\u001b[2J\u001b[1;1Hgone`],
  ['what sets the title', '\u001B]0;title\u0007', String.raw`\u001b]0;title\u0007`],
  ['links and the clipboard', '\u001B]52;c;eA==\u0007', String.raw`\u001b]52;c;eA==\u0007`],
  ['8-bit controls', '\u009B31mred\u007F', String.raw`\u009b31mred\u007f`],
  ['a carriage return', 'hidden\rshown', String.raw`hidden\rshown`],
  ['a line break', 'real\n12:00:00 INFO: forged', String.raw`real\n12:00:00 INFO: forged`],
  ['text about escapes', String.raw`\u001b and \n and \\`, String.raw`\u001b and \n and \\`],
  ['an override of the direction', 'a\u202Eb', String.raw`a\u202eb`],
  ['a tag', 'a\u{E0041}b', String.raw`a\udb40\udc41b`],
  ['an invisible character within a word', 'pay\u200Dpal', String.raw`pay\u200dpal`],
  ['quotes, tabs and other languages', '"quoted"\tGrüße, 你好', '"quoted"\tGrüße, 你好'],
  ['letters from right to left', 'שלום مرحبا', 'שלום مرحبا'],
  ['pictures and joined letters', '👩\u200D💻 می\u200Cخواهم', '👩\u200D💻 می\u200Cخواهم'],
])('%s: a terminal obeys nothing', (_title, text, shown) => {
  expect(printable(text)).toBe(shown);
  expect(printable(shown)).toBe(shown);
});

test.each(UNSAFE)('%j is escaped in text and in JSON, which keeps its value', (char) => {
  const text = `a${char}b`;
  for (const shown of [printable(text), printableLines(text), printableStyled(text)]) {
    expect(shown).not.toContain(char);
    expect(shown).toMatch(/^a(?:\\u[\da-f]{4})+b$/);
  }
  const json = printableJson(JSON.stringify({ [text]: text }, undefined, 2));
  expect(json).toMatch(/^[\n\u0020-\u007E]*$/);
  expect(JSON.parse(json)).toEqual({ [text]: text });
});

test('lines stay lines, and our own colours stay where text is laid out', () => {
  expect(printableLines('a\r\nb\n\u009B')).toBe('a\nb\n\\u009b');
  expect(printableStyled('\u001B[31mred\u001B[39m\n\u001B[2J')).toBe('\u001B[31mred\u001B[39m\n\\u001b[2J');
});

test('the width of a text is that in a terminal', () => {
  expect(['abc', '你好', 'e\u0301', '🚀', 'שלום'].map(widthOf)).toEqual([3, 4, 1, 2, 4]);
});
