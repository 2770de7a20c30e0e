import { describe, expect, it } from 'vitest';
import { isRunError, type ErrorCode } from '../../src/errors.ts';
import { frameOf, parseBody, parseFrame, type Frame } from '../../src/protocol/frame.ts';

describe('accepts', () => {
  const rows: [title: string, text: string, expected: object][] = [
    ['a request', '{"jsonrpc":"2.0","id":1,"method":"ping"}', { kind: 'request', id: 1, method: 'ping' }],
    [
      'a request with params',
      '{"jsonrpc":"2.0","id":"a","method":"x","params":{}}',
      { kind: 'request', id: 'a' },
    ],
    ['an id of 0', '{"jsonrpc":"2.0","id":0,"method":"x"}', { kind: 'request', id: 0 }],
    ['an empty id', '{"jsonrpc":"2.0","id":"","method":"x"}', { kind: 'request', id: '' }],
    ['a negative id', '{"jsonrpc":"2.0","id":-7,"method":"x"}', { kind: 'request', id: -7 }],
    ['a fractional id', '{"jsonrpc":"2.0","id":1.5,"method":"x"}', { kind: 'request', id: 1.5 }],
    ['an escaped id', String.raw`{"jsonrpc":"2.0","id":"\u00e4\"\\","method":"x"}`, { id: 'ä"\\' }],
    ['a notification', '{"jsonrpc":"2.0","method":"n"}', { kind: 'notification', method: 'n' }],
    ['a result', '{"jsonrpc":"2.0","id":1,"result":{}}', { kind: 'response', id: 1 }],
    ['a null result', '{"jsonrpc":"2.0","id":1,"result":null}', { kind: 'response', id: 1 }],
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}', { kind: 'response', id: 1 }],
    [
      'an error with a null id',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":""}}',
      { kind: 'response' },
    ],
    ['an error without an id', '{"jsonrpc":"2.0","error":{"code":-1,"message":""}}', { kind: 'response' }],
    ['unknown members', '{"jsonrpc":"2.0","method":"n","x-more":[1]}', { kind: 'notification' }],
    ['white space around it', '  {"jsonrpc":"2.0","method":"n"}\t', { kind: 'notification' }],
    [
      'a member named __proto__',
      '{"jsonrpc":"2.0","method":"n","__proto__":{"id":1}}',
      { kind: 'notification' },
    ],
  ];

  it.each(rows)('%s', (_title, text, expected) => {
    expect(parseFrame(Buffer.from(text))).toMatchObject(expected);
  });

  it('has no id on a notification, on an error with a null id, and no method on a response', () => {
    const texts = [
      '{"jsonrpc":"2.0","method":"n"}',
      '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
    ];
    for (const text of texts) expect('id' in parseFrame(Buffer.from(text))).toBe(false);
    expect('method' in parseFrame(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}'))).toBe(false);
  });

  it('keeps the bytes it was given', () => {
    const bytes = Buffer.from(
      '{ "jsonrpc":"2.0",  "method":"n", "params":{"n":12345678901234567890, "e":1.50} }',
    );
    expect(parseFrame(bytes).bytes).toBe(bytes);
  });
});

describe('refuses', () => {
  const rows: [title: string, text: string | Buffer, code: ErrorCode][] = [
    ['nothing', '', 'PARSE_ERROR'],
    ['white space', ' \n', 'PARSE_ERROR'],
    ['half a message', '{"jsonrpc":"2.0","id":1', 'PARSE_ERROR'],
    ['two messages', '{"jsonrpc":"2.0","method":"n"}{"jsonrpc":"2.0","method":"n"}', 'PARSE_ERROR'],
    ['a byte order mark', '\uFEFF{"jsonrpc":"2.0","method":"n"}', 'PARSE_ERROR'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'PARSE_ERROR'],
    ['UTF-8 cut in the middle of a character', Buffer.from('{"a":"ä').subarray(0, 7), 'PARSE_ERROR'],
    ['a raw line break in a string', '{"jsonrpc":"2.0","method":"a\nb"}', 'PARSE_ERROR'],
    ['a scalar', '42', 'INVALID_REQUEST'],
    ['null', 'null', 'INVALID_REQUEST'],
    ['a string', '"ping"', 'INVALID_REQUEST'],
    ['a batch', '[{"jsonrpc":"2.0","method":"n"}]', 'INVALID_REQUEST'],
    ['an empty object', '{}', 'INVALID_REQUEST'],
    ['no jsonrpc', '{"id":1,"method":"x"}', 'INVALID_REQUEST'],
    ['jsonrpc 1.0', '{"jsonrpc":"1.0","id":1,"method":"x"}', 'INVALID_REQUEST'],
    ['jsonrpc as a number', '{"jsonrpc":2.0,"id":1,"method":"x"}', 'INVALID_REQUEST'],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"x"}', 'INVALID_REQUEST'],
    ['an object as id', '{"jsonrpc":"2.0","id":{},"method":"x"}', 'INVALID_REQUEST'],
    ['a boolean as id', '{"jsonrpc":"2.0","id":true,"method":"x"}', 'INVALID_REQUEST'],
    ['an infinite id', '{"jsonrpc":"2.0","id":1e999,"method":"x"}', 'INVALID_REQUEST'],
    ['a number as method', '{"jsonrpc":"2.0","id":1,"method":5}', 'INVALID_REQUEST'],
    ['a null method', '{"jsonrpc":"2.0","id":1,"method":null}', 'INVALID_REQUEST'],
    ['params by position', '{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', 'INVALID_REQUEST'],
    ['a string as params', '{"jsonrpc":"2.0","id":1,"method":"x","params":"p"}', 'INVALID_REQUEST'],
    ['an id alone', '{"jsonrpc":"2.0","id":1}', 'INVALID_REQUEST'],
    ['a result without an id', '{"jsonrpc":"2.0","result":{}}', 'INVALID_REQUEST'],
    ['a result with a null id', '{"jsonrpc":"2.0","id":null,"result":{}}', 'INVALID_REQUEST'],
    ['a string as error', '{"jsonrpc":"2.0","id":1,"error":"no"}', 'INVALID_REQUEST'],
  ];

  it.each(rows)('%s', (_title, text, code) => {
    expect(codeOf(() => parseFrame(Buffer.from(text as string)))).toBe(code);
  });

  it('names -32700 for what is no JSON and -32600 for what is no JSON-RPC', () => {
    expect(rpcCodeOf(() => parseFrame(Buffer.from('{')))).toBe(-32_700);
    expect(rpcCodeOf(() => parseFrame(Buffer.from('{}')))).toBe(-32_600);
  });
});

describe('one line', () => {
  it('puts a space in place of CR and LF, and keeps big numbers and the order of keys', () => {
    const text =
      '{\r\n  "z":1,\r\n  "jsonrpc":"2.0",\n "method":"n",\r "params":{"b":12345678901234567890,"2":1.0,"1":1e400}}';
    const { bytes } = parseFrame(Buffer.from(text));
    expect(Buffer.from(bytes).toString()).toBe(text.replaceAll(/[\r\n]/g, ' '));
  });

  it('leaves escaped line breaks alone', () => {
    const text = String.raw`{"jsonrpc":"2.0","method":"n","params":{"a":"x\r\ny"}}`;
    expect(Buffer.from(parseFrame(Buffer.from(`${text}\n`)).bytes).toString()).toBe(`${text} `);
  });

  it('does not change the buffer that it was given', () => {
    const bytes = Buffer.from('{"jsonrpc":"2.0",\n"method":"n"}');
    parseFrame(bytes);
    expect(bytes.includes(10)).toBe(true);
  });
});

describe('bodies', () => {
  it('splits a batch into frames', () => {
    const body = '[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"}]';
    const frames = parseBody(Buffer.from(body));
    expect(frames).toMatchObject([
      { kind: 'request', id: 1, method: 'a' },
      { kind: 'notification', method: 'b' },
    ]);
  });

  it('keeps the elements of a batch as they are written', () => {
    const elements = [
      String.raw`{"jsonrpc":"2.0","id":1,"method":"a","params":{"s":"],[{\\\"","n":12345678901234567890}}`,
      '{"jsonrpc":"2.0", "method":"zwölf", "params":{"x":[[],{},[1.0,{"y":"}"}]]}}',
      '{"jsonrpc":"2.0","id":"ä","result":{}}',
    ];
    const frames = parseBody(Buffer.from(`[${elements.join(',')}]`));
    expect((frames as Frame[]).map(({ bytes }) => String(bytes))).toEqual(elements);
  });

  it('takes a single message as it is', () => {
    const bytes = Buffer.from('{"jsonrpc":"2.0","method":"a"}');
    expect(parseBody(bytes)).toMatchObject({ kind: 'notification', bytes });
  });

  it('gives an empty batch as no frames', () => {
    expect(parseBody(Buffer.from('[]'))).toEqual([]);
  });

  it.each(['[1]', '[[]]', '[null]', '[{"jsonrpc":"2.0","method":"a"},{}]'])('refuses %s', (text) => {
    expect(codeOf(() => parseBody(Buffer.from(text)))).toBe('INVALID_REQUEST');
  });
});

it('makes frames of its own', () => {
  const frame = frameOf({ id: 'x', method: 'm', params: { a: 1 } });
  expect(frame).toMatchObject({ kind: 'request', id: 'x', method: 'm' });
  expect(Buffer.from(frame.bytes).toString()).toBe(
    '{"jsonrpc":"2.0","id":"x","method":"m","params":{"a":1}}',
  );
});

function codeOf(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!isRunError(error)) throw error;
    return error.code;
  }
}

function rpcCodeOf(act: () => unknown): number | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return isRunError(error) ? error.rpcCode : undefined;
  }
}
