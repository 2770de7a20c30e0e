import { describe, expect, it } from 'vitest';
import {
  longAnswerTo,
  longRequestId,
  refusedId,
  unreadableAnswerTo,
  unreadableRequestId,
} from '../../src/protocol/outline.ts';
import type { RequestId } from '../../src/protocol/request-id.ts';

describe('the request that an over-long line answers', () => {
  it.each([
    ['at the start', '{"jsonrpc":"2.0","id":7,"result":{"text":"…', '…"}}', 7],
    ['at the end', '{"result":{"text":"…', '…"},"jsonrpc":"2.0","id":"seven"}', 'seven'],
    ['of an error', '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"…', '…"}}', 7],
    [
      'that is a request itself',
      '{"jsonrpc":"2.0","id":7,"method":"roots/list","params":{"…',
      '…"}}',
      undefined,
    ],
    [
      'that is a notification',
      '{"method":"notifications/message","params":{"…',
      '…"},"jsonrpc":"2.0"}',
      undefined,
    ],
    ['in an order of its own', '{"id":7,"jsonrpc":"2.0","result":{"text":"…', '…"}}', 7],
    ['in another order at the end', '{"result":{"text":"…', '…"} , "id": 7, "jsonrpc": "2.0" }', 7],
    [
      'with a large id',
      '{"error":{"message":"…',
      '…"},"jsonrpc":"2.0","id":1767000000123456789}',
      1767000000123456789n,
    ],
    ['that only what is nested seems to name', '{"result":{"text":"…', '…","id":7}}', undefined],
    ['that a line of a log names', '{"level":"info","id":7,"msg":"…', '…"}', undefined],
    ['that a line of a log names last', '{"level":"info","msg":"…', '…","id":7}', undefined],
    ['that is named twice', '{"jsonrpc":"2.0","id":7,"result":{"text":"…', '…"},"id":8}', undefined],
    ['that is no message', 'xxxxxxxx', 'xxxxxxxx', undefined],
  ])('%s', (_title, head, tail, id) => {
    expect(longAnswerTo({ head: Buffer.from(head), tail: Buffer.from(tail) })).toBe(id);
  });
});

it('the id of an over-long request is known from its ends', () => {
  const ends = (head: string, tail: string): RequestId | undefined =>
    longRequestId({ head: Buffer.from(head), tail: Buffer.from(tail) });
  expect(ends('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"…', '…"}}')).toBe(7);
  expect(ends('{"params":{"…', '…"},"method":"tools/call","jsonrpc":"2.0","id":"a"}')).toBe('a');
  expect(ends('{"jsonrpc":"2.0","id":7,"result":{"…', '…"}}')).toBeUndefined();
  expect(ends('{"jsonrpc":"2.0","method":"n","params":{"…', '…","id":7}}')).toBeUndefined();
});

/** All orders of these members of an object. */
function orders(members: readonly string[]): string[] {
  if (members.length < 2) return [`{${members.join(',')}}`];
  return members.flatMap((member, index) =>
    orders(members.toSpliced(index, 1)).map((rest) =>
      rest === '{}' ? `{${member}}` : `{${member},${rest.slice(1)}`,
    ),
  );
}

const VERSION = '"jsonrpc":"2.0"';

describe('the request that an unreadable line answers', () => {
  const rows: [title: string, members: string[]][] = [
    ['bad UTF-8', [VERSION, '"id":7', '"result":{"text":"\xff"}']],
    ['a raw control character', [VERSION, '"id":7', '"result":{"text":"a\u0001b"}']],
    ['no "jsonrpc"', ['"id":7', '"result":{}']],
    ['another "jsonrpc"', ['"jsonrpc":"1.0"', '"id":7', '"result":{}']],
    ['an error that is a text', [VERSION, '"id":7', '"error":"text"']],
    [
      'an error that is a text, and a result that is null',
      [VERSION, '"id":7', '"error":"text"', '"result":null'],
    ],
    ['an error that is null', [VERSION, '"id":7', '"error":null']],
    ['a null "method"', [VERSION, '"id":7', '"method":null', '"result":{}']],
    ['no outcome', [VERSION, '"id":7']],
    ['a number that is none', [VERSION, '"id":7', '"result":{"n":NaN}']],
    ['a result that is none', [VERSION, '"id":7', '"result":NaN']],
    ['brackets that do not match', [VERSION, '"id":7', '"result":{"content":[1,2}']],
    ['a result twice', [VERSION, '"id":7', '"result":{}', '"result":{}']],
    ['a null result and no "jsonrpc"', ['"id":7', '"result":null']],
  ];
  it.each(rows)('%s, in any order of the keys', (_title, members) => {
    for (const line of orders(members)) {
      expect([line, unreadableAnswerTo(Buffer.from(line, 'latin1'))]).toEqual([line, 7]);
      expect([line, unreadableAnswerTo(Buffer.from(line.replaceAll(',', ' , '), 'latin1'))]).toEqual([
        line,
        7,
      ]);
    }
  });

  it('is known of a line that ends in the middle', () => {
    expect(unreadableAnswerTo(Buffer.from('{"id":7,"jsonrpc":"2.0","result":{"text":"first line'))).toBe(7);
  });

  it('is known of a whole object that was several lines', () => {
    const whole = Buffer.from('{"result":{"text":"one two"},"id":7,"jsonrpc":"2.0"}');
    expect(unreadableAnswerTo(whole, true)).toBe(7);
    expect(unreadableAnswerTo(whole.subarray(0, -1), true)).toBeUndefined();
  });

  it.each([
    ['a line of a log with an id', '{"level":"info","id":7,"msg":"done"}'],
    ['a line of a log with an error', '{"level":"error","id":7,"error":"boom"}'],
    [
      'a line of a log with an error that is an object',
      '{"ts":1,"id":7,"error":{"code":1,"message":"boom"}}',
    ],
    ['a line of a log with a result', '{"event":"answered","id":7,"result":{"ok":true}}'],
    ['an id and nothing more', '{"id":7}'],
    ['an id and a text', '{"id":7,"error":"connection refused"}'],
    ['a line of a log with an error code of its own', '{"id":7,"error":{"code":"EBUSY"}}'],
    ['a request', '{"jsonrpc":"2.0","id":7,"method":"ping","params":null}'],
    ['a request whose method is cut off', '{"jsonrpc":"2.0","id":7,"params":{"text":"line'],
    ['a request that is cut off in its method', '{"jsonrpc":"2.0","id":7,"meth'],
    ['a nested id', '{"jsonrpc":"2.0","result":{"id":7}}'],
    ['an id that is none', '{"jsonrpc":"2.0","id":null,"result":{}}'],
    ['two ids', '{"jsonrpc":"2.0","id":7,"id":8,"result":{"text":"\u0001"}}'],
    ['a message behind other text', 'sent {"jsonrpc":"2.0","id":7,"result":{}}'],
    ['an array', '["jsonrpc",7]'],
    ['nothing', ''],
  ])('is not known of %s', (_title, line) => {
    expect(unreadableAnswerTo(Buffer.from(line))).toBeUndefined();
  });
});

describe('the id of a request that is refused unread', () => {
  it.each<[line: string, id: RequestId | undefined]>([
    ['{"jsonrpc":"2.0","id":7,"method":"ping","params":null}', 7],
    ['{"id":"a","method":"ping"}', 'a'],
    ['{"jsonrpc":"2.0","id":7,"method":3}', 7],
    ['{"jsonrpc":"2.0","id":7}', 7],
    ['{"jsonrpc":"1.0","id":1767000000123456789,"method":"ping"}', 1767000000123456789n],
    ['{"jsonrpc":"2.0","id":7,"method":"x","params":{"text":"\u0001"}}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"x","params":{"n":NaN}}', 7],
    ['{"jsonrpc":"2.0","method":"ping","params":null}', undefined],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', undefined],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', undefined],
    ['{"jsonrpc":"2.0","id":7,"id":8,"method":"ping","params":null}', undefined],
    ['{"id":7,"result":{}}', undefined],
    ['{"jsonrpc":"2.0","id":7,"method":"x","params":{', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"x","params":NaN}', 7],
    ['{"jsonrpc":"2.0","id":7,"method":"x",}', 7],
    ['\uFEFF{"jsonrpc":"2.0","id":7,"method":"x"}', 7],
    ['{"jsonrpc":"2.0","id":7,', undefined],
    ['[]', undefined],
  ])('of %s', (line, id) => {
    expect(refusedId(Buffer.from(line))).toBe(id);
  });

  it('of a server is that of what says it is a message', () => {
    expect(unreadableRequestId(Buffer.from('{"jsonrpc":"2.0","id":7,"method":"ping","params":null}'))).toBe(
      7,
    );
    expect(unreadableRequestId(Buffer.from('{"id":7,"method":"GET"}'))).toBeUndefined();
    expect(unreadableRequestId(Buffer.from('{"jsonrpc":"2.0","id":7,"result":null}'))).toBeUndefined();
  });
});
