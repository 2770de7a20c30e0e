import { expect, test } from 'vitest';
import { toPattern } from '../../src/link/tool-pattern.ts';
import { fuzz } from '../support/fuzz.ts';
import { createRandom } from '../support/random.ts';

const { seed, numRuns } = fuzz(2_000);

test.each([
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['a', 'a', true],
  ['a', 'A', false],
  ['a.b', 'axb', false],
  ['a*', 'a', true],
  ['*a', 'ba', true],
  ['aa*aa', 'aaa', false],
  ['aa*aa', 'aaaa', true],
  ['a*b*c', 'a b b c', true],
  ['a*b*c', 'acb', false],
  ['*ab*ab*', 'abab', true],
  ['*ab*ab*', 'aba', false],
  ['a**b', 'a\nb', true],
  ['*\ud83d\udc15*', 'x\ud83d\udc15', true],
  ['a*ab', 'ab', false],
  ['*x*y', 'xy', true],
  ['*x*xy', 'xy', false],
])('pattern "%s" and name "%s": %s', (pattern, name, isMatch) => {
  expect(toPattern(pattern)(name)).toBe(isMatch);
});

test('a pattern with many literals takes time in proportion to the name', () => {
  // Backtracking over them would take longer than there is time.
  const name = 'a'.repeat(4 * 1024 * 1024);
  expect(toPattern(`${'*a'.repeat(50)}*b`)(name)).toBe(false);
  expect(toPattern(`${'*a'.repeat(50)}*b*`)(name)).toBe(false);
  expect(toPattern(`${'*ab'.repeat(50)}*`)(name)).toBe(false);
  expect(toPattern(`${'*a'.repeat(50)}*`)(name)).toBe(true);
});

test(`patterns match as the regular expressions that they stand for (seed ${seed})`, () => {
  const random = createRandom(seed);
  const text = (alphabet: string, max: number): string =>
    Array.from({ length: random.integer(max + 1) }, () => alphabet[random.integer(alphabet.length)]).join('');
  for (let round = 0; round < numRuns; round += 1) {
    const pattern = text('ab*', 6);
    const name = text('ab', 8);
    const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name);
    expect(toPattern(pattern)(name), `${pattern} ${name}`).toBe(expected);
  }
});
