import { expect, test } from 'vitest';
import { Attribution } from '../../../src/router/shared-process/attribution.ts';

function setUp(): { attribution: Attribution<string>; pass: (ms: number) => void } {
  let now = 0;
  return { attribution: new Attribution({ now: () => now }), pass: (ms) => void (now += ms) };
}

test('names the only client that has calls running', () => {
  const { attribution } = setUp();
  expect(attribution.sole()).toBeUndefined();
  attribution.begin('a');
  attribution.begin('a');
  expect(attribution.sole()).toBe('a');
});

test('names no client after an overlap until no call runs', () => {
  const { attribution } = setUp();
  attribution.begin('a');
  attribution.begin('b');
  attribution.end('a', 0);
  expect(attribution.sole()).toBeUndefined();
  attribution.begin('b');
  attribution.end('b', 0);
  expect(attribution.sole()).toBeUndefined();
  attribution.end('b', 0);
  attribution.begin('b');
  expect(attribution.sole()).toBe('b');
});

test('names a client in quarantine for its own calls only, each for its own time', () => {
  const { attribution, pass } = setUp();
  attribution.begin('a');
  attribution.end('a', 30_000);
  pass(10_000);
  attribution.begin('b');
  attribution.end('b', 30_000);
  pass(20_000);
  attribution.begin('b');
  expect(attribution.sole()).toBe('b');
  attribution.end('b', 0);
  attribution.begin('a');
  expect(attribution.sole()).toBeUndefined();
  pass(10_000);
  expect(attribution.sole()).toBe('a');
});

test('does not shorten a quarantine by another one', () => {
  const { attribution, pass } = setUp();
  attribution.suspect('a', 60_000);
  attribution.suspect('a', 1_000);
  attribution.begin('b');
  pass(59_999);
  expect(attribution.sole()).toBeUndefined();
  pass(1);
  expect(attribution.sole()).toBe('b');
});

test('keeps the quarantine of clients that there is no room for', () => {
  const { attribution, pass } = setUp();
  attribution.suspect('long', 60_000);
  for (let n = 0; n < 10_000; n += 1) attribution.suspect(`client ${n}`, 1_000);
  pass(30_000);
  attribution.begin('b');
  expect(attribution.sole()).toBeUndefined();
  pass(30_000);
  expect(attribution.sole()).toBe('b');
});

test('forgets all with the process', () => {
  const { attribution } = setUp();
  attribution.begin('a');
  attribution.suspect('a');
  attribution.clear();
  attribution.begin('b');
  expect(attribution.sole()).toBe('b');
});
