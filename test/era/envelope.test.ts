import { describe, expect, test } from 'vitest';
import { META } from '../../src/protocol/constants.ts';
import type { JsonRpcMessage } from '../../src/protocol/frame.ts';
import {
  claimsModern,
  progressTokenOf,
  readEnvelope,
  withEnvelope,
  withoutEnvelope,
  withProgressToken,
} from '../../src/era/envelope.ts';

const ENVELOPE = {
  protocolVersion: '2026-07-28',
  clientCapabilities: { elicitation: {} },
  clientInfo: { name: 'client', version: '1' },
  logLevel: 'warning',
};
const META_OF_IT = {
  [META.protocolVersion]: '2026-07-28',
  [META.clientCapabilities]: { elicitation: {} },
  [META.clientInfo]: { name: 'client', version: '1' },
  [META.logLevel]: 'warning',
};

describe('claimsModern', () => {
  test('is true of any value at the key', () => {
    expect(claimsModern(request({ _meta: { [META.protocolVersion]: 7 } }))).toBe(true);
  });
  test.each([undefined, {}, { _meta: 1 }, { _meta: { protocolVersion: '2026-07-28' } }])(
    'is false of %j',
    (params) => expect(claimsModern(request(params))).toBe(false),
  );
  test('is false of initialize', () => {
    expect(claimsModern({ ...request({ _meta: META_OF_IT }), method: 'initialize' })).toBe(false);
  });
});

describe('readEnvelope', () => {
  test('reads all four fields', () => {
    expect(readEnvelope(request({ _meta: META_OF_IT }))).toEqual({ envelope: ENVELOPE });
  });
  test('accepts an envelope without the optional ones', () => {
    const _meta = { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} };
    expect(readEnvelope(request({ _meta }))).toEqual({
      envelope: {
        protocolVersion: '2026-07-28',
        clientCapabilities: {},
        clientInfo: undefined,
        logLevel: undefined,
      },
    });
  });
  test.each([
    [{}, META.protocolVersion],
    [{ ...META_OF_IT, [META.protocolVersion]: 1 }, META.protocolVersion],
    [{ [META.protocolVersion]: '2026-07-28' }, META.clientCapabilities],
    [{ ...META_OF_IT, [META.clientCapabilities]: [] }, META.clientCapabilities],
    [{ ...META_OF_IT, [META.clientInfo]: 'me' }, META.clientInfo],
    [{ ...META_OF_IT, [META.logLevel]: 'loud' }, META.logLevel],
  ])('names the invalid field of %j', (_meta, field) => {
    expect(readEnvelope(request({ _meta }))).toMatchObject({ field, fault: expect.stringContaining(field) });
  });
});

describe('an envelope', () => {
  test('is added to a message that keeps the rest of its _meta', () => {
    const message = request({ name: 'x', _meta: { traceparent: '00-1', [META.logLevel]: 'debug' } });
    expect(withEnvelope(message, { ...ENVELOPE, logLevel: undefined })).toEqual(
      request({
        name: 'x',
        _meta: {
          traceparent: '00-1',
          [META.protocolVersion]: '2026-07-28',
          [META.clientCapabilities]: { elicitation: {} },
          [META.clientInfo]: { name: 'client', version: '1' },
        },
      }),
    );
  });
  test('is removed, together with an empty _meta', () => {
    expect(withoutEnvelope(request({ _meta: META_OF_IT }))).toEqual(request({}));
    expect(withoutEnvelope(request({ _meta: { ...META_OF_IT, baggage: 'a=b' } }))).toEqual(
      request({ _meta: { baggage: 'a=b' } }),
    );
  });
  test('is removed only from a message that has one', () => {
    const message = request(undefined);
    expect(withoutEnvelope(message)).toBe(message);
  });
});

describe('a progress token', () => {
  test('is replaced', () => {
    const message = withProgressToken(request({ _meta: { progressToken: 'a', x: 1 } }), 7);
    expect(message).toEqual(request({ _meta: { progressToken: 7, x: 1 } }));
    expect(progressTokenOf(message)).toBe(7);
  });
  test('is not added to a message without one', () => {
    const message = request({ _meta: {} });
    expect(withProgressToken(message, 7)).toBe(message);
    expect(progressTokenOf(request({ _meta: { progressToken: {} } }))).toBeUndefined();
  });
});

function request(params: Record<string, unknown> | undefined): JsonRpcMessage {
  return { jsonrpc: '2.0', id: 1, method: 'tools/call', ...(params !== undefined && { params }) };
}
