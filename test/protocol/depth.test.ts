import { describe, expect, test } from 'vitest';
import { isTooDeep } from '../../src/protocol/depth.ts';

describe('a JSON text', () => {
  test.each<[title: string, text: string, isDeep: boolean]>([
    ['of no depth', '1', false],
    ['of 1,000 arrays', '['.repeat(1_000) + ']'.repeat(1_000), false],
    ['of 1,001 arrays', '['.repeat(1_001) + ']'.repeat(1_001), true],
    ['of 1,001 objects', '{"a":'.repeat(1_001) + '1' + '}'.repeat(1_001), true],
    ['of 100,000 arrays beside each other', `[${'[],'.repeat(100_000)}1]`, false],
    ['with brackets in a string', JSON.stringify('['.repeat(10_000)), false],
    ['with quotes and brackets in a string', JSON.stringify('"[\\"[{\\'.repeat(10_000)), false],
    ['with a depth behind a string', `["\\\\",${'['.repeat(1_001)}${']'.repeat(1_001)}]`, true],
    ...Array.from({ length: 6 }, (_, n): [string, string, boolean] => [
      `with ${n} backslashes before a quote in a long string`,
      `["${'x'.repeat(200)}${'\\\\'.repeat(n)}\\"${'['.repeat(2_000)}","${'x'.repeat(61 + n)}\\\\",${'['.repeat(1_001)}${']'.repeat(1_001)}]`,
      true,
    ]),
    ...Array.from({ length: 6 }, (_, n): [string, string, boolean] => [
      `with brackets behind ${n} escapes at the place where the search begins`,
      JSON.stringify(['x'.repeat(60 + n) + '\\"'.repeat(3) + '['.repeat(2_000)]),
      false,
    ]),
    ['with a string beyond ASCII', JSON.stringify('ü[•[🐕['.repeat(1_000)), false],
  ])('%s', (_title, text, isDeep) => {
    JSON.parse(text);
    expect(isTooDeep(Buffer.from(text))).toBe(isDeep);
  });
});
