import { describe, expect, it } from 'vitest';
import { isRunError } from '../../src/errors.ts';
import { parseClientBody, parseClientMessage } from '../../src/protocol/client-message.ts';

const HEAD = '"jsonrpc":"2.0"';
const CALL = '"method":"tools/call","params":{"name":"a"}';
const VERSION = '"io.modelcontextprotocol/protocolVersion"';

interface Refusal {
  readonly code: string;
  readonly id: unknown;
}

function refusalOf(read: () => unknown): Refusal | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!isRunError(error)) throw error;
    return { code: error.code, id: error.requestId };
  }
}

const AMBIGUOUS: readonly [text: string, id: unknown][] = [
  [`{${HEAD},"id":1,${CALL},"method":"ping"}`, 1],
  [`{${HEAD},"id":1,"method":"ping",${CALL}}`, 1],
  [`{${HEAD},${HEAD},"id":1,${CALL}}`, 1],
  [`{${HEAD},"id":1,${CALL},"Method":"ping"}`, 1],
  [`{${HEAD},"id":1,${CALL},"METHOD":"ping"}`, 1],
  [`{${HEAD},"id":1,${CALL},"Params":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"param\u017f":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"param\\u017f":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"\\u0070arams":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"\\u0050arams":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"params\\u0000":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"params\\u0000${'x'.repeat(100)}":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"JsonRpc":"2.0"}`, 1],
  [`{${HEAD},"id":1,${CALL},"re\u017fult":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"Error":{}}`, 1],
  [`{${HEAD},"id":1,${CALL},"__proto__":{},"__proto__":{}}`, 1],
  // None of them is certainly the id.
  [`{${HEAD},"id":1,${CALL},"id":2}`, undefined],
  [`{${HEAD},"id":1,${CALL},"Id":2}`, undefined],
  [`{${HEAD},"ID":1,${CALL}}`, undefined],
  [`{${HEAD},"\u0130d":1,${CALL},"id":2}`, undefined],
  [`{${HEAD},"\u0131d":1,${CALL}}`, undefined],
  [`{${HEAD},"\\u0049d":1,${CALL}}`, undefined],
  ...[
    '"name":"a","name":"b"',
    '"name":"a","Name":"b"',
    '"NAME":"b"',
    '"name":"a","n\\u0041me":"b"',
    '"name":"a","arguments":{},"arguments":{"x":1}',
    '"name":"a","Arguments":{}',
    '"name":"a","argument\u017f":{}',
    '"name":"a","ta\u017fk":{}',
    '"name":"a","tas\u212a":{}',
    '"name":"a","_meta":{},"_meta":{}',
    '"name":"a","_Meta":{}',
    '"name":"a","x":1,"x":2',
    '"name":"a","_meta":{"progressToken":1,"progressToken":2}',
    '"name":"a","_meta":{"progressToken":1,"ProgressToken":2}',
    '"name":"a","_meta":{"progressTo\u212aen":2}',
    `"name":"a","_meta":{${VERSION}:"2026-07-28",${VERSION}:"2025-11-25"}`,
    `"name":"a","_meta":{${VERSION}:"2026-07-28",${VERSION.toUpperCase()}:"2025-11-25"}`,
    `"name":"a","\\u005fmeta":{"x":1,"x":1}`,
  ].map((params): [string, unknown] => [`{${HEAD},"id":1,"method":"tools/call","params":{${params}}}`, 1]),
  [`{${HEAD},"id":1,"\\u0070arams":{"name":"a","name":"b"},"method":"tools/call"}`, 1],
  [`{${HEAD},"id":1,"method":"x/y","params":{"a":1,"a":1}}`, 1],
  [`{${HEAD},"id":1,"method":"prompts/get","params":{"name":"a","name":"b"}}`, 1],
  [`{${HEAD},"method":"notifications/cancelled","params":{"requestId":1,"RequestId":2}}`, undefined],
  [`{${HEAD},"method":"tools/call","Params":{"name":"a"}}`, undefined],
  [`{${HEAD},"id":1,"result":{},"Result":{}}`, undefined],
  [`{${HEAD},"id":1,${CALL},"result":{}}`, 1],
  [`{${HEAD},"id":1,"method":"ping","error":{"code":1,"message":"m"}}`, 1],
  [`{${HEAD},"method":"x/y","result":{}}`, undefined],
  [`{${HEAD},"id":1,"method":"Tools/Call","params":{"name":"a"}}`, 1],
  [`{${HEAD},"id":1,"method":"tools/call\\u0000","params":{"name":"a"}}`, 1],
  [`{${HEAD},"id":1,"method":"tool\\u017f/list"}`, 1],
  [`{${HEAD},"id":1,"method":"prompts/GET","params":{"name":"a"}}`, 1],
  [`{${HEAD},"id":1,"result":{},"Id":2}`, undefined],
];

describe('a message that servers may read in two ways', () => {
  it.each(AMBIGUOUS)('is refused: %s', (text, id) => {
    const refusal = { code: 'INVALID_REQUEST', id };
    expect(refusalOf(() => parseClientMessage(Buffer.from(text)))).toEqual(refusal);
    expect(refusalOf(() => parseClientBody(Buffer.from(text)))).toEqual(refusal);
    expect(refusalOf(() => parseClientBody(Buffer.from(`[${text}]`)))?.code).toBe('INVALID_REQUEST');
  });
});

describe('a message that all servers read alike is taken as it is', () => {
  it.each([
    `{${HEAD},"id":1,${CALL}}`,
    ` {\t"jsonrpc" : "2.0" ,"id":"Id", "method":"tools/call" , "params" : { "name" : "a" } } `,
    `{${HEAD},"id":1,${CALL},"extra":1,"ids":2,"Para":3,"\u212a":4,"":5,"\\u0000":6,"\\ud800":7}`,
    `{${HEAD},"id":1,${CALL},"__proto__":{"params":{"name":"b"}},"constructor":1}`,
    `{${HEAD},"id":1,"method":"tools/call","params":{"name":"a","arguments":{"Id":1,"id":2,"NAME":3,"params":{"x":1},"_meta":{}}}}`,
    `{${HEAD},"id":1,"method":"tools/call","params":{"arguments":{"params":{"_meta":{"a":1}},"_meta":{"b":1,"c":2}},"name":"a"}}`,
    `{${HEAD},"id":1,"method":"x/y","params":{"Name":1,"name":2,"URI":3,"uri":4}}`,
    `{${HEAD},"id":1,"method":"x/y","params":{"_meta":null}}`,
    `{${HEAD},"id":1,"\\u006dethod":"ping","params":{"_meta":{"a\\"b":"}","c":["{",{"_meta":{"d":1}}]}}}`,
    `{${HEAD},"id":1,"method":"ping","params":{}}`,
    `{${HEAD},"id":1,"method":"ping","result":null,"error":null}`,
    `{${HEAD},"id":1,"method":"x/Tools/Call"}`,
    `{${HEAD},"id":1,"result":{"Result":1,"id":2,"Id":3}}`,
    `{${HEAD},"id":1,"error":{"code":1,"message":"m","Code":2}}`,
  ])('%s', (text) => {
    expect(Buffer.from(parseClientMessage(Buffer.from(text)).bytes).toString()).toBe(text);
    expect(parseClientBody(Buffer.from(`[${text}, ${text}]`))).toHaveLength(2);
  });
});

describe('an array of 4 MB', () => {
  // Reading its elements one by one took minutes for some of these; the bound is that of the test.
  const SIZE = 4 * 1024 * 1024;
  const filled = (element: string): string => `[${`${element},`.repeat(SIZE / (element.length + 1))}1]`;
  it.each([
    ['numbers', filled('1')],
    ['objects', filled('{}')],
    ['arrays', filled('[]')],
    ['texts', filled('"\\""')],
    ['spaces', filled('     ')],
    ['messages', filled(`{${HEAD},"id":1,"method":"ping"}`)],
    ['arrays in each other', '['.repeat(SIZE)],
    ['objects in each other', `[${'{"a":'.repeat(SIZE / 5)}`],
    ['brackets that close nothing', `[{"a":${'['.repeat(SIZE / 2)}${'}'.repeat(SIZE / 2)}`],
    ['escaped quotes without an end', `["${'\\"'.repeat(SIZE / 2)}`],
  ])('of %s is refused', (_what, text) => {
    expect(refusalOf(() => parseClientBody(Buffer.from(text)))?.code).toMatch(
      /^(?:INVALID_REQUEST|PARSE_ERROR)$/,
    );
  });
});

describe('an object of 4 MB that is no message', () => {
  const SIZE = 4 * 1024 * 1024;
  const request = (rest: string): string => `{${HEAD},"id":7,"method":"ping",${rest}`;
  it.each([
    ['brackets that close nothing', request(`"a":${'['.repeat(SIZE / 2)}${'}'.repeat(SIZE / 2)}`)],
    ['braces that close nothing', request(`"a":${'{'.repeat(SIZE / 2)}${']'.repeat(SIZE / 2)}`)],
    ['mixed brackets', request(`"a":${'[{'.repeat(SIZE / 4)}${']}'.repeat(SIZE / 4)}`)],
    ['objects in each other', request('"params":{"a":'.repeat(SIZE / 14))],
    ['an open text', request(`"a":"${'\\"'.repeat(SIZE / 2)}`)],
    ['backslashes', request(`"a":"${'\\'.repeat(SIZE - 1)}"`)],
    ['keys twice', request(`${'"a":1,'.repeat(SIZE / 6)}"b":1}`)],
    ['spaces', request(`${' '.repeat(SIZE)}x`)],
  ])('with %s is refused under its id', (_what, text) => {
    expect(refusalOf(() => parseClientMessage(Buffer.from(text)))?.id).toBe(7);
  });
});

it('an array of any length is refused where batches are not supported', () => {
  for (const text of [
    '[]',
    `[{${HEAD},"method":"a"}]`,
    `[${'1,'.repeat(2_000_000)}1]`,
    '['.repeat(2_000_000) + ']'.repeat(2_000_000),
  ])
    expect(refusalOf(() => parseClientMessage(Buffer.from(text)))?.code).toBe('INVALID_REQUEST');
});

it('an array that is cut off is no JSON', () => {
  for (const text of ['['.repeat(4_000_000), '[1,'.concat('1,'.repeat(2_000_000))])
    expect(refusalOf(() => parseClientMessage(Buffer.from(text)))?.code).toBe('PARSE_ERROR');
});
