import { describe, expect, it } from 'vitest';
import { frameOf, parseBody, parseFrame, peekFrame } from '../../src/protocol/frame.ts';
import { parseExact, toJson } from '../../src/protocol/request-id.ts';

describe('an id', () => {
  it.each<[text: string, id: unknown]>([
    ['0', 0],
    ['-1', -1],
    ['1.5', 1.5],
    ['1.0', 1],
    ['1e3', 1_000],
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740992', 9_007_199_254_740_992n],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9007199254740993', -9_007_199_254_740_993n],
    ['1767000000123456789', 1_767_000_000_123_456_789n],
    ['1767000000123456790', 1_767_000_000_123_456_790n],
    ['1.767000000123456789e18', 1_767_000_000_123_456_789n],
    ['1767000000123456789.0', 1_767_000_000_123_456_789n],
    ['17670000001234567890e-1', 1_767_000_000_123_456_789n],
    ['123456789012345678901234567890', 123_456_789_012_345_678_901_234_567_890n],
    ['"1767000000123456789"', '1767000000123456789'],
  ])('%s has its value, wherever it stands', (text, id) => {
    expect(parseExact(text)).toBe(id);
    for (const line of [
      `{"jsonrpc":"2.0","id":${text},"method":"x"}`,
      `{"method":"x","jsonrpc":"2.0","id":${text}}`,
      `{"jsonrpc":"2.0","id": ${text} ,"result":{}}`,
      `{"result":{},"jsonrpc":"2.0","id":${text}}`,
    ]) {
      expect(parseFrame(Buffer.from(line)).id).toBe(id);
      expect(peekFrame(Buffer.from(line)).id).toBe(id);
      expect(peekFrame(Buffer.from(line)).message.id).toBe(id);
      expect(parseBody(Buffer.from(`[${line}]`))).toMatchObject([{ id }]);
    }
  });

  it.each(['1767000000123456789', '-9007199254740993', '17', '"a"'])('%s is written as it was', (text) => {
    const { id } = parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${text},"method":"x"}`));
    expect(String(frameOf({ id: id ?? null, result: { list: [undefined, 1], none: undefined } }).bytes)).toBe(
      `{"jsonrpc":"2.0","id":${text},"result":{"list":[null,1]}}`,
    );
  });

  it.each(['1e400', `1${'0'.repeat(1_000)}`, 'null', 'true', '{}'])('%s is none', (text) => {
    expect(() => parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${text},"method":"x"}`))).toThrow(
      '"id" must be',
    );
  });

  it('is known beside another key that is there twice', () => {
    const line = '{"jsonrpc":"2.0","x":1,"x":2,"id":1767000000123456789,"method":"x"}';
    expect(parseFrame(Buffer.from(line)).id).toBe(1_767_000_000_123_456_789n);
  });

  it('that is there twice is none if a double cannot hold it', () => {
    const line = '{"jsonrpc":"2.0","id":1,"id":1767000000123456789,"method":"x"}';
    expect(() => parseFrame(Buffer.from(line))).toThrow('"id" must be');
  });
});

it.each(['params.requestId', 'params.progressToken', 'params._meta.progressToken'])(
  'what %s names has its value',
  (place) => {
    const value = 1_767_000_000_123_456_789n;
    const nested = place
      .split('.')
      .toReversed()
      .reduce<string>((inner, key) => `{ "${key}" : ${inner} }`, String(value));
    const line = `{"jsonrpc":"2.0","method":"n","other":1767000000123456789,${nested.slice(1)}`;
    const { message } = parseFrame(Buffer.from(line));
    const found = place
      .split('.')
      .reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], message);
    expect(found).toBe(value);
    // A value that is never compared stays as the parser has it.
    expect(message['other']).toBe(Number(value));
  },
);

it('JSON with large integers nests as deeply as other JSON', () => {
  expect(toJson({ a: [{ b: 10n ** 20n }, 'x', null, true], c: undefined })).toBe(
    '{"a":[{"b":100000000000000000000},"x",null,true]}',
  );
});
