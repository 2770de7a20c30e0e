import { expect, test } from 'vitest';
import { ownEnvelope, ownInitializeParams } from '../../src/era/own-client.ts';

test('mcp-run introduces itself by its name and version, without capabilities', () => {
  const clientInfo = { name: 'mcp-run', version: '7' };
  expect(ownInitializeParams('7')).toEqual({ protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  expect(ownEnvelope('7')).toEqual({
    protocolVersion: '2026-07-28',
    clientCapabilities: {},
    clientInfo,
    logLevel: undefined,
  });
  expect(ownEnvelope('7', '2025-11-25').protocolVersion).toBe('2025-11-25');
});
