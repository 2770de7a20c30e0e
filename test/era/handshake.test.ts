import { describe, expect, test } from 'vitest';
import { META } from '../../src/protocol/constants.ts';
import {
  discoverFromInitialize,
  envelopeOf,
  initializeFromDiscover,
  isDiscoverResult,
  isModernError,
  legacyInitializeParams,
} from '../../src/era/handshake.ts';

const INFO = { name: 'server', title: 'Server', version: '1', 'x-build': 7 };

test('an answer to initialize becomes one to server/discover', () => {
  const answer = {
    protocolVersion: '2025-11-25',
    capabilities: { tools: { listChanged: true }, tasks: {} },
    serverInfo: INFO,
    instructions: 'Be kind',
    _meta: { 'example.com/a': 1 },
    'example.com/b': [2],
  };
  const discover = discoverFromInitialize(answer);
  expect(discover).toEqual({
    resultType: 'complete',
    supportedVersions: ['2026-07-28', '2025-11-25'],
    capabilities: { tools: { listChanged: true } },
    instructions: 'Be kind',
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { 'example.com/a': 1, [META.serverInfo]: INFO },
    'example.com/b': [2],
  });
  expect(isDiscoverResult(discover)).toBe(true);
});

describe('an answer to server/discover', () => {
  const answer = {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { prompts: {} },
    instructions: 'Be brief',
    ttlMs: 60_000,
    cacheScope: 'public',
    _meta: { [META.serverInfo]: INFO, 'example.com/a': 1 },
    'example.com/b': [2],
  };
  test('becomes one to initialize, in the revision that was asked for', () => {
    expect(initializeFromDiscover(answer, '2025-06-18', 'entry')).toEqual({
      protocolVersion: '2025-06-18',
      capabilities: { prompts: {} },
      serverInfo: INFO,
      instructions: 'Be brief',
      _meta: { 'example.com/a': 1 },
      'example.com/b': [2],
    });
  });
  test.each(['2026-07-28', '1999-01-01', undefined, 7])('asked for %j, in the newest one', (requested) => {
    expect(initializeFromDiscover(answer, requested, 'entry')['protocolVersion']).toBe('2025-11-25');
  });
  test('of a server without a name gets that of its entry', () => {
    const nameless = initializeFromDiscover({ supportedVersions: [], capabilities: {} }, undefined, 'entry');
    expect(nameless['serverInfo']).toEqual({ name: 'entry', version: '0' });
    expect('_meta' in nameless).toBe(false);
  });
});

test('each side is told who the other is', () => {
  expect(legacyInitializeParams({ sampling: {} }, { name: 'c', version: '1' })).toEqual({
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {} },
    clientInfo: { name: 'c', version: '1' },
  });
  expect(
    envelopeOf({
      protocolVersion: '2024-11-05',
      capabilities: { roots: { listChanged: true } },
      clientInfo: INFO,
    }),
  ).toEqual({
    protocolVersion: '2026-07-28',
    clientCapabilities: { roots: {} },
    clientInfo: INFO,
    logLevel: undefined,
  });
  expect(envelopeOf({}).clientCapabilities).toEqual({});
});

test('what a modern server answers is recognised, and nothing else', () => {
  expect([-32020, -32021, -32022].map((code) => isModernError({ code, message: '' }))).toEqual([
    true,
    true,
    true,
  ]);
  expect([-32601, -32602, -32000, -32001, '-32022'].some((code) => isModernError({ code }))).toBe(false);
  expect(
    [undefined, null, [], {}, { supportedVersions: '2026-07-28', capabilities: {} }].some(isDiscoverResult),
  ).toBe(false);
});
