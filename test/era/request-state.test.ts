import { expect, test } from 'vitest';
import { RequestStates } from '../../src/era/request-state.ts';

test('a sealed state opens, and its text reveals nothing of it', () => {
  const states = new RequestStates();
  const text = states.seal({ handle: 'secret', n: 1 });
  expect(states.open(text)).toEqual({ handle: 'secret', n: 1 });
  expect(Buffer.from(text.slice(3), 'base64url').toString('latin1')).not.toContain('secret');
  expect(states.seal({ handle: 'secret', n: 1 })).not.toBe(text);
});

test('a state with a changed bit, of another process, or of garbage does not open', () => {
  const states = new RequestStates();
  const text = states.seal({ a: 1 });
  const bytes = Buffer.from(text.slice(3), 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(at) ^ 1, at);
    expect(states.open(`m1.${forged.toString('base64url')}`)).toBeUndefined();
  }
  expect(new RequestStates().open(text)).toBeUndefined();
  for (const garbage of [
    '',
    'm1.',
    'm1.AAAA',
    'x',
    text.slice(0, -4),
    undefined,
    7,
    {},
    `m1.${'A'.repeat(10_000)}`,
  ])
    expect(states.open(garbage)).toBeUndefined();
});
