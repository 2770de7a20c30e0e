/** `Mcp-Param-*`: what a tool's parameters are repeated in, once the tool was listed. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createParameterHeaders } from '../../../src/downstream/http/admit/parameter-headers.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import { post, type Answer } from '../../support/http.ts';
import type { Json } from '../../support/json.ts';
import { mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { expectFault, listen, type Harness } from './listener.ts';

const REGION = { type: 'string', 'x-mcp-header': 'Region' };
const LIMIT = { type: 'integer', 'x-mcp-header': 'Limit' };
const QUERY = toolOf('query', {
  region: REGION,
  text: { type: 'string' },
  page: { type: 'object', properties: { limit: LIMIT } },
  dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
});
const MISMATCH = { status: 400, code: -32_020, id: 7, reason: 'header_mismatch' };

function toolOf(name: string, properties: Json): Json {
  return { name, inputSchema: { type: 'object', properties } };
}

/** Sends a request, and has its answer sent when it comes. */
async function exchange(
  harness: Harness,
  message: Json,
  result: Json,
  headers: Record<string, string> = {},
  path = '/mcp',
): Promise<Answer> {
  const count = harness.accepted.length;
  const answer = post(harness.url + path, message, { ...mirroredHeaders(message), ...headers });
  await expect.poll(async () => harness.accepted.length > count || (await settled(answer))).toBe(true);
  void harness.accepted[count]?.send({ id: 7, result });
  return await answer;
}

function settled(answer: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    answer.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(resolve, false)),
  ]);
}

async function list(
  harness: Harness,
  tools: unknown,
  headers?: Record<string, string>,
  path?: string,
): Promise<void> {
  const answer = await exchange(harness, modernRequest('tools/list', 7), { tools }, headers, path);
  expect(answer.status).toBe(200);
}

function call(
  harness: Harness,
  args: Json,
  headers?: Record<string, string>,
  name = 'query',
  path?: string,
): Promise<Answer> {
  return exchange(harness, modernRequest('tools/call', 7, { name, arguments: args }), {}, headers, path);
}

describe('a call of a tool that was listed', () => {
  it.each<[title: string, args: Json, headers: Record<string, string>]>([
    ['repeats a text', { region: 'us-west1' }, { 'mcp-param-region': 'us-west1' }],
    ['repeats it in base64', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8=?=' }],
    [
      'repeats what only looks encoded',
      { region: '=?base64?SGVsbG8=' },
      { 'mcp-param-region': '=?base64?SGVsbG8=' },
    ],
    ['repeats an empty text', { region: '' }, { 'mcp-param-region': '' }],
    ['repeats a number', { page: { limit: 42 } }, { 'mcp-param-limit': '42' }],
    ['repeats a number written otherwise', { page: { limit: 42 } }, { 'mcp-param-limit': '42.0' }],
    ['repeats a large number', { page: { limit: 2 ** 60 } }, { 'mcp-param-limit': String(2 ** 60) }],
    ['repeats a boolean', { dry: false }, { 'mcp-param-dry': 'false' }],
    ['has nothing to repeat', { text: 'x' }, {}],
    ['does not repeat null', { region: null }, {}],
    ['does not repeat another type', { region: { a: 1 }, page: 'x' }, {}],
    ['has a header that nobody knows', {}, { 'mcp-param-other': 'x' }],
  ])('%s', async (_title, args, headers) => {
    const harness = await listen({ silent: true });
    await list(harness, [QUERY]);
    expect((await call(harness, args, headers)).status).toBe(200);
  });

  it.each<[title: string, args: Json, headers: Record<string, string>]>([
    ['lacks a header', { region: 'us-west1' }, {}],
    ['says something else', { region: 'us-west1' }, { 'mcp-param-region': 'us-east1' }],
    ['says it in other letters', { region: 'us-west1' }, { 'mcp-param-region': 'US-WEST1' }],
    ['says another number', { page: { limit: 42 } }, { 'mcp-param-limit': '43' }],
    ['says no number', { page: { limit: 42 } }, { 'mcp-param-limit': '0x2a' }],
    ['says another boolean', { dry: true }, { 'mcp-param-dry': 'True' }],
    ['says what the body does not', {}, { 'mcp-param-region': 'us-west1' }],
    ['says what the body denies', { region: null }, { 'mcp-param-region': 'null' }],
    ['says a text for a list', { region: ['us-west1'] }, { 'mcp-param-region': 'us-west1' }],
    ['says a text for an object', { region: { a: 1 } }, { 'mcp-param-region': 'us-west1' }],
    ['says an integer for a fraction', { page: { limit: 1.5 } }, { 'mcp-param-limit': '1' }],
    ['says another large number', { page: { limit: 2 ** 60 } }, { 'mcp-param-limit': '1' }],
    ['is not well-formed', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }],
  ])('is refused if it %s', async (_title, args, headers) => {
    const harness = await listen({ silent: true });
    await list(harness, [QUERY]);
    expectFault(await call(harness, args, headers), MISMATCH);
  });

  it('keeps to the newest list', async () => {
    const harness = await listen({ silent: true });
    await list(harness, [QUERY]);
    await list(harness, [toolOf('query', { region: { type: 'string' } })]);
    expect((await call(harness, { region: 'x' })).status).toBe(200);
    await list(harness, [toolOf('query', { text: REGION })]);
    expectFault(await call(harness, { text: 'x' }), MISMATCH);
  });

  it('keeps to nothing if the annotations are wrong', async () => {
    const harness = await listen({ silent: true });
    await list(harness, [toolOf('query', { region: REGION, again: REGION })]);
    expect((await call(harness, { region: 'x' })).status).toBe(200);
  });
});

it('reads arguments of 4 MB once for a tool with 1,000 headers', () => {
  const headers = createParameterHeaders();
  const names = Array.from({ length: 1_000 }, (_, index) => `p${index}`);
  const properties = Object.fromEntries(
    names.map((name) => [name, { type: 'string', 'x-mcp-header': name }]),
  );
  headers.learn('', '', frameOf({ id: 1, result: { tools: [toolOf('wide', properties)] } }));
  const args = Object.fromEntries(Array.from({ length: 300_000 }, (_, index) => [`key ${index}`, 1]));
  const params = { name: 'wide', arguments: { ...args, p7: 'x' } };
  const call = frameOf({ id: 2, method: 'tools/call', params });
  headers.require('', '', call, { 'mcp-param-p7': 'x' });
  expect(() => headers.require('', '', call, {})).toThrow('mcp-param-p7 is required');
});

describe('what a list says', () => {
  it('is for its server and its principal', async () => {
    const tokens = ['one', 'two'].map((token) => createHash('sha256').update(token).digest());
    const harness = await listen({ silent: true, servers: ['a', 'b'], tokens });
    const one = { authorization: 'Bearer one' };
    await list(harness, [QUERY], one, '/a/mcp');
    expectFault(await call(harness, { region: 'x' }, one, 'query', '/a/mcp'), MISMATCH);
    expect((await call(harness, { region: 'x' }, one, 'query', '/b/mcp')).status).toBe(200);
    const two = { authorization: 'Bearer two' };
    expect((await call(harness, { region: 'x' }, two, 'query', '/a/mcp')).status).toBe(200);
  });

  it('is for that tool, whatever its name', async () => {
    const harness = await listen({ silent: true });
    await list(harness, [toolOf('__proto__', { region: REGION })]);
    expectFault(await call(harness, { region: 'x' }, {}, '__proto__'), MISMATCH);
    expect((await call(harness, { region: 'x' }, {}, 'constructor')).status).toBe(200);
  });

  it.each([
    ['no list', { a: 1 }],
    ['no tools', [null, 1, 'x', {}, { name: 1 }, { name: 'query' }, { name: 'query', inputSchema: 'x' }]],
  ])('may be %s', async (_title, tools) => {
    const harness = await listen({ silent: true });
    await list(harness, tools);
    expect((await call(harness, { region: 'x' })).status).toBe(200);
  });

  it('is bounded', async () => {
    const harness = await listen({ silent: true });
    const many = Array.from({ length: 1_001 }, (_, index) => toolOf(`tool${index}`, { region: REGION }));
    await list(harness, many);
    expect((await call(harness, { region: 'x' }, {}, 'tool0')).status).toBe(200);
    expectFault(await call(harness, { region: 'x' }, {}, 'tool1000'), MISMATCH);
  });
});
