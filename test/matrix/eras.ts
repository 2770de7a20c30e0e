/** What is true instead of a row of the table where revision 2026-07-28 is in play. */
import { expect } from 'vitest';
import { callTool, RpcFailure, type TestClient } from '../support/clients.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import type { ModernClient } from '../support/modern.ts';
import type { RawClient } from '../support/raw-client.ts';
import type { RawModernClient } from '../support/raw-modern.ts';
import { envelope } from '../support/modern.ts';
import type { Context } from './behaviours.ts';
import { expectRpcError, initializeParamsOf, loggedBy } from './helpers.ts';

const KEY = 'io.modelcontextprotocol/';
const URI = 'fixture://watched';
const ROOT_LIST = [{ uri: 'file:///home/someone', name: 'home' }];
const DIGITS_JSON =
  '{"a":9007199254740993,"b":-123456789012345678901234567890,"c":1.0,"d":1e400,"e":0.10000000000000000555}';

const WITHOUT_SESSIONS = 'there are no sessions: every request says it again';
const PARTS = {
  capabilities: {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    logging: {},
    completions: {},
    experimental: { 'example.com/feature': { level: 9 } },
    extensions: { 'example.com/extension': { deep: [1, { two: 2 }] } },
    'example.com/unknown': { kept: true },
  },
  instructions: 'Behaves as told. Zwölf Boxkämpfer ✓',
};
// One client keeps what it knows, whatever else came.
const SERVER_INFO: unknown = expect.objectContaining({
  name: 'behaviours',
  title: 'Behaviours',
  version: '1.2.3',
});

export const WHOLE_DISCOVERY = {
  because: 'there is no handshake: server/discover says the same',
  run: async ({ connect }: Context<ModernClient>) => {
    const { supportedVersions, ...rest } = discoveryOf(await connect());
    expect(supportedVersions).toContain('2026-07-28');
    expect(rest).toEqual({
      ...PARTS,
      resultType: 'complete',
      ttlMs: 60_000,
      cacheScope: 'public',
      _meta: { 'example.com/greeting': 'hello', [`${KEY}serverInfo`]: SERVER_INFO },
    });
  },
};

export const DERIVED_DISCOVERY = {
  because: 'server/discover says what the server said to initialize',
  run: async ({ connect }: Context<ModernClient>) => {
    expect(discoveryOf(await connect())).toEqual({
      ...PARTS,
      resultType: 'complete',
      supportedVersions: ['2026-07-28', '2025-11-25'],
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'example.com/greeting': 'hello', [`${KEY}serverInfo`]: SERVER_INFO },
    });
  },
};

export const INTRODUCED_EACH_TIME = {
  because: WITHOUT_SESSIONS,
  run: async ({ connect }: Context) => {
    const capabilities = { sampling: {}, experimental: { 'example.com/mine': { on: true } } };
    const meta = await metaOf(await connect({ capabilities }));
    expect(meta).toMatchObject(envelope(capabilities));
    expect(meta[`${KEY}clientCapabilities`]).toEqual(capabilities);
  },
};

export const CALLS_WITH_ENVELOPE = {
  because: 'the server also gets what a session would know',
  run: async ({ connect }: Context) => {
    const client = await connect();
    const list = await client.request('tools/list');
    expect(at(list, 'tools', 0, 'name')).toBe('echo');
    expect(list['example.com/unknown']).toEqual([null, true]);
    const args = { nested: { list: [1, 'two', null, { three: 3 }] }, empty: {}, flag: false };
    const _meta = { 'example.com/trace': { id: 'abc' }, traceparent: '00-1-2-03' };
    const result = await client.request('tools/call', { name: 'echo', arguments: args, _meta });
    expect(at(result, 'structuredContent', 'arguments')).toEqual(args);
    expect(at(result, 'structuredContent', 'meta')).toEqual({ ..._meta, ...envelope() });
  },
};

export const RESULTS_WITH_TYPE = {
  because: 'results say of which kind they are, and for how long they hold',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect();
    const argument = { name: 'a', value: 'o' };
    const completion = await client.request('completion/complete', {
      ref: { type: 'ref/prompt', name: 'any' },
      argument,
    });
    expect(at(completion, 'completion', 'values')).toEqual(['one', 'two']);
    const read = await client.request('resources/read', { uri: URI });
    expect(read['contents']).toEqual([{ uri: URI, text: 'contents' }]);
    await client.request('prompts/list');
    const { ttlMs, cacheScope, ...rest } = json(client.incoming.at(-1)?.['result']);
    expect([Number(ttlMs) >= 0, ['public', 'private'].includes(String(cacheScope))]).toEqual([true, true]);
    const _meta = { [`${KEY}serverInfo`]: SERVER_INFO };
    expect(rest).toEqual({ resultType: 'complete', prompts: [], _meta });
  },
};

export const LOGS_BY_REQUEST = {
  because: 'each request asks for its own log lines',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect();
    const messages = ['one', { two: 2 }, 'three'];
    const params = { name: 'log', arguments: { level: 'warning', messages } };
    await client.request('tools/call', params);
    await client.request('tools/call', { ...params, _meta: { [`${KEY}logLevel`]: 'error' } });
    expect(loggedBy(client)).toEqual([]);
    await client.request('tools/call', { ...params, _meta: { [`${KEY}logLevel`]: 'info' } });
    expect(
      client.incoming.filter(({ method }) => method !== undefined).map(({ params: sent }) => sent),
    ).toEqual(messages.map((data) => ({ level: 'warning', logger: 'fixture', data })));
    expect(client.incoming.at(-1)?.['result']).toBeDefined();
  },
};

export const NO_REFUSAL = {
  because: 'who does not want to answer does not ask again',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect({
      capabilities: { sampling: {} },
      answer: () => {
        throw new Error('not today');
      },
    });
    const params = { messages: [], maxTokens: 1 };
    const call = callTool(client, 'ask', { method: 'sampling/createMessage', params });
    await expect(call).rejects.toThrow('not today');
    expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
  },
};

export const REFUSAL_ENDS_CALL = {
  because: 'the server cannot be told, so its call ends with the refusal',
  run: async ({ connect }: Context) => {
    const client = await connect({
      capabilities: { sampling: {} },
      answer: () => {
        throw new RpcFailure(-1, 'not today');
      },
    });
    const params = { messages: [], maxTokens: 1 };
    const result = await callTool(client, 'ask', { method: 'sampling/createMessage', params });
    expect(result['isError']).toBe(true);
  },
};

export const ROOTS = {
  because: 'the client says with each request that it has some, and never that they have changed',
  run: async ({ connect }: Context) => {
    const client = await withRoots(connect);
    expect((await metaOf(client))[`${KEY}clientCapabilities`]).toMatchObject({ roots: {} });
    expect(await rootsOf(client)).toEqual(ROOT_LIST);
  },
};

export const ROOTS_AT_INITIALIZE = {
  because: 'the server is not promised word of changes, for which there is no way',
  run: async ({ connect }: Context) => {
    const client = await withRoots(connect);
    expect(await initializeParamsOf(client)).toMatchObject({ capabilities: { roots: {} } });
    expect(at(await initializeParamsOf(client), 'capabilities', 'roots')).toEqual({});
    expect(await rootsOf(client)).toEqual(ROOT_LIST);
  },
};

export const ROOTS_WITHHELD = {
  because: 'a server of this revision refuses what takes a capability that it was not told of',
  run: async ({ connect }: Context) => {
    let asked = 0;
    const client = await connect({
      capabilities: { roots: {}, sampling: {} },
      answer: () => (asked++, { roots: ROOT_LIST }),
    });
    expect((await metaOf(client))[`${KEY}clientCapabilities`]).toEqual({ sampling: {} });
    await expectRpcError(callTool(client, 'ask', { method: 'roots/list' }), -32021, {
      requiredCapabilities: { roots: {} },
    });
    expect(asked).toBe(0);
  },
};

export const LISTENS_TO_RESOURCE = {
  because: 'subscriptions/listen takes the place of resources/subscribe',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect();
    const subscription = await client.listen({ resourceSubscriptions: [URI] });
    expect(subscription.honoured).toEqual({ resourceSubscriptions: [URI] });
    await callTool(client, 'update', { uri: URI });
    await expect.poll(() => updatesOf(client)).toEqual([URI]);
    await subscription.close();
    await expect
      .poll(async () => at(await callTool(client, 'subscribed'), 'structuredContent', 'count'))
      .toBe(0);
    await callTool(client, 'update', { uri: URI });
    expect(updatesOf(client)).toEqual([URI]);
  },
};

export const LISTENS_TO_LISTS = {
  because: 'who wants to hear of changes listens, to those that it names',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect();
    const asked = { toolsListChanged: true, promptsListChanged: true };
    const { honoured } = await client.listen(asked);
    expect(honoured).toEqual(asked);
    for (const kind of ['resources', 'tools', 'prompts']) {
      const params = { _meta: { from: kind } };
      await callTool(client, 'notify', { method: `notifications/${kind}/list_changed`, params });
    }
    const changes = (): unknown[] =>
      client.incoming
        .filter(({ method }) => String(method).endsWith('/list_changed'))
        .map(({ params }) => at(params, '_meta', 'from'));
    await expect.poll(changes).toEqual(['tools', 'prompts']);
  },
};

export const NO_PING = {
  because: 'there are no pings any more',
  run: async ({ connect }: Context<ModernClient>) => {
    // One client does not even ask.
    await expect((await connect()).request('ping')).rejects.toThrow(/ping|method not found/i);
  },
};

export const PING_OF_CLIENT = {
  because: 'the server cannot ping any more: mcp-run answers for it',
  run: async ({ connect }: Context) => {
    expect(await (await connect()).request('ping')).toEqual({});
  },
};

export const ASKS_NOTHING_ELSE = {
  because: 'a request can be answered with known questions only',
  run: async ({ connect }: Context) => {
    let asked = 0;
    const client = await connect({ answer: () => (asked++, {}) });
    const answer = await callTool(client, 'ask', { method: 'example.com/ask', params: {} });
    expect(at(answer, 'structuredContent', 'error', 'code')).toBe(-32601);
    expect(asked).toBe(0);
  },
};

export const NO_CLIENT_NOTIFICATIONS = {
  because: 'a notification is about a request, or about nothing',
  run: async ({ connect }: Context<ModernClient>) => {
    const client = await connect();
    await client.notify('notifications/example.com/up', {});
    // Taken, and in the way of nothing.
    expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
  },
};

export const BYTES_BUT_IDS = {
  because: 'ids are told apart where one process serves everybody; all else passes, byte for byte',
  wire: true as const,
  run: async (context: Context<RawModernClient>) => {
    const client = await context.connect();
    const _meta = JSON.stringify(envelope());
    const up = `{"x-trace":{"a":[1]},"jsonrpc":"2.0", "id":"up","method":"example.com/line","params":{"b":2, "_meta":${_meta}},"z":null}`;
    await client.sendLine(up);
    const answer = await client.waitFor(({ id }) => id === 'up');
    expect(String(at(answer, 'result', 'line')).replace(/"id":(\d+|"up")/, '"id":"up"')).toBe(up);
  },
};

export const FIELDS_OF_PARAMS = {
  because: 'what is translated is written anew: its params keep what is unknown',
  run: async ({ connect }: Context) => {
    const client = await connect();
    const { line } = await client.request('example.com/line', { b: 2, 'x-trace': { a: [1] } });
    expect(at(JSON.parse(String(line)), 'params')).toMatchObject({ b: 2, 'x-trace': { a: [1] } });
  },
};

export const DIGITS = {
  because: 'with what every request carries besides',
  wire: true as const,
  run: async (context: Context<RawModernClient>) => {
    const client = await context.connect();
    const params = `${DIGITS_JSON.slice(0, -1)},"_meta":${JSON.stringify(envelope())}}`;
    await expectDigits(client, params);
  },
};

export const DIGITS_WITH_ENVELOPE = {
  because: 'the server also gets what a session would know',
  wire: true as const,
  run: async (context: Context<RawClient>) => {
    await expectDigits(await context.connect(), DIGITS_JSON);
  },
};

export const IDS = {
  because: 'with what every request carries besides',
  wire: true as const,
  run: async (context: Context<RawModernClient>) => {
    const client = await context.connect();
    const _meta = JSON.stringify(envelope());
    const ids = ['"1001"', '1001', '0', '"0"', '-1', '4503599627370497', '"id with \\"quotes\\" and ü"'];
    for (const id of ids) {
      const params = `{"name":"echo","arguments":{"to":${id}},"_meta":${_meta}}`;
      await client.sendLine(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`);
    }
    for (const text of ids) {
      const id: unknown = JSON.parse(text);
      const answer = await client.waitFor(
        (message) => message['id'] === id && message['result'] !== undefined,
      );
      expect(at(answer, 'result', 'structuredContent', 'arguments', 'to')).toBe(id);
    }
  },
};

export const LOGS_OF_ONE_CLIENT = {
  because: 'connections of one name are one client: its newest call that has asked for them gets them',
  wire: true as const,
  run: async (context: Context<RawModernClient>) => {
    const [one, two] = await Promise.all([context.connect(), context.connect()]);
    await Promise.all([logging(one, 1), logging(two, 2)]);
    const logged = [...loggedBy(one), ...loggedBy(two)];
    expect([1, 2]).toEqual(expect.arrayContaining(logged));
    expect(new Set(logged).size).toBe(logged.length);
    const before = loggedBy(two).length;
    await logging(two, 3);
    expect(loggedBy(two).slice(before)).toEqual([3]);
  },
};

export const LOGS_APART_ONCE_ASKED = {
  because: 'a server of this revision logs to who has asked for it',
  wire: true as const,
  run: async (context: Context<RawClient>) => {
    const clients = await Promise.all([context.connect(), context.connect()]);
    for (const client of clients) await client.request('logging/setLevel', { level: 'info' });
    await Promise.all(clients.map((client, i) => callTool(client, 'log', { messages: [i] })));
    expect(clients.map(loggedBy)).toEqual([[0], [1]]);
  },
};

export const LOGS_OF_ONE_AT_A_TIME = {
  because: 'there is no telling whose they are where calls run at the same time',
  wire: true as const,
  run: async (context: Context<RawClient>) => {
    const clients = await Promise.all([context.connect(), context.connect()]);
    for (const client of clients) await client.request('logging/setLevel', { level: 'info' });
    for (const [i, client] of clients.entries()) await callTool(client, 'log', { messages: [i] });
    expect(clients.map(loggedBy)).toEqual([[0], [1]]);
  },
};

export const ONE_PROCESS = {
  because: 'one principal has one process, as nothing is between its requests',
  run: async ({ connect }: Context) => {
    const clients = await Promise.all([connect(), connect()]);
    const pids = await Promise.all(
      clients.map(async (client) => at(await callTool(client, 'process'), 'structuredContent', 'pid')),
    );
    expect(new Set(pids).size).toBe(1);
  },
};

/** The answer to server/discover as it came: clients keep what they know of it. */
function discoveryOf({ incoming }: ModernClient): Json {
  const results = incoming.map(({ result }) => json(result));
  return results.find((result) => result['supportedVersions'] !== undefined) ?? {};
}

/** The metadata that a server gets with a call. */
async function metaOf(client: TestClient): Promise<Json> {
  return json(at(await callTool(client, 'echo'), 'structuredContent', 'meta'));
}

function withRoots<Client extends TestClient>(connect: Context<Client>['connect']): Promise<Client> {
  return connect({ capabilities: { roots: { listChanged: true } }, answer: () => ({ roots: ROOT_LIST }) });
}

async function rootsOf(client: TestClient): Promise<unknown> {
  return at(await callTool(client, 'ask', { method: 'roots/list' }), 'structuredContent', 'result', 'roots');
}

function updatesOf({ incoming }: TestClient): unknown[] {
  return incoming
    .filter(({ method }) => method === 'notifications/resources/updated')
    .map(({ params }) => at(params, 'uri'));
}

async function expectDigits(client: RawClient, params: string): Promise<void> {
  const digits = DIGITS_JSON.slice(1, -1);
  await client.sendLine(`{"jsonrpc":"2.0","id":"big","method":"example.com/line","params":${params}}`);
  const answer = await client.waitFor(({ id }) => id === 'big');
  expect(at(answer, 'result', 'line')).toContain(digits);
  await client.request('example.com/result', { json: DIGITS_JSON });
  expect(client.lines.at(-1)).toContain(digits);
}

function logging(client: TestClient, data: number): Promise<Json> {
  const params = { name: 'log', arguments: { messages: [data] } };
  return client.request('tools/call', { ...params, _meta: { [`${KEY}logLevel`]: 'info' } });
}
