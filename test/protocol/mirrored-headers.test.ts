import { describe, expect, test } from 'vitest';
import {
  decodeHeader,
  encodeHeader,
  headerTextOf,
  nameSourceOf,
  parameterAt,
  parameterHeadersOf,
} from '../../src/protocol/mirrored-headers.ts';

describe('a header', () => {
  test.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['a b', 'a b'],
    ['', ''],
    ['tab\there', '=?base64?dGFiCWhlcmU=?='],
  ])('carries %j as %j', (value, header) => {
    expect(encodeHeader(value)).toBe(header);
    expect(decodeHeader(header)).toBe(value);
  });

  test.each([
    ['SGVsbG8=', 'SGVsbG8='],
    ['=?base64?SGVsbG8=', '=?base64?SGVsbG8='],
    ['SGVsbG8=?=', 'SGVsbG8=?='],
    ['=?BASE64?SGVsbG8=?=', '=?BASE64?SGVsbG8=?='],
    ['=?base64??=', ''],
    ['a\tb', 'a\tb'],
  ])('%j stands for %j', (header, value) => {
    expect(decodeHeader(header)).toBe(value);
  });

  test.each([
    '=?base64?SGVsbG8?=',
    '=?base64?SGVs!!!bG8=?=',
    '=?base64?/w==?=',
    '=?base64?a?=',
    'zwölf',
    'a\u007f',
  ])('%j is not well-formed', (header) => expect(decodeHeader(header)).toBeUndefined());
});

test.each([
  ['text', 'text'],
  ['', ''],
  [true, 'true'],
  [false, 'false'],
  [42, '42'],
  [-7, '-7'],
  [1.5, undefined],
  [2 ** 53, undefined],
  [Number.NaN, undefined],
  [null, undefined],
  [[], undefined],
  [{}, undefined],
])('the value %j is the text %j', (value, text) => {
  expect(headerTextOf(value)).toBe(text);
});

test.each([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/update', 'taskId'],
  ['tools/list', undefined],
  ['constructor', undefined],
  ['__proto__', undefined],
])('of %s, %s is mirrored', (method, source) => {
  expect(nameSourceOf(method)).toBe(source);
});

test.each([
  [{ a: { b: 1 } }, ['a', 'b'], 1],
  [{ a: { b: null } }, ['a', 'b'], undefined],
  [{ a: [1] }, ['a', '0'], undefined],
  [{}, ['__proto__'], undefined],
  [{}, ['constructor', 'name'], undefined],
  [JSON.parse('{"__proto__":"x"}'), ['__proto__'], 'x'],
  [undefined, ['a'], undefined],
])('in %j, %j is %j', (args, path, value) => {
  expect(parameterAt(args, path)).toEqual(value);
});

describe('the schema of a tool', () => {
  const of = (properties: unknown): unknown => parameterHeadersOf({ type: 'object', properties });
  const region = { type: 'string', 'x-mcp-header': 'Region' };

  test('may name headers, at any depth of its properties', () => {
    const size = { type: 'integer', 'x-mcp-header': 'Size' };
    expect(
      of({ region, inner: { type: 'object', properties: { size } }, other: { type: 'string' } }),
    ).toEqual([
      { header: 'mcp-param-region', path: ['region'], isInteger: false },
      { header: 'mcp-param-size', path: ['inner', 'size'], isInteger: true },
    ]);
  });

  test.each([
    ['nothing', undefined],
    ['no properties', {}],
    ['properties that are no object', []],
    ['what is under items', { list: { type: 'array', items: region } }],
    ['a property of the name of the annotation', { 'x-mcp-header': { type: 'string' } }],
  ])('names none in %s', (_title, properties) => {
    expect(of(properties)).toEqual([]);
  });

  test.each([
    ['an empty name', { a: { type: 'string', 'x-mcp-header': '' } }],
    ['a name that is no token', { a: { type: 'string', 'x-mcp-header': 'a b' } }],
    ['a name with a line break', { a: { type: 'string', 'x-mcp-header': 'a\r\nb' } }],
    ['a name that is a number', { a: { type: 'string', 'x-mcp-header': 1 } }],
    ['one name in two cases', { a: region, b: { type: 'string', 'x-mcp-header': 'REGION' } }],
    ['a number', { a: { type: 'number', 'x-mcp-header': 'A' } }],
    ['an object', { a: { type: 'object', 'x-mcp-header': 'A' } }],
    ['no type', { a: { 'x-mcp-header': 'A' } }],
  ])('is invalid with %s', (_title, properties) => {
    expect(of(properties)).toBeUndefined();
  });

  test('is not followed for ever', () => {
    let schema: object = region;
    for (let depth = 0; depth < 100_000; depth += 1) schema = { properties: { a: schema } };
    expect(parameterHeadersOf(schema)).toEqual([]);
  });
});
