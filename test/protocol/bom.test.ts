import { expect, it } from 'vitest';
import { withoutBom } from '../../src/protocol/bom.ts';

it.for([
  ['\uFEFF{}', '{}'],
  ['\uFEFF', ''],
  ['\uFEFF\uFEFF{}', '\uFEFF{}'],
  ['{}\uFEFF', '{}\uFEFF'],
  [' \uFEFF{}', ' \uFEFF{}'],
  ['{}', '{}'],
  ['', ''],
] as const)('removes one leading byte order mark: %j becomes %j', ([text, rest]) => {
  expect(withoutBom(Buffer.from(text)).toString()).toBe(rest);
});

it('keeps an incomplete byte order mark, and other views of bytes than buffers', () => {
  expect(withoutBom(Buffer.of(0xef, 0xbb))).toEqual(Buffer.of(0xef, 0xbb));
  expect(withoutBom(Uint8Array.of(0xef, 0xbb, 0xbf, 1))).toEqual(Uint8Array.of(1));
});
