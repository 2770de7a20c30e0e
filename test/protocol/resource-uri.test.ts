import { describe, expect, test } from 'vitest';
import { isWithin, readResourceUri } from '../../src/protocol/resource-uri.ts';

function within(uri: string, whole: string): boolean {
  return isWithin(readResourceUri(uri), readResourceUri(whole));
}

describe('a resource is a part of another one', () => {
  test.each([
    ['file:///a/b', 'file:///a'],
    ['file:///a/b', 'file:///a/'],
    ['file:///a/', 'file:///a'],
    ['file:///a/x/../b', 'file:///a'],
    ['FILE:///a/b', 'file:///a'],
    ['https://Example.com/a/b', 'https://example.com:443/a'],
    ['file:///%61/b', 'file:///a'],
    ['file:///%7Ea/b', 'file:///~a'],
    ['file:///caf%c3%a9/b', 'file:///café'],
    ['test://watched/part', 'test://watched'],
    ['test://watched/part?v=1#x', 'test://watched/'],
    ['custom:/a/b', 'custom:/a'],
    ['file:///a/b', 'file:///'],
    ['file:///a/..b', 'file:///a'],
    ['file:///a/50%25', 'file:///a'],
  ])('%s, of %s', (uri, whole) => expect(within(uri, whole)).toBe(true));
});

describe('a resource is not a part of another one', () => {
  test.each([
    ['file:///a/b/../c', 'file:///a/b'],
    ['file:///a/../secret', 'file:///a'],
    ['file:///a/%2e%2e/secret', 'file:///a'],
    ['file:///a/.%2E/secret', 'file:///a'],
    ['file:///a/%252e%252e/secret', 'file:///a'],
    ['file:///a/..%2Fsecret', 'file:///a'],
    ['file:///a/x%2f..%2f..%2fsecret', 'file:///a'],
    ['file:///a/..\\secret', 'file:///a'],
    ['custom://h/a/..\\secret', 'custom://h/a'],
    ['custom://h/a/..%5csecret', 'custom://h/a'],
    ['custom://h/a/%2e%2e/secret', 'custom://h/a'],
    ['file:///ab', 'file:///a'],
    ['file:///A/b', 'file:///a'],
    ['file:///', 'file:///a'],
    ['file:///a', 'file:///a/'],
    ['file://host/a/b', 'file:///a'],
    ['https://example.com:8443/a/b', 'https://example.com/a'],
    ['http://example.com/a/b', 'https://example.com/a'],
    ['https://user@example.com/a/b', 'https://example.com/a'],
    ['https://example.com/a/b?x=1', 'https://example.com/a?x=1'],
    ['https://example.com/a?x=1', 'https://example.com/a'],
    ['https://example.com/a/?x=1', 'https://example.com/a'],
    ['https://example.com/a#/b', 'https://example.com/a'],
    ['https://example.com/a?/a/b', 'https://example.com/a/b'],
    ['https://example.com/a/b', 'https://example.com/a#part'],
    ['custom:///a/b', 'custom:/a'],
    ['urn:a:b/c', 'urn:a:b'],
    ['URN:a:b', 'urn:a:b'],
    ['not a uri/part', 'not a uri'],
  ])('%s, of %s', (uri, whole) => expect(within(uri, whole)).toBe(false));
});

test.each([
  ['file:///a/./b', 'file:///a/b'],
  ['file:///a/x/%2e%2e/b', 'file:///a/b'],
  ['HTTPS://EXAMPLE.com:443/a', 'https://example.com/a'],
  ['not a uri', 'not a uri'],
  ['urn:a:b', 'urn:a:b'],
])('%s is the resource %s', (one, other) => {
  expect(within(one, other)).toBe(true);
  expect(within(other, one)).toBe(true);
});

test('reading a path of encodings within encodings takes no time', () => {
  const uri = `file:///a/%${'25'.repeat(500_000)}2e`;
  expect(within(uri, 'file:///a')).toBe(false);
});
