import { describe, expect, it } from 'vitest';
import { countMembers, elementsOf, scanObject, spliceValues } from '../../src/protocol/scan.ts';
import { fuzz } from '../support/fuzz.ts';
import { createNumbers } from '../support/random.ts';

const { seed, numRuns } = fuzz(1_000);
const KEYS = 1_000_000;

describe('scanObject', () => {
  it.each([
    ['string', '"a\\"b\\\\"'],
    ['empty string', '""'],
    ['number', '-12.5e+30'],
    ['zero', '0'],
    ['a number that JavaScript cannot hold', '123456789012345678901234567890'],
    ['true', 'true'],
    ['false', 'false'],
    ['null', 'null'],
    ['object', '{"a":{"b":"}"}}'],
    ['array', '[[],["]"],{"c":[1,2]}]'],
  ])('finds a value that is a %s', (_kind, value) => {
    for (const text of [
      `{"x":${value},"id":1}`,
      `{"id":1,"x":${value}}`,
      ` { "id" : 1 ,\t"x"\r:\n${value} } `,
    ]) {
      expect(valuesOf(text)).toEqual({ x: value, id: '1' });
    }
  });

  it('finds no member in an empty object', () => {
    expect(valuesOf('{}')).toEqual({});
    expect(valuesOf(' \t\r\n{ } ')).toEqual({});
  });

  it.each([
    ['\\u0069d', 'id'],
    ['\\u0049D', 'ID'],
    ['a\\"b', 'a"b'],
    ['a\\\\', 'a\\'],
    ['\\/\\b\\f\\n\\r\\t', '/\b\f\n\r\t'],
    ['\\ud83d\\udc15', '🐕'],
    ['ключ', 'ключ'],
    ['__proto__', '__proto__'],
    ['', ''],
  ])('decodes the key %s', (written, key) => {
    expect(scan(`{"${written}":1}`)?.map((member) => member.key)).toEqual([key]);
  });

  it.each([
    '{"id":1,"id":2}',
    '{"id":1,"x":{},"id":1}',
    '{"id":1,"\\u0069d":2}',
    '{"\\u0069\\u0064":1,"i\\u0064":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
  ])('refuses a key that is there twice: %s', (text) => {
    expect(scan(text)).toBeUndefined();
  });

  it('minds only the keys of the object itself', () => {
    expect(valuesOf('{"id":1,"result":{"id":2,"id":3},"x":"\\"id\\":4"}')).toMatchObject({ id: '1' });
  });

  it.each([
    '',
    ' ',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a":1}}',
    '{"a":1} x',
    '{"a":1}{"b":2}',
    '{"a":1]',
    '{"a" 1}',
    '{a:1}',
    "{'a':1}",
    '{"a":}',
    '{"a":,"b":1}',
    '{"a":"}',
    '{"a":"\\"}',
    '{"a":{}',
    '{"a":[}',
    '{"a":["]}',
    '{"a\\":1}',
    '{"\\x":1}',
    '{"\\u00":1}',
    '{"a":tru}',
    '{"a":1 2}',
    '{"a":01}',
    '{"a":NaN}',
    '{"a":x"y"}',
    '[]',
    '[{"a":1}]',
    '"a"',
    '1',
    'null',
    '\ufeff{"a":1}',
    '{"a":1}\0',
  ])('refuses what is not one whole object: %j', (text) => {
    expect(scan(text)).toBeUndefined();
  });

  it('refuses every beginning of an object that is not all of it', () => {
    const text = '{"jsonrpc":"2.0","id":"a\\\\","result":{"x":[1,{"y":"\\""}]}}';
    for (let length = 0; length < text.length; length++) expect(scan(text.slice(0, length))).toBeUndefined();
    expect(scan(text)).toHaveLength(3);
  });

  it('scans an object inside of others, with white space around it', () => {
    const bytes = Buffer.from('{"params": {"_meta" : {"a":1} \t} , "id":1 }');
    const [params] = scanObject(bytes) ?? [];
    const [meta] = scanObject(bytes, params?.start, params?.end) ?? [];
    expect(scanObject(bytes, meta?.start, meta?.end)).toMatchObject([{ key: 'a' }]);
  });

  it('is not confused by huge strings, deep nesting and long runs of backslashes', () => {
    const huge = JSON.stringify('x"\\{}[]'.repeat(300_000));
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const slashes = JSON.stringify('\\'.repeat(500_001));
    expect(valuesOf(`{"a":${huge},"b":${deep},"c":${slashes},"id":7}`)['id']).toBe('7');
  });

  it('takes time in proportion to the number of keys', () => {
    // If it were the square of it, this would hang.
    const keys = Array.from({ length: KEYS }, (_, i) => `"k${i}":0`).join(',');
    expect(scan(`{${keys}}`)).toHaveLength(KEYS);
    expect(scan(`{${keys},"k7":1}`)).toBeUndefined();
  });

  it(`finds what JSON.parse finds (seed ${seed})`, () => {
    const random = createNumbers(seed);
    for (let round = 0; round < numRuns; round++) {
      const text = randomObject(random, 0);
      const expected: unknown = JSON.parse(text);
      const found = Object.fromEntries(
        Object.entries(valuesOf(text)).map(([key, value]) => [key, JSON.parse(value) as unknown]),
      );
      expect(found, text).toEqual(expected);
    }
  });

  it(`reads what is left of damaged JSON as JSON.parse does (seed ${seed})`, () => {
    const random = createNumbers(seed + 1);
    for (let round = 0; round < numRuns; round++) {
      const text = randomObject(random, 3);
      const characters = Array.from(text);
      characters.splice(Math.floor(random() * characters.length), 1);
      const damaged = characters.join('');
      if (!parses(damaged)) continue;
      // It is JSON all the same, so it has to be read as such, unless a key is there twice now.
      const found = scan(damaged);
      if (found === undefined) continue;
      expect(new Set(found.map(({ key }) => key))).toEqual(
        new Set(Object.keys(JSON.parse(damaged) as object)),
      );
    }
  });
});

describe('spliceValues', () => {
  it('changes the given places and no other byte', () => {
    const text = '{ "id" : 12345678901234567890 ,"é":"ü\\u00fc","params":{"x":1.0,  "token":"a"}}';
    const bytes = Buffer.from(text);
    const at = (value: string): { start: number; end: number } => {
      const start = bytes.indexOf(value);
      return { start, end: start + Buffer.byteLength(value) };
    };
    const edits = [
      { ...at('"a"'), text: '9' },
      { ...at('12345678901234567890'), text: '"ü"' },
    ];
    expect(spliceValues(bytes, edits).toString()).toBe(
      '{ "id" : "ü" ,"é":"ü\\u00fc","params":{"x":1.0,  "token":9}}',
    );
    expect(bytes.toString()).toBe(text);
  });

  it('without an edit is a copy', () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
    const copy = spliceValues(bytes, []);
    expect(copy).toEqual(bytes);
    expect(copy).not.toBe(bytes);
  });
});

function scan(text: string): ReturnType<typeof scanObject> {
  return scanObject(Buffer.from(text));
}

/** Key → JSON text of its value. */
function valuesOf(text: string): Record<string, string> {
  const bytes = Buffer.from(text);
  const members = scanObject(bytes);
  if (members === undefined) throw new Error(`refused: ${text.slice(0, 200)}`);
  return Object.fromEntries(members.map(({ key, start, end }) => [key, bytes.toString('utf8', start, end)]));
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function randomObject(random: () => number, depth: number): string {
  const count = Math.floor(random() * 40) >> depth;
  const keys = new Set(Array.from({ length: count }, () => randomText(random)));
  const members = [...keys].map((key) => {
    return `${space(random)}${written(key, random)}${space(random)}:${space(random)}${randomValue(random, depth)}${space(random)}`;
  });
  return `${space(random)}{${members.length === 0 ? space(random) : members.join(',')}}${space(random)}`;
}

function randomValue(random: () => number, depth: number): string {
  const kinds = [
    () => written(randomText(random), random),
    () => String(Math.floor((random() - 0.5) * 1e6)),
    () => `${Math.floor(random() * 100)}.${Math.floor(random() * 1e6)}e${random() < 0.5 ? '-' : '+'}5`,
    () => ['true', 'false', 'null'][Math.floor(random() * 3)] ?? 'null',
    () =>
      depth > 3
        ? '[]'
        : `[${randomValue(random, depth + 1)},${space(random)}${randomValue(random, depth + 1)}]`,
    () => (depth > 3 ? '{}' : randomObject(random, depth + 1)),
  ];
  return kinds[Math.floor(random() * kinds.length)]?.() ?? 'null';
}

function randomText(random: () => number): string {
  const alphabet = [
    'a',
    'id',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    ' ',
    '\n',
    '\u0000',
    'ü',
    '十',
    '🐕',
    '\u2028',
  ];
  const length = Math.floor(random() * 8);
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');
}

/** A JSON string; sometimes with escapes that need not be. */
function written(text: string, random: () => number): string {
  if (random() < 0.5 || !/^[a-z]+$/.test(text)) return JSON.stringify(text);
  return `"${text.replaceAll(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)}"`;
}

function space(random: () => number): string {
  return random() < 0.7 ? '' : ([' ', '\t', '\n', '\r', '  '][Math.floor(random() * 5)] ?? ' ');
}

describe('the elements of an array', () => {
  it.each<[text: string, elements: string[]]>([
    ['[1,2]', ['1', '2']],
    [' [ {"a":"],"} , [1,[2]] ,"\\"," ] ', [' {"a":"],"} ', ' [1,[2]] ', '"\\"," ']],
    ['[]', ['']],
    ['[{"a":1},{"b":', ['{"a":1}', '{"b":']],
    ['[{"a":1},{"b":"x]', ['{"a":1}', '{"b":"x']],
    ['[1],"x', ['1']],
  ])('%s', (text, elements) => {
    expect(elementsOf(Buffer.from(text)).map(String)).toEqual(elements);
  });

  it('are read up to the bound, and one more', () => {
    expect(elementsOf(Buffer.from('[1,2,3,4,5]'), 3)).toHaveLength(4);
    expect(elementsOf(Buffer.from('[1,2,3]'), 3)).toHaveLength(3);
  });
});

it('members are counted along a path of keys', () => {
  const text = '{"a":{"b":{"c":1,"c":2},"x":[{"b":{}}]},"\\u0061":{"b":{"d":"}"}},"b":{"e":1}}';
  expect(countMembers(Buffer.from(text), ['a', 'b'])).toEqual([3, 3, 3]);
  expect(countMembers(Buffer.from(' { } '), ['a'])).toEqual([0, 0]);
});
