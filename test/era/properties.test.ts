/** Properties of every message, checked with random ones. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toLegacyServerCapabilities, toModernServerCapabilities } from '../../src/era/capabilities.ts';
import { withEnvelope, withoutEnvelope, withProgressToken } from '../../src/era/envelope.ts';
import { discoverFromInitialize, initializeFromDiscover } from '../../src/era/handshake.ts';
import { fromInputRequest, requestDigest, toInputRequest } from '../../src/era/input.ts';
import type { Json } from '../../src/era/json.ts';
import { stamped, withoutSubscriptionId } from '../../src/era/listen.ts';
import { toLegacyResult, toModernResult } from '../../src/era/results.ts';
import type { JsonRpcMessage } from '../../src/protocol/frame.ts';
import { fuzz } from '../support/fuzz.ts';

/** Names without a meaning, `__proto__` among them. */
const key = fc.oneof(
  fc.stringMatching(/^x-[a-z]{1,8}$/),
  fc.constant('__proto__'),
  fc.constant('example.com/k'),
);
const value = fc.jsonValue({ maxDepth: 3 });
/** As it comes from the parser: `__proto__` is a key like any other. */
const foreign = fc
  .array(fc.tuple(key, value), { maxLength: 4 })
  .map((entries): Json => Object.fromEntries(entries));
const method = fc.constantFrom(
  'tools/call',
  'tools/list',
  'resources/read',
  'prompts/get',
  'example.com/any',
);
const request = fc
  .tuple(fc.oneof(fc.integer(), fc.string()), method, foreign, fc.option(foreign, { nil: undefined }))
  .map(([id, name, params, _meta]): JsonRpcMessage => ({
    jsonrpc: '2.0',
    id,
    method: name,
    params: { ...params, ...(_meta !== undefined && Object.keys(_meta).length > 0 && { _meta }) },
  }));
const envelope = fc.record({
  protocolVersion: fc.constant('2026-07-28'),
  clientCapabilities: foreign,
  clientInfo: fc.option(foreign, { nil: undefined }),
  logLevel: fc.constantFrom(undefined, 'debug', 'emergency'),
});

describe('nothing is lost', () => {
  test('between a request with an envelope and one without', () => {
    check(fc.tuple(request, envelope), ([message, around]) => {
      expect(text(withoutEnvelope(withEnvelope(message, around)))).toBe(text(message));
    });
  });
  test('of a result on its way there and back', () => {
    check(fc.tuple(method, foreign, foreign), ([name, result, serverInfo]) => {
      expect(sorted(toLegacyResult(name, toModernResult(name, result, serverInfo)))).toEqual(sorted(result));
    });
  });
  test('of the description of a server', () => {
    check(fc.tuple(foreign, foreign, foreign), ([capabilities, info, rest]) => {
      const result = { ...rest, protocolVersion: '2025-11-25', capabilities, serverInfo: info };
      expect(sorted(initializeFromDiscover(discoverFromInitialize(result), '2025-11-25', 'x'))).toEqual(
        sorted(result),
      );
    });
  });
  test("of a server's capabilities that have a meaning in both eras", () => {
    check(foreign, (capabilities) => {
      expect(sorted(toLegacyServerCapabilities(toModernServerCapabilities(capabilities)))).toEqual(
        sorted(capabilities),
      );
    });
  });
  test('of an elicitation', () => {
    check(
      fc.tuple(fc.constantFrom('sampling/createMessage', 'elicitation/create'), foreign),
      ([name, params]) => {
        const back = fromInputRequest(toInputRequest(name, params), '2025-11-25', () => 'id');
        expect(text(back)).toBe(text({ method: name, params }));
      },
    );
  });
  test('of a notification that becomes one of a subscription', () => {
    check(fc.tuple(request, fc.oneof(fc.integer(), fc.string())), ([{ id: _id, ...message }, id]) => {
      const back = withoutSubscriptionId(stamped(message, id));
      expect(sorted(back.params ?? {})).toEqual(sorted(message.params ?? {}));
    });
  });
});

test('no translation changes its argument', () => {
  check(fc.tuple(request, envelope, foreign), ([message, around, result]) => {
    const before = text([message, around, result]);
    withEnvelope(message, around);
    withProgressToken(message, 1);
    toModernResult(message.method ?? '', result, around.clientInfo);
    toLegacyResult(message.method ?? '', result);
    discoverFromInitialize(result);
    initializeFromDiscover(result, '', '');
    toInputRequest(message.method ?? '', result);
    expect(text([message, around, result])).toBe(before);
  });
});

test('the digest of a request does not depend on the order of its keys', () => {
  check(fc.tuple(method, foreign), ([name, params]) => {
    const reversed = Object.fromEntries(Object.entries(params).toReversed());
    expect(requestDigest(name, reversed)).toBe(requestDigest(name, params));
  });
});

function check<T>(arbitrary: fc.Arbitrary<T>, property: (sample: T) => void): void {
  fc.assert(fc.property(arbitrary, property), fuzz(300));
}

function text(json: unknown): string {
  return JSON.stringify(json);
}

/** Independent of the order of members, and with `__proto__` as the key that it is. */
function sorted(json: Json): [string, string][] {
  return Object.entries(json)
    .map(([name, member]): [string, string] => [name, text(member)])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
