/** The key of a client's process, and the cache that finds it without a hash. */
import { describe, expect, test } from 'vitest';
import type { Envelope } from '../../../src/era/envelope.ts';
import type { Json } from '../../../src/era/json.ts';
import type { Capability } from '../../../src/config/types.ts';
import { isNamed, keyOf, ProcessKeys, type ProcessKey } from '../../../src/router/modern-to-legacy/key.ts';

const NAME = { name: 'client', version: '1' };

describe('ProcessKeys', () => {
  test('returns one and the same key for requests that say the same', () => {
    const keys = new ProcessKeys();
    expect(keyFor(keys)).toBe(keyFor(keys));
  });

  test('returns the key that keyOf computes', () => {
    const key = keyFor(new ProcessKeys(), { capabilities: { roots: {}, sampling: {} }, withheld: ['roots'] });
    expect(key).toEqual(keyOf(clientOf('one', ['roots']), envelopeOf({ roots: {}, sampling: {} }, NAME)));
    expect(key.capabilities).toEqual({ sampling: {} });
  });

  test('tells clients apart by principal, capabilities, name and withheld capabilities', () => {
    const keys = new ProcessKeys();
    const all = [
      keyFor(keys, { capabilities: { roots: {} } }),
      keyFor(keys, { capabilities: { roots: {} }, principalId: 'two' }),
      keyFor(keys, { capabilities: { sampling: {} } }),
      keyFor(keys, { capabilities: { roots: {} }, clientInfo: { name: 'other', version: '1' } }),
      keyFor(keys, { capabilities: { roots: {} }, clientInfo: undefined }),
      keyFor(keys, { capabilities: { roots: {} }, withheld: ['roots'] }),
    ];
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
  });

  test('keeps a client without a name unnamed', () => {
    const keys = new ProcessKeys();
    const unnamed = [keyFor(keys, { clientInfo: undefined }), keyFor(keys, { clientInfo: undefined })];
    expect(unnamed.map(isNamed)).toEqual([false, false]);
    // A client may have the very name that an unnamed one is given.
    expect(isNamed(keyFor(keys, { clientInfo: { name: 'unknown', version: '0' } }))).toBe(true);
  });

  test('forgets the oldest of many keys, and never keeps one of a large envelope', () => {
    const keys = new ProcessKeys();
    const first = keyFor(keys);
    for (let n = 0; n < 128; n += 1) keyFor(keys, { principalId: `other ${n}` });
    expect(keyFor(keys)).not.toBe(first);
    expect(keyFor(keys)).toEqual(first);
    const large = { capabilities: { experimental: { text: 'x'.repeat(5_000) } } };
    expect(keyFor(keys, large)).not.toBe(keyFor(keys, large));
  });
});

interface Said {
  readonly principalId?: string;
  readonly capabilities?: Json;
  readonly clientInfo?: Json | undefined;
  readonly withheld?: readonly Capability[];
}

function keyFor(keys: ProcessKeys, said: Said = {}): ProcessKey {
  const { principalId = 'one', capabilities = {}, withheld = [] } = said;
  const clientInfo = 'clientInfo' in said ? said.clientInfo : NAME;
  return keys.of(clientOf(principalId, withheld), envelopeOf(capabilities, clientInfo));
}

function clientOf(principalId: string, withheld: readonly Capability[]): Parameters<typeof keyOf>[0] {
  return { principalId, withheld: new Set(withheld) };
}

function envelopeOf(clientCapabilities: Json, clientInfo: Json | undefined): Envelope {
  return { protocolVersion: '2026-07-28', clientCapabilities, clientInfo, logLevel: undefined };
}
