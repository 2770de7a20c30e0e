/** The same over stdio, where the client is the only one there is: the conversation goes on, or ends as a whole. */
import { describe, expect, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { spawnMcpRun, type McpRun } from '../support/mcp-run.ts';
import { measurable } from '../support/memory.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, processAlive } from '../support/processes.ts';
import { faultOf, inTime, settled, unreadable } from './harness.ts';

const MB = 1024 * 1024;
const BEHAVIOURS = fixtureServer('behaviours');

describe('goes on after', () => {
  test.each<[string, string | Buffer, number]>([
    ['malformed JSON', '{"jsonrpc":"2.0",', -32700],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), -32700],
    ['100,000 brackets', '['.repeat(100_000), -32700],
    ['100,000 arrays in each other', '['.repeat(100_000) + ']'.repeat(100_000), -32600],
    ['a number', '42', -32600],
    ['null', 'null', -32600],
    ['a string', '"ping"', -32600],
    ['an object that is no message', '{"foo":1}', -32600],
    ['a message with neither id nor sense', '{"jsonrpc":"2.0","method":7}', -32600],
    ['a line over the limit', Buffer.alloc(2 * MB, 'x'), -32600],
  ])('%s', async (_title, line, code) => {
    const client = await converse(BEHAVIOURS, ['--line-limit', '1mb']);
    client.send(line);
    expect(faultOf(await client.next((message) => message['id'] === null))['code']).toBe(code);
    await client.expectEcho();
    await client.expectClean();
  });

  test.each([
    ['a number as a method', '{"jsonrpc":"2.0","id":"x","method":7}', -32600],
    ['null params', '{"jsonrpc":"2.0","id":"x","method":"ping","params":null}', -32600],
    ['a request without "jsonrpc"', '{"id":"x","method":"ping"}', -32600],
    [
      'a control character in a string',
      '{"jsonrpc":"2.0","id":"x","method":"ping","params":{"text":"\u0001"}}',
      -32700,
    ],
    [
      'a request over the limit',
      `{"jsonrpc":"2.0","id":"x","method":"ping","params":{"text":"${'x'.repeat(2 * MB)}"}}`,
      -32600,
    ],
  ])('%s, which is refused with its id', async (_title, line, code) => {
    const client = await converse(BEHAVIOURS, ['--line-limit', '1mb']);
    client.send(line);
    expect(faultOf(await client.answerTo('x'))['code']).toBe(code);
    await client.expectEcho();
    await client.expectClean();
  });

  test('an id that is in flight', async () => {
    const client = await converse(BEHAVIOURS);
    client.call('same', 'wait', { ms: 300 });
    client.call('same', 'echo');
    expect(faultOf(await client.answerTo('same'))).toEqual({ code: -32600, reason: 'duplicate_id' });
    await client.next((message) => textOf(message['result']) === 'waited');
    await client.expectEcho();
    await client.expectClean();
  });

  test('an answer of 32 MB, second answers and answers that nobody asked for', async () => {
    const client = await converse(BEHAVIOURS);
    client.call('large', 'large', { bytes: 32 * MB });
    expect(faultOf(await client.answerTo('large'))['reason']).toBe('line_too_long');
    const twice = JSON.stringify({ jsonrpc: '2.0', id: 'twice', result: { first: true } });
    client.call('twice', 'write', {
      lines: [twice, twice, '{"jsonrpc":"2.0","id":"nobody","result":{}}', 'hello'],
    });
    await client.answerTo('twice');
    await client.expectEcho();
    expect(client.received.filter(({ id }) => id === 'twice')).toHaveLength(1);
    expect(client.received.filter(({ id }) => id === 'nobody')).toEqual([]);
    await client.expectClean();
  });
});

test.each(['exit', 'kill'])('fails what is in flight and ends when the server ends (%s)', async (tool) => {
  const client = await converse(BEHAVIOURS);
  client.call('a', 'never');
  client.call('b', tool, { code: 3 });
  for (const id of ['a', 'b'])
    expect(faultOf(await client.answerTo(id))).toEqual({ code: -32603, reason: 'upstream_exited' });
  const { code } = await inTime(client.run.exited, 'the exit');
  expect(code).toBe(tool === 'exit' ? 3 : 137);
  await client.expectClean();
});

test('a client that never reads makes the server wait, and not our memory grow', async () => {
  const memory = measurable();
  const client = await converse(BEHAVIOURS, [], memory.env);
  const { pid } = client.run;
  const before = await memory.heldMb(pid, []);
  client.run.stdout.pause();
  for (let n = 0; n < 64; n++) client.call(n, 'large', { bytes: 4 * MB });
  expect((await memory.heldMb(pid, childrenOf(pid))) - before).toBeLessThan(50);
  client.run.signal('SIGKILL');
  await client.expectClean();
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s answers what is in flight, in the end',
  async (signal) => {
    const client = await converse(fixtureServer('stubborn'), ['--drain-timeout', '200ms']);
    client.call('a', 'never');
    await client.expectEcho();
    client.run.signal(signal);
    expect(faultOf(await client.answerTo('a'))['reason']).toBe('shutting_down');
    expect(await inTime(client.run.exited, 'the exit')).toEqual({ code: 0, signal: null });
    await client.expectClean();
  },
);

interface Conversation {
  readonly run: McpRun;
  readonly received: readonly Json[];
  send(line: string | Buffer): void;
  call(id: string | number, tool: string, args?: Json): void;
  next(matches: (message: Json) => boolean): Promise<Json>;
  answerTo(id: string | number): Promise<Json>;
  expectEcho(): Promise<void>;
  /** Ends it, and looks at what it leaves. */
  expectClean(): Promise<void>;
}

/** A conversation that is initialized, on the bare pipes. */
async function converse(
  server: readonly string[],
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Conversation> {
  const run = spawnMcpRun(['serve', '--stdio', ...args, '--', ...server], { env });
  const received: Json[] = [];
  const watchers = new Set<(message: Json) => void>();
  let parts: Buffer[] = [];
  run.stdout.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    if (!chunk.includes(10)) return;
    const lines = Buffer.concat(parts).toString().split('\n');
    parts = [Buffer.from(lines.pop() ?? '')];
    for (const line of lines) {
      // Nothing but messages may stand there.
      const message = json(JSON.parse(line));
      received.push(message);
      watchers.forEach((watch) => watch(message));
    }
  });

  const client: Conversation = {
    run,
    received,
    send: (line) => void run.stdin.write(Buffer.concat([Buffer.from(line), Buffer.from('\n')])),
    call: (id, name, input = {}) =>
      client.send(
        JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: input } }),
      ),
    next: (matches) => inTime(waitFor(matches), 'a message'),
    answerTo: (id) => client.next((message) => message['id'] === id && message['method'] === undefined),
    async expectEcho() {
      client.call('echo', 'echo', { still: 'here' });
      const answer = await client.answerTo('echo');
      expect(at(answer, 'result', 'structuredContent', 'arguments')).toEqual({ still: 'here' });
    },
    async expectClean() {
      const pids = [run.pid, ...childrenOf(run.pid)];
      run.stdin.end();
      run.stdout.resume();
      await inTime(run.exited, 'the exit');
      expect(await settled(() => pids.filter(processAlive)), 'orphans').toEqual([]);
      expect(unreadable(run.logs), 'log lines').toEqual([]);
    },
  };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO };
  client.send(JSON.stringify({ jsonrpc: '2.0', id: 'init', method: 'initialize', params }));
  await client.answerTo('init');
  client.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return client;

  function waitFor(matches: (message: Json) => boolean): Promise<Json> {
    const known = received.find(matches);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      const watch = (message: Json): void => {
        if (!matches(message)) return;
        watchers.delete(watch);
        resolve(message);
      };
      watchers.add(watch);
    });
  }
}
