import { describe, expect, it } from 'vitest';
import { isRunError } from '../../src/errors.ts';
import { parseFrame, peekFrame, type Frame } from '../../src/protocol/frame.ts';
import { fuzz } from '../support/fuzz.ts';
import { createRandom, type Random } from '../support/random.ts';

/** Lines as the SDKs write them. `peeked`: whether this shape must be read without parsing the whole line. */
const SHAPES: [title: string, line: string, peeked: boolean][] = [
  [
    'TypeScript v1 result',
    '{"result":{"content":[{"type":"text","text":"x"}]},"jsonrpc":"2.0","id":1}',
    true,
  ],
  ['TypeScript v1 empty result', '{"result":{},"jsonrpc":"2.0","id":0}', true],
  [
    'TypeScript v1 error (id in the middle)',
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
    true,
  ],
  ['TypeScript v1 request', '{"method":"roots/list","jsonrpc":"2.0","id":3}', true],
  [
    'TypeScript v1 request with params',
    '{"method":"sampling/createMessage","params":{"messages":[]},"jsonrpc":"2.0","id":3}',
    true,
  ],
  [
    'TypeScript v1 notification',
    '{"method":"notifications/message","params":{"level":"info","data":"x"},"jsonrpc":"2.0"}',
    true,
  ],
  ['TypeScript v1 bare notification', '{"method":"notifications/tools/list_changed","jsonrpc":"2.0"}', true],
  ['TypeScript v2 result', '{"jsonrpc":"2.0","id":12,"result":{"tools":[]}}', true],
  ['Python compact result', '{"jsonrpc":"2.0","id":7,"result":{"a":[1,2]}}', true],
  [
    'Python compact request',
    '{"method":"elicitation/create","params":{"message":"?"},"jsonrpc":"2.0","id":0}',
    true,
  ],
  [
    'Python compact notification',
    '{"method":"notifications/progress","params":{"progress":1.0},"jsonrpc":"2.0"}',
    true,
  ],
  ['Python result with spaces', '{"jsonrpc": "2.0", "id": 7, "result": {"a": 1}}', true],
  ['Python error with spaces', '{"jsonrpc": "2.0", "id": "k", "error": {"code": -1, "message": "m"}}', true],
  ['Python request with spaces', '{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {}}', true],
  ['Go result', '{"jsonrpc":"2.0","id":4,"result":{"capabilities":{}}}', true],
  ['Go request', '{"jsonrpc":"2.0","id":4,"method":"ping","params":{}}', true],
  ['Go request without params', '{"jsonrpc":"2.0","id":4,"method":"ping"}', true],
  ['Go notification', '{"jsonrpc":"2.0","method":"notifications/message","params":{}}', true],
  ['Rust result', '{"jsonrpc":"2.0","id":2,"result":{"content":[]}}', true],
  ['Rust error', '{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"m"}}', true],
  [
    'Rust notification',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    true,
  ],
  ['string id', '{"jsonrpc":"2.0","id":"b5f6a9f0-90c8","result":{}}', true],
  ['string id at the end', '{"result":{},"jsonrpc":"2.0","id":"b5f6a9f0-90c8"}', true],
  ['empty string id', '{"jsonrpc":"2.0","id":"","result":{}}', true],
  ['string id with escapes', String.raw`{"jsonrpc":"2.0","id":"a\"b\\","result":{}}`, false],
  ['string id with escapes at the end', String.raw`{"result":{},"jsonrpc":"2.0","id":"a\"b\u00e4"}`, false],
  ['string id outside ASCII', '{"jsonrpc":"2.0","id":"zwölf 十二","result":{}}', false],
  ['string id outside ASCII at the end', '{"result":{},"jsonrpc":"2.0","id":"🐕"}', false],
  ['method outside ASCII', '{"jsonrpc":"2.0","method":"notifications/zwölf"}', false],
  ['id of 16 digits', '{"jsonrpc":"2.0","id":9007199254740991,"result":{}}', false],
  ['id past 2^53', '{"result":{},"jsonrpc":"2.0","id":12345678901234567890}', false],
  ['negative id', '{"jsonrpc":"2.0","id":-1,"result":{}}', false],
  ['fractional id', '{"result":{},"jsonrpc":"2.0","id":1.5}', false],
  ['id of exponent', '{"jsonrpc":"2.0","id":1e2,"result":{}}', false],
  ['very long id', `{"jsonrpc":"2.0","id":"${'x'.repeat(300)}","result":{}}`, false],
  ['very long method', `{"jsonrpc":"2.0","method":"${'x'.repeat(300)}"}`, false],
  ['id before the version', '{"id":1,"jsonrpc":"2.0","result":{}}', false],
  ['id after the result', '{"jsonrpc":"2.0","result":{},"id":5}', false],
  ['id before the version at the end', '{"result":{},"id":5,"jsonrpc":"2.0"}', false],
  ['text id before the version at the end', '{"result":{},"id":"five","jsonrpc":"2.0"}', false],
  ['null result', '{"jsonrpc":"2.0","id":1,"result":null}', false],
  ['array result', '{"jsonrpc":"2.0","id":1,"result":[]}', false],
  ['trailing white space', '{"result":{},"jsonrpc":"2.0","id":5} ', false],
  ['tabs between members', '{"jsonrpc":"2.0",\t"id":5,"result":{}}', false],
  ['white space before the last brace', '{"result":{},"jsonrpc":"2.0","id":5 }', false],
  ['error with a null id', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}', false],
  ['error without an id', '{"jsonrpc":"2.0","error":{"code":1,"message":""}}', false],
  ['members after the result', '{"jsonrpc":"2.0","id":1,"result":{},"x":{"jsonrpc":"2.0","id":9}}', true],
];

/** Requests whose id stands where a glance at one end of the line does not see it. */
const HIDDEN_IDS = [
  '{"jsonrpc":"2.0","method":"roots/list","id":5}',
  '{"jsonrpc":"2.0","method":"roots/list","params":{},"id":5}',
  '{"jsonrpc": "2.0", "method": "roots/list", "params": {}, "id": "five"}',
  '{"method":"roots/list","id":5,"params":{},"jsonrpc":"2.0"}',
  '{"method":"roots/list","params":{},"id":"five","jsonrpc":"2.0"}',
];

/** Lines in which something nested looks like the end or the start of a message. */
const IMITATIONS = [
  String.raw`{"result":{"text":"},\"jsonrpc\":\"2.0\",\"id\":5}"},"jsonrpc":"2.0","id":1}`,
  String.raw`{"jsonrpc":"2.0","id":1,"result":{"text":"\"},\"jsonrpc\":\"2.0\",\"id\":5}"}}`,
  '{"result":{"x":{"jsonrpc":"2.0","id":5}},"jsonrpc":"2.0","id":1}',
  '{"jsonrpc":"2.0","id":1,"result":{"x":{"y":[],"jsonrpc":"2.0","id":5}}}',
  '{"jsonrpc":"2.0","method":"notifications/message","params":{"id":5,"data":{}}}',
  '{"method":"notifications/message","params":{"data":{"a":[],"jsonrpc":"2.0","id":5}},"jsonrpc":"2.0"}',
  '{"method":"notifications/message","params":{"data":[{},"jsonrpc","2.0","id",5]},"jsonrpc":"2.0"}',
  '{"x":{"result":{},"jsonrpc":"2.0","id":5},"jsonrpc":"2.0","id":1,"result":{}}',
  '{"result":{},"x":{"a":{},"jsonrpc":"2.0","id":5},"jsonrpc":"2.0","id":1}',
  String.raw`{"jsonrpc":"2.0","method":"a","params":{"s":"\\\"},\"id\":5"}}`,
];

describe('reads what the whole line says', () => {
  it.each(SHAPES)('%s', (_title, line) => agree(line));
  it.each(HIDDEN_IDS)('of a request with its id elsewhere: %s', agree);
  it.each(IMITATIONS)('of %s', agree);
});

it('does not parse the lines of the known SDKs', () => {
  // A gap in the middle breaks the JSON and leaves both ends as they are: only a whole parse notices.
  const parsed = SHAPES.filter(([, line, peeked]) => peeked && isParsed(line)).map(([title]) => title);
  expect(parsed).toEqual([]);
});

describe('of lines that the ends cannot vouch for', () => {
  it.each([
    '{"result":{},"jsonrpc":"2.0","id":5}}',
    '{"result":{}',
    'Server started',
    '{"level":"info"}',
    '',
  ])('refuses %j', (line) => {
    expect(outcome(() => peekFrame(Buffer.from(line)))).toBe(outcome(() => parseFrame(Buffer.from(line))));
  });

  it('says so when a message with sound ends is read after all', () => {
    const frame = peekFrame(Buffer.from('{"result":{broken},"jsonrpc":"2.0","id":5}'));
    expect(frame.id).toBe(5);
    expect(outcome(() => frame.message)).toBe('PARSE_ERROR');
  });
});

it('makes one line of a message with a CR between members', () => {
  const line = '{"jsonrpc":"2.0","id":1,\r"result":{"n":12345678901234567890}}';
  expect(Buffer.from(peekFrame(Buffer.from(line)).bytes).toString()).toBe(line.replace('\r', ' '));
});

describe('property', () => {
  const { seed, numRuns } = fuzz(4_000);
  it(`agrees with the parser on generated messages (seed ${seed})`, () => {
    const random = createRandom(seed);
    for (let count = 0; count < numRuns; count += 1) agree(generate(random));
  });
});

function agree(line: string): void {
  const bytes = Buffer.from(line);
  expect({ line, ...identityOf(peekFrame(bytes)) }).toEqual({ line, ...identityOf(parseFrame(bytes)) });
}

function identityOf({ kind, id, method }: Frame): object {
  return { kind, id, method };
}

function isParsed(line: string): boolean {
  const open = line.search(/"(?:result|error|params)": ?\{/);
  if (open === -1) return false;
  const brace = line.indexOf('{', open);
  return (
    outcome(() => peekFrame(Buffer.from(`${line.slice(0, brace + 1)}!${line.slice(brace + 1)}`))) !== 'fine'
  );
}

function outcome(act: () => unknown): string {
  try {
    act();
    return 'fine';
  } catch (error) {
    if (!isRunError(error)) throw error;
    return error.code;
  }
}

/** A message with its members in any order, written in one of the ways of JSON writers. */
function generate(random: Random): string {
  const id = (): string =>
    JSON.stringify(random.pick([0, 1, 99, -3, 1.5, 2 ** 53, '', 'a', 'ä', 'a"b', 'x'.repeat(120)]));
  const kind = random.integer(4);
  const members: [string, string][] = [['jsonrpc', '"2.0"']];
  if (kind === 0) members.push(['id', id()], ['result', object(random)]);
  if (kind === 1) members.push(['id', id()], ['error', '{"code":-1,"message":"m"}']);
  if (kind === 2) members.push(['id', id()]);
  if (kind >= 2) {
    members.push([
      'method',
      JSON.stringify(random.pick(['ping', 'notifications/message', 'ünknown', 'a\\b', ''])),
    ]);
    if (random.integer(2) === 0) members.push(['params', object(random)]);
  }
  if (random.integer(4) === 0) members.push(['x', object(random)]);
  const [comma, colon] = random.pick([
    [',', ':'],
    [', ', ': '],
    [',\n', ':'],
    [',\r\n ', ' : '],
  ]);
  const text = shuffle(random, members).map(([key, value]) => `"${key}"${colon}${value}`);
  return `{${text.join(comma)}}${random.pick(['', '', '', ' '])}`;
}

function object(random: Random): string {
  const value = random.pick([
    '{}',
    '{"id":5}',
    '{"jsonrpc":"2.0","id":5}',
    String.raw`{"text":"},\"jsonrpc\":\"2.0\",\"id\":5}"}`,
    '{"a":[1,2,{"result":{},"jsonrpc":"2.0","id":5}]}',
    '{"method":"ping","jsonrpc":"2.0"}',
    '{"text":"十二"}',
  ]);
  return random.integer(3) === 0 ? `{"inner":${value},"jsonrpc":"2.0","id":5}` : value;
}

function shuffle<T>(random: Random, values: readonly T[]): T[] {
  const left = [...values];
  return values.map(() => left.splice(random.integer(left.length), 1)[0] as T);
}
