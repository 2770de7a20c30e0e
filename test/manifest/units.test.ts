import { describe, expect, test } from 'vitest';
import { isLoopback, parseBaseUrl, parseInteger, parsePath } from '../../src/manifest/schema/checks.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/manifest/schema/units.ts';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['1m30s', 90_000],
    [' 5m', 300_000],
    ['2d', 172_800_000],
    [1500, 1500],
  ])('%s is %d ms', (input, value) => {
    expect(parseDuration(input)).toEqual({ value });
  });

  test.each([
    ['30', 'needs a unit: "30s" or "30ms"'],
    ['soon', 'is not a duration'],
    ['5 minutes', 'is not a duration'],
    ['', 'is not a duration'],
    ['-5s', 'is not a duration'],
    ['0', 'is out of range'],
    [0, 'is out of range'],
    // Beyond this a timer of Node's fires at once.
    ['25d', 'is out of range'],
    [Number.NaN, 'is out of range'],
  ])('%s is refused', (input, fault) => {
    expect(parseDuration(input)).toEqual({ fault: expect.stringContaining(fault) });
  });

  test('zero passes where it means something', () => {
    expect(parseDuration('0', 0)).toEqual({ value: 0 });
  });

  test.each([
    [90_000, '90s'],
    [60_000, '1m'],
    [1, '1ms'],
    [0, '0'],
  ])('%d ms is written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('sizes', () => {
  test.each([
    ['65536', 65_536],
    ['512kb', 524_288],
    ['4MB', 4_194_304],
    ['1.5 MiB', 1_572_864],
    [10, 10],
  ])('%s is %d bytes', (input, value) => {
    expect(parseSize(input)).toEqual({ value });
  });

  test.each(['4xb', 'big', '', '-1', '2gb', '0'])('%s is refused', (input) => {
    expect(parseSize(input)).toEqual({ fault: expect.any(String) });
  });

  test('a size is written in its largest exact unit', () => {
    expect([4_194_304, 1_025, 0].map(formatSize)).toEqual(['4mb', '1025b', '0']);
  });
});

test.each(['/mcp', '/a/b-c_d.e~f'])('%s is a path', (path) => {
  expect(parsePath(path)).toEqual({ value: path });
});

test.each(['mcp', '/', '/a/', '/a//b', '/a/../b', '/a b', '/:name', '/*'])('%s is not a path', (path) => {
  expect(parsePath(path)).toEqual({ fault: expect.any(String) });
});

test('a base URL loses its trailing slash and keeps its path', () => {
  expect(parseBaseUrl('https://example.com/tools/')).toEqual({ value: 'https://example.com/tools' });
});

test.each(['example.com', 'ftp://example.com', 'https://example.com/?a=1', 'https://example.com/#a'])(
  '%s is not a base URL',
  (url) => {
    expect(parseBaseUrl(url)).toEqual({ fault: expect.any(String) });
  },
);

test('integers may be digits in a string, and nothing else', () => {
  expect(parseInteger('3000', 0, 65_535)).toEqual({ value: 3000 });
  for (const input of ['65536', '1e3', '3.5', '', 'x', -1, 1.5]) {
    expect(parseInteger(input, 0, 65_535)).toEqual({ fault: expect.any(String) });
  }
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['localhost', true],
  ['LOCALHOST', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.0.0.1.example.com', false],
  ['192.168.0.1', false],
  ['', false],
])('%s is loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
