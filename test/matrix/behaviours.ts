/**
 * The table's rows: what a client and a server must be able to do through mcp-run, whatever the transport. The server
 * is `fixtures/servers/behaviours.js`. A row with `wire` needs the raw client, which sees and sends bytes.
 */
import { expect } from 'vitest';
import { callTool, RpcFailure, type ClientOptions, type TestClient } from '../support/clients.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import type { ModernClient } from '../support/modern.ts';
import type { RawClient } from '../support/raw-client.ts';
import type { RawModernClient } from '../support/raw-modern.ts';
import * as between from './eras.ts';
import { arrival, expectRpcError, initializeParamsOf, loggedBy, receivedBy, withId } from './helpers.ts';
import { eventually } from '../support/eventually.ts';

export interface Context<Client extends TestClient = TestClient> {
  /** A new client on this row's route. */
  connect(options?: ClientOptions): Promise<Client>;
}

interface Row {
  readonly title: string;
  /** Started with `--allow-roots`. */
  readonly allowRoots?: true;
  /** Only where the client is, or is not, on this machine. */
  readonly local?: boolean;
  /** About what mcp-run itself does: not true without it. */
  readonly gatewayOnly?: true;
  /** Has a process to itself where the others share one. */
  readonly fresh?: true;
  readonly instead?: Differences;
}

/** What is true instead. */
export interface Differences {
  /** Where all clients share one process. */
  readonly shared?: Difference;
  /** Where they have no sessions besides. */
  readonly stateless?: Difference;
  /** Where client and server speak 2026-07-28. */
  readonly modern?: ModernDifference;
  /** Where the client speaks 2026-07-28, and the server no more than 2025-11-25. */
  readonly modernOnLegacy?: ModernDifference;
  /** The other way round. */
  readonly legacyOnModern?: Difference;
  /** Where the server is at a URL and speaks 2026-07-28: it has one process for everybody. */
  readonly modernUrl?: Difference;
  /** The same, where the client speaks that, too. */
  readonly modernOfModernUrl?: ModernDifference;
}

type Run =
  | { readonly wire?: false; run(context: Context): Promise<void> }
  | { readonly wire: true; run(context: Context<RawClient>): Promise<void> };

export type Behaviour = Row & Run;

/** By design, and why. */
export type Difference = Run & { readonly because: string };

export type ModernDifference = { readonly because: string } & (
  | { readonly wire?: false; run(context: Context<ModernClient>): Promise<void> }
  | { readonly wire: true; run(context: Context<RawModernClient>): Promise<void> }
);

const NOBODY_TO_ASK = 'there is no telling which client to ask';
const NO_STREAM = 'there is no stream but that of a call';

const ROOTS = [{ uri: 'file:///home/someone', name: 'home', 'x-kept': 1 }];
const UNICODE =
  'zwölf • 十二 • 🐕‍🦺 • line\u2028and\u2029paragraph • nul\u0000 • quote" back\\slash • tab\t • \r\n';
const BIG =
  '{"a":9007199254740993,"b":-123456789012345678901234567890,"c":1.0,"d":1e400,"e":0.10000000000000000555}';

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'passes the whole answer to initialize: instructions, unknown capabilities, unknown fields',
    run: async ({ connect }) => {
      const { initializeResult } = await connect();
      expect(initializeResult).toEqual({
        protocolVersion: '2025-11-25',
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
        serverInfo: { name: 'behaviours', title: 'Behaviours', version: '1.2.3', 'x-build': 'abc' },
        instructions: 'Behaves as told. Zwölf Boxkämpfer ✓',
        _meta: { 'example.com/greeting': 'hello' },
      });
    },
    instead: { modern: between.WHOLE_DISCOVERY, modernOnLegacy: between.DERIVED_DISCOVERY },
  },
  {
    title: "passes the client's capabilities and name to the server",
    run: async ({ connect }) => {
      const client = await connect({
        capabilities: { sampling: {}, experimental: { 'example.com/mine': { on: true } } },
      });
      const params = await initializeParamsOf(client);
      expect(params['clientInfo']).toEqual({ name: 'test-client', version: '1.0.0' });
      expect(params['capabilities']).toEqual({
        sampling: {},
        experimental: { 'example.com/mine': { on: true } },
      });
    },
    instead: {
      modern: between.INTRODUCED_EACH_TIME,
      legacyOnModern: between.INTRODUCED_EACH_TIME,
      shared: {
        because: 'all clients are one to the server',
        run: async ({ connect }) => {
          const client = await connect({ capabilities: { sampling: {} } });
          const params = await initializeParamsOf(client);
          expect(at(params, 'clientInfo', 'name')).toBe('mcp-run');
          expect(params['capabilities']).toEqual({});
        },
      },
    },
  },
  {
    title: 'lists tools and calls them, with arguments, _meta and unknown fields untouched',
    run: async ({ connect }) => {
      const client = await connect();
      const list = await client.request('tools/list');
      expect(at(list, 'tools', 0)).toEqual({
        name: 'echo',
        description: 'Runs echo',
        inputSchema: { type: 'object' },
      });
      expect(list['example.com/unknown']).toEqual([null, true]);

      const args = { nested: { list: [1, 'two', null, { three: 3 }] }, empty: {}, flag: false };
      const _meta = { 'example.com/trace': { id: 'abc' }, traceparent: '00-1-2-03' };
      const result = await client.request('tools/call', { name: 'echo', arguments: args, _meta });
      expect(result['structuredContent']).toEqual({ arguments: args, meta: _meta });
    },
    instead: { modern: between.CALLS_WITH_ENVELOPE, legacyOnModern: between.CALLS_WITH_ENVELOPE },
  },
  {
    title: 'completes, reads resources, and lists what is empty',
    run: async ({ connect }) => {
      const client = await connect();
      const ref = { type: 'ref/prompt', name: 'any' };
      const completion = await client.request('completion/complete', {
        ref,
        argument: { name: 'a', value: 'o' },
      });
      expect(at(completion, 'completion', 'values')).toEqual(['one', 'two']);
      const read = await client.request('resources/read', { uri: 'fixture://watched' });
      expect(read['contents']).toEqual([{ uri: 'fixture://watched', text: 'contents' }]);
      expect(await client.request('prompts/list')).toEqual({ prompts: [] });
    },
    instead: { modern: between.RESULTS_WITH_TYPE, modernOnLegacy: between.RESULTS_WITH_TYPE },
  },
  {
    title: "passes the server's errors with code and data",
    run: async ({ connect }) => {
      const client = await connect();
      await expectRpcError(callTool(client, 'no such tool'), -32602, {
        name: 'no such tool',
        hint: 'see tools/list',
      });
      await expectRpcError(client.request('example.com/refuse'), -31999, { why: ['because'] });
      await expectRpcError(client.request('example.com/not-there'), -32601, undefined);
    },
  },
  {
    title: 'passes 10,000 progress notifications of one call, all of them, in order, before its result',
    run: async ({ connect }) => {
      const client = await connect();
      const count = 10_000;
      // Asks for progress, but counts what arrives: the SDK's clients drop callbacks once the result is there.
      const result = await callTool(client, 'burst', { count }, { onProgress: () => {} });
      expect(textOf(result)).toBe(`sent ${count}`);
      const progress = client.incoming.filter(({ method }) => method === 'notifications/progress');
      expect(progress.map(({ params }) => json(params)['progress'])).toEqual(
        Array.from({ length: count }, (_, i) => i + 1),
      );
      // The result is the last message: nothing of the call comes after it.
      expect(client.incoming.at(-1)?.['result']).toBeDefined();
    },
  },
  {
    title: 'passes a cancellation to the server, which then goes on serving',
    run: async ({ connect }) => {
      const client = await connect();
      const abort = new AbortController();
      const call = callTool(
        client,
        'wait',
        {},
        { signal: abort.signal, onProgress: () => abort.abort('not needed') },
      );
      await expect(call).rejects.toBeInstanceOf(Error);
      await eventually(async () =>
        expect(await receivedBy(client, 'notifications/cancelled')).toHaveLength(1),
      );
      expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
    },
    fresh: true,
    instead: {
      stateless: {
        because: 'a message of its own has nothing to be about: closing the connection cancels',
        wire: true,
        run: async (context) => {
          const client = await context.connect();
          const call = callTool(client, 'wait', { ms: 300 }, { onProgress: () => void cancel() });
          const cancel = (): Promise<void> => client.notify('notifications/cancelled', { requestId: 2 });
          expect(textOf(await call)).toBe('waited');
          expect(await receivedBy(client, 'notifications/cancelled')).toEqual([]);
        },
      },
    },
  },
  {
    title: 'passes logging/setLevel and log messages, in order, before the result of the call that logs',
    run: async ({ connect }) => {
      const client = await connect();
      await client.request('logging/setLevel', { level: 'debug' });
      await callTool(client, 'log', { level: 'warning', messages: ['one', { two: 2 }, 'three'] });
      const logged = client.incoming.filter(({ method }) => method === 'notifications/message');
      expect(logged.map(({ params }) => params)).toEqual(
        ['one', { two: 2 }, 'three'].map((data) => ({ level: 'warning', logger: 'fixture', data })),
      );
      expect(client.incoming.at(-1)?.['result']).toBeDefined();
    },
    // What another client has left running could be what a shared process speaks of.
    fresh: true,
    instead: { modern: between.LOGS_BY_REQUEST, modernOnLegacy: between.LOGS_BY_REQUEST },
  },
  {
    title: 'passes a sampling request to the client and its answer back, in the middle of a call',
    run: async ({ connect }) => {
      const asked: Json = {
        messages: [{ role: 'user', content: { type: 'text', text: 'Say hello' } }],
        maxTokens: 10,
      };
      const answer = {
        role: 'assistant',
        model: 'none',
        content: { type: 'text', text: 'hello' },
      };
      const seen: unknown[] = [];
      const client = await connect({
        capabilities: { sampling: {} },
        answer: (method, params) => (seen.push(method, params), answer),
      });
      const result = await callTool(client, 'ask', { method: 'sampling/createMessage', params: asked });
      expect(seen).toEqual(['sampling/createMessage', asked]);
      expect(at(result, 'structuredContent', 'result')).toEqual(answer);
    },
    instead: { shared: isRefused('sampling/createMessage', { sampling: {} }) },
  },
  {
    title: 'passes unknown fields of a question and of its answer',
    wire: true,
    run: async (context) => {
      const asked: Json = {
        messages: [{ role: 'user', content: { type: 'text', text: 'Say hello' } }],
        maxTokens: 10,
        'example.com/extra': [1],
      };
      const answer = {
        role: 'assistant',
        model: 'none',
        content: { type: 'text', text: 'hello' },
        'x-kept': true,
      };
      const seen: unknown[] = [];
      const client = await context.connect({
        capabilities: { sampling: {} },
        answer: (method, params) => (seen.push(method, params), answer),
      });
      const result = await callTool(client, 'ask', { method: 'sampling/createMessage', params: asked });
      expect(seen).toEqual(['sampling/createMessage', asked]);
      expect(at(result, 'structuredContent', 'result')).toEqual(answer);
    },
    instead: { shared: isRefused('sampling/createMessage', { sampling: {} }) },
  },
  {
    title: 'passes several questions to the user at once, each answer to the one who asked',
    run: async ({ connect }) => {
      const schema = { type: 'object', properties: { value: { type: 'string' } } };
      const client = await connect({
        capabilities: { elicitation: {} },
        answer: (_method, { message }) => ({
          action: 'accept',
          content: { value: `answer to ${String(message)}` },
        }),
      });
      const questions = ['first', 'second', 'third'].map((message) => ({
        method: 'elicitation/create',
        params: { message, requestedSchema: schema },
      }));
      const result = await callTool(client, 'askAll', { questions });
      const answers = [0, 1, 2].map((n) =>
        at(result, 'structuredContent', 'answers', n, 'result', 'content', 'value'),
      );
      expect(answers).toEqual(['answer to first', 'answer to second', 'answer to third']);
    },
    instead: { shared: isRefused('elicitation/create', { elicitation: {} }) },
  },
  {
    title: "passes the client's refusal, with code and data, to the server",
    run: async ({ connect }) => {
      const client = await connect({
        capabilities: { sampling: {} },
        answer: () => {
          throw new RpcFailure(-1, 'User rejected sampling request', { final: true });
        },
      });
      const params = { messages: [], maxTokens: 1 };
      const result = await callTool(client, 'ask', { method: 'sampling/createMessage', params });
      expect(at(result, 'structuredContent', 'error', 'code')).toBe(-1);
      expect(at(result, 'structuredContent', 'error', 'message')).toContain('User rejected sampling request');
    },
    instead: {
      modern: between.NO_REFUSAL,
      modernOnLegacy: between.NO_REFUSAL,
      legacyOnModern: between.REFUSAL_ENDS_CALL,
      shared: isRefused('sampling/createMessage', { sampling: {} }),
    },
  },
  {
    title: 'passes the roots of a client on this machine',
    local: true,
    run: async ({ connect }) => {
      const client = await connect({
        capabilities: { roots: { listChanged: true } },
        answer: () => ({ roots: ROOTS }),
      });
      expect(at(await initializeParamsOf(client), 'capabilities')).toEqual({ roots: { listChanged: true } });
      expect(
        at(await callTool(client, 'ask', { method: 'roots/list' }), 'structuredContent', 'result', 'roots'),
      ).toEqual(ROOTS);
    },
    instead: {
      modern: between.ROOTS,
      legacyOnModern: between.ROOTS,
      modernOnLegacy: between.ROOTS_AT_INITIALIZE,
    },
  },
  {
    title:
      'keeps the roots of a network client from the server, which is told that there are none to ask for',
    local: false,
    run: async ({ connect }) => {
      let asked = 0;
      const client = await connect({
        capabilities: { roots: { listChanged: true }, sampling: {} },
        answer: () => (asked++, { roots: ROOTS }),
      });
      expect(at(await initializeParamsOf(client), 'capabilities')).toEqual({ sampling: {} });
      const answer = at(await callTool(client, 'ask', { method: 'roots/list' }), 'structuredContent');
      expect(at(answer, 'error', 'code')).toBe(-32601);
      expect(asked).toBe(0);
    },
    instead: {
      modern: between.ROOTS_WITHHELD,
      legacyOnModern: between.ROOTS_WITHHELD,
      shared: isRefused('roots/list', { roots: { listChanged: true }, sampling: {} }),
    },
  },
  {
    title: 'passes the roots of a network client with --allow-roots',
    local: false,
    allowRoots: true,
    run: async ({ connect }) => {
      const client = await connect({
        capabilities: { roots: { listChanged: true } },
        answer: () => ({ roots: ROOTS }),
      });
      expect(at(await initializeParamsOf(client), 'capabilities')).toEqual({ roots: { listChanged: true } });
      expect(
        at(await callTool(client, 'ask', { method: 'roots/list' }), 'structuredContent', 'result', 'roots'),
      ).toEqual(ROOTS);
    },
    instead: {
      modern: between.ROOTS,
      legacyOnModern: between.ROOTS,
      modernOnLegacy: between.ROOTS_AT_INITIALIZE,
      shared: isRefused('roots/list', { roots: { listChanged: true } }),
    },
  },
  {
    title: 'passes subscriptions, and updates to who subscribed until they unsubscribe',
    run: async ({ connect }) => {
      const client = await connect();
      const uri = 'fixture://watched';
      await client.request('resources/subscribe', { uri });
      await callTool(client, 'update', { uri });
      await arrival(client, 'notifications/resources/updated', { uri });
      await client.request('resources/unsubscribe', { uri });
      await callTool(client, 'update', { uri });
      // What was sent before it has arrived when this one has.
      const params = { _meta: { 'example.com/after': true } };
      await callTool(client, 'notify', { method: 'notifications/prompts/list_changed', params });
      await arrival(client, 'notifications/prompts/list_changed', params);
      expect(
        client.incoming.filter(({ method }) => method === 'notifications/resources/updated'),
      ).toHaveLength(1);
    },
    instead: {
      modern: between.LISTENS_TO_RESOURCE,
      modernOnLegacy: between.LISTENS_TO_RESOURCE,
      stateless: {
        because: NO_STREAM,
        run: async ({ connect }) => {
          const client = await connect();
          const uri = 'fixture://watched';
          // Accepted, and over with its request.
          expect(await client.request('resources/subscribe', { uri })).toEqual({});
          await callTool(client, 'update', { uri });
          expect(client.incoming.some(({ method }) => method !== undefined)).toBe(false);
        },
      },
    },
  },
  {
    title: 'passes every list_changed notification',
    run: async ({ connect }) => {
      const client = await connect();
      for (const kind of ['tools', 'prompts', 'resources']) {
        const method = `notifications/${kind}/list_changed`;
        await callTool(client, 'notify', { method, params: { _meta: { from: kind } } });
        await arrival(client, method, { _meta: { from: kind } });
      }
    },
    instead: {
      modern: between.LISTENS_TO_LISTS,
      modernOnLegacy: between.LISTENS_TO_LISTS,
      stateless: {
        because: NO_STREAM,
        run: async ({ connect }) => {
          const client = await connect();
          await callTool(client, 'notify', { method: 'notifications/tools/list_changed', params: {} });
          expect(client.incoming.some(({ method }) => method !== undefined)).toBe(false);
        },
      },
    },
  },
  {
    title: 'passes pings both ways',
    run: async ({ connect }) => {
      const client = await connect();
      expect(await client.request('ping')).toEqual({});
      expect(at(await callTool(client, 'ask', { method: 'ping' }), 'structuredContent', 'result')).toEqual(
        {},
      );
    },
    instead: {
      modern: between.NO_PING,
      modernOnLegacy: between.NO_PING,
      legacyOnModern: between.PING_OF_CLIENT,
    },
  },
  {
    title: 'passes unknown requests of the server, with all their fields',
    run: async ({ connect }) => {
      const client = await connect({
        answer: (method, params) => ({ method, params, kept: ['result', null] }),
      });
      const params = { deep: [{ er: 1 }], _meta: { 'example.com/a': 'b' } };
      const answer = await callTool(client, 'ask', { method: 'example.com/ask', params });
      expect(at(answer, 'structuredContent', 'result')).toEqual({
        method: 'example.com/ask',
        params,
        kept: ['result', null],
      });
    },
    instead: {
      modern: between.ASKS_NOTHING_ELSE,
      modernOnLegacy: between.ASKS_NOTHING_ELSE,
      legacyOnModern: between.ASKS_NOTHING_ELSE,
      shared: isRefused('example.com/ask', {}),
    },
  },
  {
    title: 'passes unknown requests of the client and notifications of the server, with all their fields',
    fresh: true,
    run: async ({ connect }) => {
      const client = await connect();
      const params = { deep: [{ er: 1 }], _meta: { 'example.com/a': 'b' } };

      const echoed = await client.request('example.com/line', params);
      expect(at(JSON.parse(String(echoed['line'])), 'params')).toMatchObject(params);

      await callTool(client, 'notify', { method: 'notifications/example.com/down', params });
      await arrival(client, 'notifications/example.com/down', params);
    },
  },
  {
    title: 'passes unknown notifications of the client, with all their fields',
    run: async ({ connect }) => {
      const client = await connect();
      const params = { deep: [{ er: 1 }], _meta: { 'example.com/a': 'b' } };
      await client.notify('notifications/example.com/up', params);
      await eventually(async () => {
        const [line = '{}'] = await receivedBy(client, 'example.com/up');
        expect(at(JSON.parse(line), 'params')).toEqual(params);
      });
    },
    instead: {
      modern: between.NO_CLIENT_NOTIFICATIONS,
      modernOnLegacy: between.NO_CLIENT_NOTIFICATIONS,
      modernUrl: {
        because: 'to a server of this revision they are about a request, or about nothing',
        run: async ({ connect }) => {
          const client = await connect();
          await client.notify('notifications/example.com/up', {});
          expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
        },
      },
      stateless: {
        because: 'without a session they have nothing to be about',
        run: async ({ connect }) => {
          const client = await connect();
          await client.notify('notifications/example.com/up', {});
          expect(await receivedBy(client, 'example.com/up')).toEqual([]);
        },
      },
    },
  },
  {
    title: 'passes unknown fields of the envelope both ways, byte for byte',
    fresh: true,
    wire: true,
    run: async (context) => {
      const client = await context.connect();
      const up =
        '{"x-trace":{"a":[1]},"jsonrpc":"2.0", "id":"up","method":"example.com/line","params":{"b":2},"z":null}';
      await client.sendLine(up);
      const answer = await client.waitFor(({ id }) => id === 'up');
      expect(withId('"up"', at(answer, 'result', 'line'))).toBe(up);

      const down =
        '{"x-trace":{"a":[1]},"jsonrpc":"2.0", "method":"notifications/example.com/down","params":{"b":2},"z":null}';
      await callTool(client, 'write', { lines: [down] });
      await client.waitFor((_message, line) => line === down);
    },
    instead: {
      modern: between.BYTES_BUT_IDS,
      modernOnLegacy: between.FIELDS_OF_PARAMS,
      legacyOnModern: between.FIELDS_OF_PARAMS,
    },
  },
  {
    title: 'passes numbers that JavaScript cannot hold both ways, digit for digit',
    wire: true,
    run: async (context) => {
      const client = await context.connect();
      const up = `{"jsonrpc":"2.0","id":"big","method":"example.com/line","params":${BIG}}`;
      await client.sendLine(up);
      const answer = await client.waitFor(({ id }) => id === 'big');
      expect(withId('"big"', at(answer, 'result', 'line'))).toBe(up);

      await client.request('example.com/result', { json: BIG });
      expect(client.lines.at(-1)).toContain(BIG);
    },
    instead: {
      modern: between.DIGITS,
      modernOnLegacy: between.DIGITS,
      legacyOnModern: between.DIGITS_WITH_ENVELOPE,
    },
  },
  {
    title: 'tells ids apart that differ in type only, all in flight at once',
    wire: true,
    run: async (context) => {
      const client = await context.connect();
      const ids = [
        '"1"',
        '0',
        '"0"',
        '-1',
        '1000',
        '"1000"',
        '4503599627370497',
        '"id with \\"quotes\\" and ü"',
      ];
      await Promise.all(
        ids.map((id) =>
          client.sendLine(
            `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"to":${id}}}}`,
          ),
        ),
      );
      for (const text of ids) {
        const id: unknown = JSON.parse(text);
        const answer = await client.waitFor(
          (message) => message['id'] === id && message['result'] !== undefined,
        );
        expect(at(answer, 'result', 'structuredContent', 'arguments', 'to')).toBe(id);
      }
    },
    instead: { modern: between.IDS, modernOnLegacy: between.IDS },
  },
  {
    title: 'passes a result of 5 MB',
    run: async ({ connect }) => {
      const client = await connect();
      expect(textOf(await callTool(client, 'large', { bytes: 5_000_000 }))).toHaveLength(5_000_000);
    },
  },
  {
    title: 'passes an argument of 2 MB',
    run: async ({ connect }) => {
      const client = await connect();
      const text = 'y'.repeat(2_000_000);
      expect(at(await callTool(client, 'echo', { text }), 'structuredContent', 'arguments', 'text')).toBe(
        text,
      );
    },
  },
  {
    title: 'passes any Unicode text, line separators included',
    run: async ({ connect }) => {
      const client = await connect();
      const result = await callTool(client, 'echo', { [UNICODE]: UNICODE });
      expect(at(result, 'structuredContent', 'arguments')).toEqual({ [UNICODE]: UNICODE });
    },
  },
  {
    title: 'keeps two clients apart that use the same ids and tokens at the same time',
    wire: true,
    run: async (context) => {
      const clients = await Promise.all([context.connect(), context.connect()]);
      const counts = [300, 500];
      // Both start to count at the same id, and use it as their progress token too.
      await Promise.all(
        clients.map((client, i) => callTool(client, 'burst', { count: counts[i] }, { onProgress: () => {} })),
      );
      for (const [i, client] of clients.entries()) {
        const progress = client.incoming.filter(({ method }) => method === 'notifications/progress');
        expect(progress.map(({ params }) => json(params)['total'])).toEqual(Array(counts[i]).fill(counts[i]));
      }
    },
  },
  {
    title: 'keeps the log lines of two clients apart whose calls run at the same time',
    wire: true,
    run: async (context) => {
      const clients = await Promise.all([context.connect(), context.connect()]);
      await Promise.all(clients.map((client, i) => callTool(client, 'log', { messages: [i] })));
      for (const [i, client] of clients.entries()) {
        await client.waitFor(({ method }) => method === 'notifications/message');
        expect(loggedBy(client)).toEqual([i]);
      }
    },
    fresh: true,
    instead: {
      modern: between.LOGS_OF_ONE_CLIENT,
      modernOnLegacy: between.LOGS_OF_ONE_CLIENT,
      legacyOnModern: between.LOGS_APART_ONCE_ASKED,
      modernUrl: between.LOGS_OF_ONE_AT_A_TIME,
      shared: {
        because:
          'there is no telling whose they are: they reach neither, and those of a call alone its caller',
        wire: true,
        run: async (context) => {
          const [one, two] = await Promise.all([context.connect(), context.connect()]);
          let logged: Promise<unknown> = Promise.resolve();
          await callTool(
            one,
            'wait',
            { ms: 300 },
            {
              onProgress: () => {
                logged = callTool(two, 'log', { messages: ['of two calls'] });
              },
            },
          );
          await logged;
          await callTool(two, 'log', { messages: ['of one call'] });
          expect([loggedBy(one), loggedBy(two)]).toEqual([[], ['of one call']]);
        },
      },
    },
  },
  {
    title: 'gives each client a server process of its own',
    local: true,
    run: async ({ connect }) => {
      const clients = await Promise.all([connect(), connect()]);
      const pids = await Promise.all(
        clients.map(async (client) => at(await callTool(client, 'process'), 'structuredContent', 'pid')),
      );
      expect(new Set(pids).size).toBe(2);
    },
    instead: { modernUrl: between.ONE_PROCESS, modernOfModernUrl: between.ONE_PROCESS },
  },
  {
    title: 'gives each network client a server process of its own',
    local: false,
    run: async ({ connect }) => {
      const clients = await Promise.all([connect(), connect()]);
      const pids = await Promise.all(
        clients.map(async (client) => at(await callTool(client, 'process'), 'structuredContent', 'pid')),
      );
      expect(new Set(pids).size).toBe(2);
    },
    instead: {
      modern: between.ONE_PROCESS,
      modernOnLegacy: between.ONE_PROCESS,
      modernUrl: between.ONE_PROCESS,
      shared: {
        because: 'they share one',
        run: async ({ connect }) => {
          const clients = await Promise.all([connect(), connect()]);
          const pids = await Promise.all(
            clients.map(async (client) => at(await callTool(client, 'process'), 'structuredContent', 'pid')),
          );
          expect(new Set(pids).size).toBe(1);
        },
      },
    },
  },
  {
    title: 'survives lines from the server that are not MCP, and shows none to the client',
    gatewayOnly: true,
    wire: true,
    run: async (context) => {
      const client = await context.connect();
      const lines = [
        'hello',
        '{"level":"info"}',
        '[]',
        '{"jsonrpc":"2.0"',
        '42',
        '',
        '{"jsonrpc":"2.0","id":{},"result":{}}',
      ];
      await callTool(client, 'write', { lines });
      expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
      expect(client.lines.filter((line) => lines.includes(line))).toEqual([]);
      expect(
        client.incoming.filter(({ method, id }) => method === undefined && typeof id !== 'number'),
      ).toEqual([]);
    },
  },
  {
    title: 'answers every call in flight with upstream_exited when the server dies',
    gatewayOnly: true,
    run: async ({ connect }) => {
      const client = await connect();
      let waiting = (): void => {};
      const isWaiting = new Promise<void>((resolve) => (waiting = resolve));
      const pending = callTool(client, 'wait', {}, { onProgress: () => waiting() });
      const outcome = expectRpcError(pending, -32603, { reason: 'upstream_exited' });
      await isWaiting;
      await expectRpcError(callTool(client, 'kill'), -32603, { reason: 'upstream_exited' });
      await outcome;
    },
  },
  {
    title: "leaves other clients alone when one client's server dies",
    gatewayOnly: true,
    run: async ({ connect }) => {
      const [victim, other] = await Promise.all([connect(), connect()]);
      await expectRpcError(callTool(victim, 'exit', { code: 1 }), -32603, { reason: 'upstream_exited' });
      expect(textOf(await callTool(other, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
      const newcomer = await connect();
      expect(textOf(await callTool(newcomer, 'echo', { new: true }))).toBe('{"new":true}');
    },
  },
];

/** The server asks, is told that it cannot, and the client never hears of it. */
function isRefused(method: string, capabilities: Json): Difference {
  return {
    because: NOBODY_TO_ASK,
    run: async ({ connect }) => {
      let asked = 0;
      const client = await connect({ capabilities, answer: () => (asked++, {}) });
      const answer = await callTool(client, 'ask', { method, params: {} });
      expect(at(answer, 'structuredContent', 'error', 'code')).toBe(-32601);
      expect(asked).toBe(0);
      expect(at(await initializeParamsOf(client), 'capabilities')).toEqual({});
    },
  };
}
