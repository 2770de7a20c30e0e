import { describe, expect, test } from 'vitest';
import { META } from '../../src/protocol/constants.ts';
import { toLegacyError, toLegacyResult, toModernError, toModernResult } from '../../src/era/results.ts';

const INFO = { name: 'server', version: '1' };
const CACHEABLE = [
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
];

describe('a result for a modern client', () => {
  test('is complete, and names the server', () => {
    expect(toModernResult('tools/call', { content: [], _meta: { a: 1 } }, INFO)).toEqual({
      resultType: 'complete',
      content: [],
      _meta: { a: 1, [META.serverInfo]: INFO },
    });
    expect(toModernResult('example.com/x', { resultType: 'other' }, undefined)).toEqual({
      resultType: 'complete',
    });
  });
  test.each(CACHEABLE)('of %s says that it must not be cached', (method) => {
    expect(toModernResult(method, {}, undefined)).toEqual({
      resultType: 'complete',
      ttlMs: 0,
      cacheScope: 'private',
    });
  });
  test('keeps hints that are valid, and no others', () => {
    const hinted = { ttlMs: 5, cacheScope: 'public' };
    expect(toModernResult('tools/list', hinted, undefined)).toMatchObject(hinted);
    expect(toModernResult('tools/list', { ttlMs: -1, cacheScope: 'all' }, undefined)).toMatchObject({
      ttlMs: 0,
      cacheScope: 'private',
    });
    expect(toModernResult('tools/call', { ttlMs: -1 }, undefined)).toMatchObject({ ttlMs: -1 });
  });
  test('lists tools without their task support', () => {
    const tools = [{ name: 'a', execution: { taskSupport: 'optional' }, 'x-y': 1 }, 7];
    expect(toModernResult('tools/list', { tools, nextCursor: 'c' }, undefined)).toMatchObject({
      tools: [{ name: 'a', 'x-y': 1 }, 7],
      nextCursor: 'c',
    });
  });
});

describe('a result for a legacy client', () => {
  test('has no members of the other era', () => {
    const result = {
      resultType: 'complete',
      ttlMs: 1,
      cacheScope: 'public',
      contents: [],
      _meta: { [META.serverInfo]: INFO, [META.subscriptionId]: 1, kept: true },
    };
    expect(toLegacyResult('resources/read', result)).toEqual({ contents: [], _meta: { kept: true } });
    expect(toLegacyResult('example.com/x', { ttlMs: 1, _meta: { [META.serverInfo]: INFO } })).toEqual({
      ttlMs: 1,
    });
  });
  test('lists tools without output schemas that the revision does not allow', () => {
    const object = { name: 'a', outputSchema: { type: 'object' }, inputSchema: { 'x-mcp-header': 'A' } };
    expect(
      toLegacyResult('tools/list', { tools: [object, { name: 'b', outputSchema: { type: 'array' } }, null] }),
    ).toEqual({ tools: [object, { name: 'b' }, null] });
  });
  test.each([
    [
      { structuredContent: { a: 1 }, content: [] },
      { structuredContent: { a: 1 }, content: [] },
    ],
    [{ structuredContent: [1], content: [] }, { content: [{ type: 'text', text: '[1]' }] }],
    [{ structuredContent: null }, { content: [{ type: 'text', text: 'null' }] }],
    [
      { structuredContent: 7, content: [{ type: 'text', text: '7' }] },
      { content: [{ type: 'text', text: '7' }] },
    ],
  ])('of a call: %j becomes %j', (before, after) => {
    expect(toLegacyResult('tools/call', before)).toEqual(after);
  });
});

describe('an error', () => {
  const data = { why: 'because' };
  test.each([
    ['resources/read', -32002, -32602],
    ['tools/call', -32002, -32603],
    ['tools/call', -32042, -32603],
    ['tools/call', -32020, -32603],
    ['tools/call', -32099, -32603],
    ['tools/call', -32000, -32000],
    ['tools/call', -32001, -32001],
    ['tools/call', -32601, -32601],
    ['tools/call', -31999, -31999],
    ['tools/call', 7, 7],
  ])('of %s for a modern client: %i becomes %i', (method, before, after) => {
    expect(toModernError(method, { code: before, message: 'm', data })).toEqual({
      code: after,
      message: 'm',
      data,
    });
  });
  test('with a reserved code has that code in its data', () => {
    expect(toModernError('tools/call', { code: -32050, message: 'm' })).toEqual({
      code: -32603,
      message: 'm',
      data: { code: -32050 },
    });
  });
  test.each([
    [-32020, -32603],
    [-32022, -32603],
    [-32021, -32021],
    [-32602, -32602],
  ])('for a legacy client: %i becomes %i', (before, after) => {
    expect(toLegacyError('tools/call', { code: before, message: 'm', data })).toEqual({
      code: after,
      message: 'm',
      data,
    });
  });
});
