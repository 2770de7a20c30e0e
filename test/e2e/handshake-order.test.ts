/** A client that writes its whole handshake at once: `initialize` arrives first, after any outcome of the probe. */
import { describe, expect, test } from 'vitest';
import { json, type Json } from '../support/json.ts';
import { spawnMcpRun, type McpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { INITIALIZE, initializeResult, SESSION } from '../upstream/http/remote.ts';
import {
  answerTo,
  nameOf,
  openScriptedServer,
  type Call,
  type ScriptedServer,
} from '../upstream/http/scripted-server.ts';
import { openSseServer } from '../upstream/http/sse-server.ts';

const UNKNOWN = { code: -32601, message: 'Method not found' };
const HANDSHAKE = ['initialize', 'notifications/initialized', 'tools/list'];
const NOTHING = (): void => {};

type AnswerProbe = (call: Call, times: number) => void;
type Probe = [title: string, answer: AnswerProbe, args?: string[]];

const PROBES: readonly Probe[] = [
  ['an error at status 200', (call) => call.json(errorFor(call))],
  [
    'an error on a stream',
    (call) => {
      const stream = call.stream();
      stream.event(errorFor(call));
      stream.end();
    },
  ],
  ['a result that is none', (call) => call.result({})],
  ['a result of both eras', (call) => call.result(discovered('2026-07-28', '2025-11-25'))],
  ['a result of the modern era', (call) => call.result(discovered('2026-07-28'))],
  ['an error at status 400', (call) => call.json(errorFor(call, -32000), {}, 400)],
  ['an error at status 404', (call) => call.json(errorFor(call), {}, 404)],
  ...[400, 404, 405, 406, 500, 501].map((status): Probe => [
    `status ${status}`,
    (call) => call.status(status),
  ]),
  ['nothing', NOTHING, ['--initialize-timeout', '3s']],
  ['a redirect', (call) => redirect(call, (again) => again.json(errorFor(again)))],
  ['a broken connection, and then an error', (call, times) => fail(call, times)],
  [
    'status 503, and then an error',
    (call, times) => (times === 1 ? call.status(503) : call.json(errorFor(call))),
  ],
];

describe('to a remote server that answers server/discover with', () => {
  test.each(PROBES)('%s', async (...[, probe, args = []]: Probe) => {
    const server = await openSessionServer(probe);
    expect(await writeAtOnce(server.url, args)).toMatchObject({ result: { tools: [] } });
    expect(arrivedAt(server)).toEqual(HANDSHAKE);
  });
});

test('to a remote server that listens only when it has been looked for in vain', async () => {
  const server = await openSessionServer((call) => call.json(errorFor(call)));
  await server.stop();
  const answer = await writeAtOnce(server.url, [], async (run) => {
    await run.waitForLog(({ event }) => event === 'remote.waiting');
    await server.listen();
  });
  expect(answer).toMatchObject({ result: { tools: [] } });
  expect(arrivedAt(server)).toEqual(HANDSHAKE);
});

test('to a remote server that speaks HTTP+SSE', async () => {
  const server = await openSseServer();
  expect(await writeAtOnce(server.url, [])).toMatchObject({ result: { path: expect.any(String) } });
  const posted = server.calls.filter(({ path, method }) => method === 'POST' && path !== '/mcp');
  expect(posted.map(nameOf)).toEqual(HANDSHAKE);
});

test.each(['behaviours', 'modern-behaviours', 'dual-behaviours'])('to a local server: %s', async (name) => {
  const answer = await writeAtOnce('--', fixtureServer(name));
  expect(answer).toMatchObject({ result: { tools: expect.arrayContaining([]) } });
});

/** Writes a handshake and a request to `mcp-run serve --stdio` in one write. @returns the answer to the request */
async function writeAtOnce(
  target: string,
  args: readonly string[],
  meanwhile: (run: McpRun) => Promise<void> = async () => {},
): Promise<Json> {
  const run = spawnMcpRun(
    target === '--' ? ['serve', '--stdio', '--', ...args] : ['serve', '--stdio', ...args, target],
  );
  const lines = [
    { id: 1, method: 'initialize', params: INITIALIZE },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list' },
  ];
  run.stdin.write(lines.map((line) => `${JSON.stringify({ jsonrpc: '2.0', ...line })}\n`).join(''));
  await meanwhile(run);
  let text = '';
  for await (const chunk of run.stdout) {
    text += String(chunk);
    const messages = text.split('\n').slice(0, -1);
    const answer = messages.map((line) => json(JSON.parse(line))).find(({ id }) => id === 2);
    if (answer !== undefined) return answer;
  }
  throw new Error(`no answer: ${text}`);
}

/** A server with sessions that accepts nothing without one, nor before the end of the handshake. */
function openSessionServer(probe: AnswerProbe): Promise<ScriptedServer> {
  let probes = 0;
  let isReady = false;
  return openScriptedServer((call) => {
    const name = nameOf(call);
    if (name === 'server/discover') return probe(call, (probes += 1));
    if (name === 'initialize') return call.result(initializeResult(), { [SESSION]: 'the-session' });
    if (name === 'GET') return call.status(405);
    if (call.headers[SESSION] !== 'the-session') return call.status(400, {}, 'no session');
    if (name === 'DELETE') return call.status(200);
    if (name === 'notifications/initialized') isReady = true;
    else if (!isReady) return call.status(400, {}, 'not initialized');
    return 'id' in call.message ? call.json(answerTo(call, { tools: [] })) : call.status(202);
  });
}

/** Without the questions of mcp-run, among them an `initialize` whose session ends at once. */
function arrivedAt({ calls }: ScriptedServer): string[] {
  const ofClient = calls.filter(({ message }) => message['id'] !== 'mcpr:offer');
  return ofClient.map(nameOf).filter((name) => !['server/discover', 'GET', 'DELETE'].includes(name));
}

function errorFor({ message }: Call, code = UNKNOWN.code): Json {
  return { jsonrpc: '2.0', id: message['id'], error: { ...UNKNOWN, code } };
}

function discovered(...supportedVersions: string[]): Json {
  return {
    resultType: 'complete',
    supportedVersions,
    capabilities: { tools: {} },
    ttlMs: 0,
    cacheScope: 'private',
  };
}

function redirect(call: Call, act: (call: Call) => void): void {
  if (call.path === '/moved') act(call);
  else call.status(307, { location: '/moved' });
}

function fail(call: Call, times: number): void {
  if (times === 1) call.destroy();
  else call.json(errorFor(call));
}
