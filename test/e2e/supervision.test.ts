/** Servers that do not start, start slowly, or stop being MCP servers. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { open, post, postOpen, send, type Answer } from '../support/http.ts';
import { at, json, type Json } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun, type ListeningMcpRun, type McpRun } from '../support/mcp-run.ts';
import { measurable } from '../support/memory.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
import { childrenOf, orphans } from '../support/processes.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

test('a server that fails to start is in backoff, and ready again by itself when it is repaired', async () => {
  const fault = createFault();
  const gateway = await startMcpRun(serve(['--http'], fixtureServer('dies-while', fault.file)));
  expect(await readiness(gateway)).toEqual([200, { status: 'ready' }]);

  expect(await initialize(gateway)).toMatchObject({ status: 200 });
  expect(await readiness(gateway)).toEqual([503, { status: 'not ready', reasons: ['backoff'] }]);
  expect((await send(`${gateway.url}/healthz`)).status).toBe(200);

  fault.repair();
  await expect.poll(async () => (await readiness(gateway))[0]).toBe(200);
  expect(at(JSON.parse((await initialize(gateway)).text), 'result', 'serverInfo', 'name')).toBe('dies-while');
  expect(await readiness(gateway)).toEqual([200, { status: 'ready' }]);
  expect(statesOf(gateway)).toEqual(['backoff', 'ready']);
});

test('a server that keeps failing is in a crash loop: new clients get 503 and when to come back', async () => {
  const fault = createFault();
  const gateway = await startMcpRun(serve(['--http', '--sse'], fixtureServer('dies-while', fault.file)));
  await Promise.all(Array.from({ length: 5 }, () => initialize(gateway)));
  expect(await readiness(gateway)).toEqual([503, { status: 'not ready', reasons: ['crash loop'] }]);

  const refused = await initialize(gateway);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(10);
  expect(at(JSON.parse(refused.text), 'error', 'data', 'reason')).toBe('crash_loop');
  expect((await send(`${gateway.url}/sse`)).status).toBe(503);
  expect(statesOf(gateway).at(-1)).toBe('crash-loop');
});

test('a server that dies right after initialize fails to start, too', async () => {
  const fault = createFault();
  const command = fixtureServer('dies-while', fault.file, '--after-initialize');
  const gateway = await startMcpRun(serve(['--http'], command));
  const { headers } = await initialize(gateway);
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
  const session = { 'mcp-session-id': String(headers['mcp-session-id']) };
  const { text } = await post(`${gateway.url}/mcp`, list, session);
  expect(at(JSON.parse(text), 'error', 'data', 'reason')).toBe('upstream_exited');
  expect(await readiness(gateway)).toEqual([503, { status: 'not ready', reasons: ['backoff'] }]);
  // The session is over: its client is told to initialize anew.
  expect((await post(`${gateway.url}/mcp`, { ...list, id: 3 }, session)).status).toBe(404);
});

test('why a server does not start is one line in the log, with its last words and a hint', async () => {
  const run = spawnMcpRun(['serve', '--stdio', '--', process.execPath, '/no/such/server.js']);
  const answer = firstLine(run);
  run.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
  const error = at(await answer, 'error');
  expect(at(error, 'message')).toMatch(/exited \(exit code 1\)\. A file or module is missing/);
  expect(at(error, 'data', 'hint')).toContain('A file or module is missing');
  expect(at(error, 'data', 'stderr')).toContain('MODULE_NOT_FOUND');
  expect(String(at(error, 'data', 'stderr')).split('\n').length).toBeLessThanOrEqual(5);
  const line = await run.waitForLog(({ event }) => event === 'server.start-failed');
  expect(line['msg']).toMatch(
    /exited \(exit code 1\); its last words: .*MODULE_NOT_FOUND.*A file or module is missing/,
  );
});

test("a network client is told why, but not the server's last words", async () => {
  const gateway = await startMcpRun(serve(['--http'], [process.execPath, '/no/such/server.js']));
  const { text } = await initialize(gateway);
  expect(at(JSON.parse(text), 'error', 'data')).toEqual({
    reason: 'upstream_exited',
    hint: expect.stringContaining('A file or module is missing'),
  });
  expect(text).not.toContain('/no/such');
});

test.each(['http', 'sse'] as const)(
  'a client that leaves over %s while its server starts leaves neither process nor session',
  async (kind) => {
    const args = ['--log-level', 'debug', '--max-sessions', '1'];
    const gateway = await startMcpRun(serve([`--${kind}`], fixtureServer('silent'), ...args));
    const leave = await beginInitialize(gateway, kind);
    const { pid } = await gateway.waitForLog(({ event }) => event === 'server.started');
    leave();
    const exited = await gateway.waitForLog(({ event }) => event === 'server.exited');
    expect(exited['msg']).toContain('stopped');
    expect(await orphans([Number(pid)])).toEqual([]);
    // There is room for one session, and it is free.
    const leaveAgain = await beginInitialize(gateway, kind);
    await expect.poll(() => gateway.logs.filter(({ event }) => event === 'server.started').length).toBe(2);
    leaveAgain();
    expect(statesOf(gateway)).not.toContain('backoff');
  },
);

test('a server whose stdout is strict is ended by a line that is not MCP', async () => {
  const [command, ...args] = fixtureServer('behaviours');
  const manifest = { mcpServers: { strict: { command, args, stdout: 'strict' } } };
  const folder = createFolder();
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify(manifest));
  const options = ['--http', '--port', '0', '--log-level', 'debug'];
  const gateway = await startMcpRun(['serve', ...options], { cwd: folder });
  const { headers } = await initialize(gateway);
  const call = {
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: { name: 'write', arguments: { lines: ['debug: hello'] } },
  };
  const session = { 'mcp-session-id': String(headers['mcp-session-id']) };
  const { text } = await post(`${gateway.url}/mcp`, call, session);
  expect(text).toContain('stdout_not_mcp');
  await gateway.waitForLog(({ event }) => event === 'server.stdout-refused');
  const line = await gateway.waitForLog(({ event }) => event === 'server.stdout-line');
  expect(line).toMatchObject({ level: 'debug', msg: 'refused: debug: hello' });
});

test('lines of 32 MB are refused without keeping their memory, and the next call works', async () => {
  const memory = measurable();
  const gateway = await startMcpRun(serve(['--http'], fixtureServer('behaviours')), { env: memory.env });
  const { headers } = await initialize(gateway);
  const session = { 'mcp-session-id': String(headers['mcp-session-id']) };
  const call = async (id: number, name: string, args: Json): Promise<string> => {
    const params = { name, arguments: args };
    return (await post(`${gateway.url}/mcp`, { jsonrpc: '2.0', id, method: 'tools/call', params }, session))
      .text;
  };
  const large = (id: number): Promise<string> => call(id, 'large', { bytes: 32 * 1024 * 1024 });
  expect(await large(2)).toContain('line_too_long');
  const before = await memory.heldMb(gateway.pid, []);
  for (let id = 3; id < 10; id++) expect(await large(id)).toContain('line_too_long');
  expect(await call(20, 'echo', { a: 1 })).toContain('"a":1');
  expect((await memory.heldMb(gateway.pid, [])) - before).toBeLessThan(16);
});

test('a reader that closed our stdout ends us as SIGTERM does', async () => {
  const run = spawnMcpRun(['serve', '--stdio', '--', ...fixtureServer('behaviours')]);
  const answer = firstLine(run);
  run.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
  await answer;
  const pids = childrenOf(run.pid);
  run.stdout.destroy();
  run.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' })}\n`);
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(await orphans(pids)).toEqual([]);
});

test('with network transports a reader that closed our stderr changes nothing', async () => {
  const args = serve(['--http'], fixtureServer('behaviours'), '--log-level', 'debug');
  const child = spawn(NODE, [MCP_RUN, ...args], {
    env: { ...process.env, MCP_RUN_LOG_FORMAT: 'json' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGTERM'));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve) => {
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += String(chunk);
      const found = /"url":"([^"]+)"/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  child.stderr.destroy();
  for (let round = 0; round < 3; round++) {
    expect((await post(`${url}/mcp`, INITIALIZE)).status).toBe(200);
  }
  expect((await send(`${url}/readyz`)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

/** A file that keeps the fixture from working, as long as it is there. */
function createFault(): { file: string; repair: () => void } {
  const file = join(createFolder(), 'fault');
  writeFileSync(file, '');
  return { file, repair: () => rmSync(file) };
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function initialize({ url }: ListeningMcpRun): Promise<Answer> {
  return post(`${url}/mcp`, INITIALIZE);
}

/** @returns what makes the client leave */
async function beginInitialize({ url }: ListeningMcpRun, kind: 'http' | 'sse'): Promise<() => void> {
  const leaving = new AbortController();
  const { signal } = leaving;
  if (kind === 'http') {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    open(`${url}/mcp`, { method: 'POST', headers, signal }, JSON.stringify(INITIALIZE)).catch(() => {});
    return () => leaving.abort();
  }
  const stream = await open(`${url}/sse`, { headers: { accept: 'text/event-stream' }, signal });
  expect(stream.statusCode).toBe(200);
  const endpoint = await new Promise<string>((resolve) =>
    stream.once('data', (chunk) => resolve(/data: (\S+)/.exec(String(chunk))?.[1] ?? '')),
  );
  // Answered once the server has taken it, which is after its start.
  void postOpen(`${url}${endpoint}`, INITIALIZE).then((incoming) => incoming.resume());
  return () => leaving.abort();
}

async function readiness({ url }: ListeningMcpRun): Promise<[status: number, body: unknown]> {
  const { status, text } = await send(`${url}/readyz`);
  return [status, JSON.parse(text)];
}

/** The states that were logged at the default level. */
function statesOf({ logs }: McpRun): unknown[] {
  return logs.filter(({ event }) => event === 'server.state').map(({ state }) => state);
}

async function firstLine({ stdout }: McpRun): Promise<Json> {
  let text = '';
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return json(JSON.parse(text.slice(0, text.indexOf('\n'))));
}
