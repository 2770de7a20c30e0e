import { expect, test } from 'vitest';
import { printable } from '../../src/observe/printable.ts';

test.each([
  ['colours', '\u001B[31mred\u001B[0m', 'red'],
  ['what moves the cursor', '\u001B[2J\u001B[1;1Hgone', '\uFFFD[2J\uFFFD[1;1Hgone'],
  ['what sets the title', '\u001B]0;title\u0007', '\uFFFD]0;title\uFFFD'],
  ['8-bit controls', '\u009B31mred\u007F', '\uFFFD31mred\uFFFD'],
  ['a carriage return', 'hidden\rshown', 'hiddenshown'],
  ['a line break', 'real\n12:00:00 INFO: forged', String.raw`real\n12:00:00 INFO: forged`],
  ['text about escapes', String.raw`\u001b and \n and \\`, String.raw`\u001b and \n and \\`],
  ['quotes, tabs and other languages', '"quoted"\tGrüße, 你好', '"quoted"\tGrüße, 你好'],
])('%s: a terminal obeys nothing in the log', (_title, msg, shown) => {
  expect(JSON.parse(printable(JSON.stringify({ level: 'info', msg })))).toEqual({
    level: 'info',
    msg: shown,
  });
});

test('a stack keeps its lines', () => {
  const line = { msg: 'x', stack: 'Error: x\n    at y' };
  expect(JSON.parse(printable(JSON.stringify(line)))).toEqual(line);
});
