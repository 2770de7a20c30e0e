import { describe, expect, test } from 'vitest';
import { frameFromBytes, type Frame } from '../../src/protocol/frame.ts';
import { replaceValues, scanMessage, textAt, textOf, valueAt } from '../../src/protocol/rewrite.ts';

function frame(text: string): Frame {
  return frameFromBytes('request', Buffer.from(text), undefined, undefined);
}

describe('a scanned message', () => {
  test.each([
    ['7', 7],
    ['0', 0],
    ['-7', -7],
    ['1.0', 1],
    ['999999999999999', 999_999_999_999_999],
    ['100000000000000000000', 10n ** 20n],
    ['"plain"', 'plain'],
    ['""', ''],
    [String.raw`"\u0061\n"`, 'a\n'],
    ['"ä"', 'ä'],
  ])('has the id %s by its value, and its text', (text, value) => {
    const scanned = scanMessage(frame(`{"jsonrpc":"2.0","id":${text},"method":"x"}`));
    expect(scanned?.id).toBe(value);
    expect(scanned === undefined ? undefined : textAt(scanned, 'id')).toBe(text);
  });

  test.each([
    ['an id that is none', '{"id":null,"method":"x"}'],
    ['a leading zero', '{"id":01,"method":"x"}'],
    ['a raw control character in its method', '{"id":1,"method":"a\nb"}'],
    ['a key twice', '{"id":1,"method":"x","id":2}'],
    ['a key in another spelling', '{"id":1,"method":"x","Id":2}'],
    ['a key of its parameters twice', '{"id":1,"method":"x","params":{"a":1,"a":2}}'],
    ['a key of its metadata twice', '{"id":1,"method":"x","params":{"_meta":{"a":1,"\\u0061":2}}}'],
    ['a token in another spelling', '{"id":1,"method":"x","params":{"_meta":{"PROGRESSTOKEN":2}}}'],
    ['parameters that do not end', '{"id":1,"method":"x","params":{"a":1}'],
    ['parameters with a missing value', '{"id":1,"method":"x","params":{"a":}}'],
    ['anything behind it', '{"id":1,"method":"x"} {}'],
  ])('is rejected for %s', (_what, text) => {
    expect(scanMessage(frame(text))).toBeUndefined();
  });

  test('finds what its parameters and metadata name', () => {
    const scanned = scanMessage(
      frame(
        '{"id":1,"method":"notifications/progress","params":{"x":{"_meta":{"progressToken":"no"}},"progressToken":8,"_meta":{"progressToken":9,"io.modelcontextprotocol/clientInfo":{"name":"c"}}}}',
      ),
    );
    if (scanned === undefined) throw new Error('rejected');
    expect([valueAt(scanned, 'params.progressToken'), valueAt(scanned, 'token')]).toEqual([8, 9]);
    expect([textAt(scanned, 'clientInfo'), scanned.find('logLevel')]).toEqual(['{"name":"c"}', undefined]);
  });

  test.each(['[{"_meta":{"progressToken":1}}]', '"text"', 'null'])(
    'takes parameters %s for none',
    (params) => {
      const scanned = scanMessage(frame(`{"id":1,"method":"x","params":${params}}`));
      expect(scanned?.find('token')).toBeUndefined();
      expect(scanned?.id).toBe(1);
    },
  );

  test('lists the members of its result, a key twice where it is there twice', () => {
    const scanned = scanMessage(frame('{"id":1,"result":{"a":{"b":[1]},"isError":true,"isError":false}}'));
    if (scanned === undefined) throw new Error('rejected');
    expect(scanned.result?.map((member) => [member.key, textOf(scanned, member)])).toEqual([
      ['a', '{"b":[1]}'],
      ['isError', 'true'],
      ['isError', 'false'],
    ]);
  });

  test.each(['[1]', '{"a" 1}', '{"a":1,}'])(
    'passes with the result %s, which has no members that can be read',
    (result) => {
      const scanned = scanMessage(frame(`{"id":1,"result":${result}}`));
      expect([scanned?.id, scanned?.result]).toEqual([1, undefined]);
    },
  );
});

test('values are replaced in any order, and everything else stays byte for byte', () => {
  const text = '{ "params":{"_meta":{"progressToken":"ä"} , "n":1e400}, "id":"ü", "method":"x"}';
  const scanned = scanMessage(frame(text));
  if (scanned === undefined) throw new Error('rejected');
  const replaced = replaceValues(scanned, 12, [
    { place: 'id', text: '12' },
    { place: 'subscription', text: '13' },
    { place: 'token', text: '"ö"' },
  ]);
  expect(Buffer.from(replaced.bytes).toString()).toBe(text.replace('"ü"', '12').replace('"ä"', '"ö"'));
  expect([replaced.kind, replaced.id, replaced.method]).toEqual(['request', 12, 'x']);
});
