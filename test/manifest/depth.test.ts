import { describe, expect, test } from 'vitest';
import { parseJsonText } from '../../src/manifest/read/parse-json.ts';
import { parseTomlText } from '../../src/manifest/read/parse-toml.ts';
import { parseYamlText } from '../../src/manifest/read/parse-yaml.ts';
import { expandText } from '../../src/manifest/resolve/expand.ts';

const parsers = { JSON: parseJsonText, YAML: parseYamlText, TOML: parseTomlText };

function nested(open: string, inner: string, close: string, depth: number): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

const texts: readonly [syntax: keyof typeof parsers, what: string, write: (depth: number) => string][] = [
  ['JSON', 'arrays', (depth) => nested('[', '1', ']', depth)],
  ['JSON', 'objects', (depth) => nested('{"a":', '1', '}', depth)],
  ['JSON', 'arrays between comments', (depth) => nested('/*[*/[', '1', '] // ]\n', depth)],
  ['YAML', 'flow sequences', (depth) => nested('[', '1', ']', depth)],
  ['YAML', 'flow mappings', (depth) => nested('{a: ', '1', '}', depth)],
  ['YAML', 'block sequences', (depth) => `${'- '.repeat(depth)}1`],
  ['YAML', 'aliases', (depth) => aliases(depth)],
  ['TOML', 'arrays', (depth) => `a = ${nested('[', '1', ']', depth)}`],
  ['TOML', 'inline tables', (depth) => nested('a = {', 'b = 1', '}', depth)],
  ['TOML', 'dotted keys', (depth) => `${Array.from({ length: depth }, () => 'a').join('.')} = 1`],
  ['TOML', 'dotted headers', (depth) => `[${Array.from({ length: depth }, () => 'a').join('.')}]\nb = 1`],
];

/** Each value is one level deeper than the one before. */
function aliases(depth: number): string {
  const lines = Array.from({ length: depth }, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}]`);
  return ['a0: &a0 [1]', ...lines].join('\n');
}

describe.each(texts)('%s with nested %s', (syntax, _what, write) => {
  test('is an error that says so, however deep', () => {
    for (const depth of [150, 1_000, 5_000]) {
      const { root, faults } = parsers[syntax](write(depth));
      expect(root).toBeUndefined();
      expect(faults).toHaveLength(1);
      expect(faults[0]?.detail).toBe('nested in more than 100 levels');
    }
  });

  test('is read at a depth of 50', () => {
    const { root, faults } = parsers[syntax](write(50));
    expect(faults).toEqual([]);
    expect(root).toBeDefined();
  });
});

test('JSON with nested arrays that never end is an error that says so', () => {
  const fault = { offset: 100, path: [], detail: 'nested in more than 100 levels' };
  expect(parseJsonText('['.repeat(500_000))).toEqual({ root: undefined, faults: [fault] });
});

describe('references', () => {
  const variables = { env: () => undefined, input: () => ({ value: '' }), known: new Map<string, string>() };

  test('expand within the defaults of others', () => {
    expect(expandText(nested('${A:-', 'x', '}', 20), variables)).toEqual({ value: 'x' });
  });

  test.each([30, 5_000, 300_000])('are refused if %i are nested', (depth) => {
    const fault = 'references are nested in more than 20 levels';
    expect(expandText(nested('${A:-', 'x', '}', depth), variables)).toEqual({ fault });
    expect(expandText(nested('${A:-<', '', '>}', depth), variables)).toEqual({ fault });
  });

  test('without an end are quoted in part only', () => {
    const result = expandText('${A:-'.repeat(300_000), variables);
    expect(result).toEqual({ fault: expect.stringContaining('has no closing "}"') });
    expect(JSON.stringify(result).length).toBeLessThan(1_000);
  });
});
