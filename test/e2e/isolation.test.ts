/** Which clients have a server process in common, with tokens and real servers. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { ALICE, BOB, bearer } from '../support/bearer.ts';
import { eventsOf, MCP_HEADERS, open, post } from '../support/http.ts';
import { at, json, type Json } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';
import { fixtureServer } from '../support/paths.ts';
import { processAlive } from '../support/processes.ts';

const LEVEL = 'io.modelcontextprotocol/logLevel';
const MODERN = fixtureServer('modern-behaviours');
const DUAL = fixtureServer('dual-behaviours');
const LEGACY = fixtureServer('behaviours');
const SHARED = ['--isolation', 'shared'];

interface Way {
  readonly name: string;
  readonly server: readonly string[];
  readonly flags: readonly string[];
  readonly isModern: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'of 2026-07-28', server: MODERN, flags: [], isModern: true },
  { name: 'of both eras', server: DUAL, flags: [], isModern: true },
  { name: 'of 2025-11-25 for clients of 2026-07-28', server: LEGACY, flags: [], isModern: true },
  { name: 'of 2025-11-25 without sessions', server: LEGACY, flags: ['--stateless'], isModern: false },
  {
    name: 'of 2026-07-28 without sessions, for older clients',
    server: MODERN,
    flags: ['--stateless'],
    isModern: false,
  },
];

describe.each(WAYS)('a server $name', ({ server, flags, isModern }) => {
  const call = isModern ? callModern : callLegacy;

  test('has a process for each token, whose clients share it', async () => {
    const { url } = await start(server, ...flags);
    // At the same time, the first question to the server included.
    const [alice, bob, again] = await Promise.all([ALICE, BOB, ALICE].map((token) => pid(url, token, call)));
    expect(again).toBe(alice);
    expect(bob).not.toBe(alice);
    expect(await pid(url, BOB, call)).toBe(bob);
    expect(await pid(url, ALICE, call)).toBe(alice);
  });

  test('stops a process that is left idle, and starts the next one when it is needed', async () => {
    const { url } = await start(server, ...flags, '--child-idle', '200ms');
    const first = await pid(url, ALICE, call);
    await expect.poll(() => processAlive(first)).toBe(false);
    expect(await pid(url, ALICE, call)).not.toBe(first);
  });

  test('makes room for a process of the token that has left one idle, and of no other', async () => {
    const { url } = await startTwo(server, ...flags, '--max-children', '1');
    const first = await pid(`${url}/a`, ALICE, call);
    const refused = json(await call(`${url}/a`, BOB, 'process'));
    expect(at(refused, 'error', 'data', 'reason')).toBe('too_many_children');
    expect(processAlive(first)).toBe(true);
    expect(await pid(`${url}/b`, ALICE, call)).not.toBe(first);
    expect(processAlive(first)).toBe(false);
  });
});

test.each([
  { name: 'of 2026-07-28', server: MODERN, flags: SHARED, call: callModern },
  {
    name: 'of 2025-11-25 without sessions',
    server: LEGACY,
    flags: [...SHARED, '--stateless'],
    call: callLegacy,
  },
])('a server $name that is to be shared has one process for all tokens', async ({ server, flags, call }) => {
  const { url } = await start(server, ...flags);
  const pids = await Promise.all([ALICE, BOB, ALICE].map((token) => pid(url, token, call)));
  expect(new Set(pids).size).toBe(1);
});

test('a remote server has a conversation with each token', async () => {
  const remote = await startMcpRun(serve(['--http'], LEGACY));
  const file = await tokenFile();
  const { url } = await startMcpRun([
    ...['serve', '--http', '--port', '0', '--stateless', '--token-file', file],
    `${remote.url}/mcp`,
  ]);
  const pids = await Promise.all([ALICE, BOB, ALICE].map((token) => pid(url, token, callLegacy)));
  expect(new Set(pids).size).toBe(2);
});

describe.each([
  ['each token has a process', []],
  ['all tokens share one', SHARED],
])('where %s', (_name, flags) => {
  test('a log line of one token reaches no call of another one', async () => {
    const { url } = await start(MODERN, ...flags);
    const hanging = listenTo(url, ALICE, 'wait', { ms: 5_000 });
    await hanging.begun;
    const answer = await callModern(url, BOB, 'write', { lines: [logLine('of bob')] });
    expect(JSON.stringify(answer)).not.toContain('of alice');
    await hanging.leave();
    expect(hanging.texts.join()).not.toContain('of bob');
  });
});

test('a call that hangs hides no log lines of another call of its client', async () => {
  const { url } = await start(MODERN);
  const hanging = listenTo(url, ALICE, 'wait', { ms: 10_000 });
  await hanging.begun;
  const second = listenTo(url, ALICE, 'write', { lines: [logLine('of the second')] });
  await second.ended;
  expect(second.texts.join()).toContain('of the second');
  expect(hanging.texts.join()).not.toContain('of the second');
  await hanging.leave();
});

async function tokenFile(): Promise<string> {
  const file = join(await createWorkspace({ tokens: `${ALICE}\n${BOB}\n` }), 'tokens');
  await chmod(file, 0o600);
  return file;
}

async function start(server: readonly string[], ...flags: string[]): Promise<ListeningMcpRun> {
  return await startMcpRun(serve(['--http'], server, '--token-file', await tokenFile(), ...flags));
}

/** The same server under two names. */
async function startTwo(server: readonly string[], ...flags: string[]): Promise<ListeningMcpRun> {
  const [command, ...args] = server;
  const mcpServers = { a: { command, args }, b: { command, args } };
  const config = join(await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers }) }), 'mcp.json');
  const file = await tokenFile();
  return await startMcpRun([
    ...['serve', '--http', '--port', '0', '--config', config, '--token-file', file],
    ...flags,
  ]);
}

async function callModern(url: string, token: string, name: string, args: Json = {}): Promise<unknown> {
  const message = modernRequest('tools/call', 1, { name, arguments: args });
  return lastOf(await post(`${url}/mcp`, message, { ...bearer(token), ...mirroredHeaders(message) }));
}

async function callLegacy(url: string, token: string, name: string, args: Json = {}): Promise<unknown> {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } };
  return lastOf(await post(`${url}/mcp`, message, bearer(token)));
}

function lastOf({ text }: { readonly text: string }): unknown {
  const data = text
    .match(/^data: .*$/gm)
    ?.at(-1)
    ?.slice('data: '.length);
  return JSON.parse(data ?? text);
}

async function pid(url: string, token: string, call: typeof callModern): Promise<number> {
  const answer = await call(url, token, 'process');
  const found = at(answer, 'result', 'structuredContent', 'pid');
  if (typeof found !== 'number') throw new Error(JSON.stringify(answer));
  return found;
}

function logLine(data: string): string {
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } });
}

/** A call that asks for log lines, and what its stream brings. */
function listenTo(
  url: string,
  token: string,
  name: string,
  args: Json,
): { begun: Promise<void>; ended: Promise<void>; texts: string[]; leave(): Promise<void> } {
  const params = { name, arguments: args, _meta: { [LEVEL]: 'debug', progressToken: 'p' } };
  const message = modernRequest('tools/call', 1, params);
  const headers = { ...MCP_HEADERS, ...bearer(token), ...mirroredHeaders(message) };
  const abort = new AbortController();
  const texts: string[] = [];
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const ended = read().catch(() => {});
  return {
    begun,
    ended,
    texts,
    leave() {
      abort.abort();
      return ended;
    },
  };

  async function read(): Promise<void> {
    const answer = await open(
      `${url}/mcp`,
      { method: 'POST', headers, signal: abort.signal },
      JSON.stringify(message),
    );
    for await (const { data } of eventsOf(answer)) {
      texts.push(data);
      begin();
    }
  }
}
