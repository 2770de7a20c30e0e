import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { start } from './binary.ts';

const RECORDER = fileURLToPath(new URL('../../fixtures/record-modules.js', import.meta.url));
const DEMO = fileURLToPath(new URL('../../dist/demo/server.js', import.meta.url));
const READY = /gateway\.ready.*\n/;
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};

test('one line of JSON says what is served, where, from which file and how to connect', async () => {
  const manifest = {
    mcpServers: { a: { command: process.execPath, args: [DEMO] }, b: { command: process.execPath } },
  };
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify(manifest) });
  const running = start(['serve', '--port', '0'], { cwd });
  const ready: unknown = JSON.parse(await running.stderrUntil(READY));
  const { url } = Object(ready);
  expect(ready).toMatchObject({
    level: 'info',
    event: 'gateway.ready',
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    transports: ['http', 'sse'],
    source: 'mcp.json',
    servers: [
      { name: 'a', http: `${url}/a/mcp`, sse: `${url}/a/sse` },
      { name: 'b', http: `${url}/b/mcp`, sse: `${url}/b/sse` },
    ],
    connect: {
      mcpServers: { a: { type: 'http', url: `${url}/a/mcp` }, b: { type: 'http', url: `${url}/b/mcp` } },
    },
    curl: expect.stringContaining(`curl -s ${url}/a/mcp`),
  });
  running.process.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 0, stdout: '' });
});

describe('a manifest with a faulty entry', () => {
  const demo = { command: process.execPath, args: [DEMO] };
  const createFaulty = (good: object): Promise<string> =>
    createWorkspace({
      'mcp.json': `{"mcpServers": {\n"bad": ${JSON.stringify({ command: 'x', env: { A: '${NOPE}', KEY: 'hunter2' } })},\n"good": ${JSON.stringify(good)}}}`,
    });

  test('serves the others under their names, and logs what is wrong although it is quiet', async () => {
    const cwd = await createFaulty(demo);
    const running = start(['serve', '--port', '0'], { cwd });
    const log = await running.stderrUntil(READY);
    const [rejected, ready] = log
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(rejected).toMatchObject({
      level: 'error',
      event: 'manifest.entry-rejected',
      server: 'bad',
      code: 'MANIFEST_INVALID',
      problems: [{ file: 'mcp.json', line: 2, key: 'mcpServers.bad.env.A' }],
      msg: expect.stringContaining('the variable NOPE is not set'),
    });
    const { url } = Object(ready);
    expect(ready).toMatchObject({ servers: [{ name: 'good', http: `${url}/good/mcp` }] });
    expect(log).not.toContain('hunter2');
    const post = (path: string): Promise<Response> =>
      fetch(`${url}${path}`, { method: 'POST', headers: JSON_HEADERS, body: JSON.stringify(INITIALIZE) });
    expect((await post('/good/mcp')).status).toBe(200);
    const unknown = await post('/bad/mcp');
    expect({ status: unknown.status, text: await unknown.text() }).toEqual({
      status: 404,
      text: expect.not.stringMatching(/NOPE|variable|mcp\.json/),
    });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    const quiet = start(['serve', '--stdio', '--server', 'good', '--quiet'], { cwd });
    quiet.process.stdin.end(`${JSON.stringify(INITIALIZE)}\n`);
    expect(await quiet.ended).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('"id":1'),
    });
  });

  test('is logged with its place and a way out if it is only a URL that is not opened', async () => {
    const manifest = { mcpServers: { far: { url: 'http://192.0.2.1/mcp' }, good: demo } };
    const cwd = await createWorkspace({ 'mcp.json': JSON.stringify(manifest) });
    const running = start(['serve', '--port', '0'], { cwd });
    const [rejected = ''] = (await running.stderrUntil(READY)).split('\n');
    expect(JSON.parse(rejected)).toMatchObject({
      code: 'PLAIN_HTTP_REFUSED',
      msg: expect.stringMatching(/mcp\.json:1:29: mcpServers\.far\.url.*"allowHttp": true/),
    });
  });

  test('shows what is wrong above the start screen, and with --quiet in place of it', async () => {
    const cwd = await createFaulty(demo);
    const excerpt =
      /^error: rejected server "bad"; the others are served\n {2}mcpServers\.bad\.env\.A: .*\n {4}at mcp\.json:2:\d+\n {4}2 \| .*\n +\| +\^\n/m;
    const screen = start(['serve', '--port', '0', '--log-format', 'human'], { cwd });
    expect(await screen.stderrUntil(/Ctrl-C stops it/)).toMatch(excerpt);
    const quiet = start(['serve', '--port', '0', '--log-format', 'human', '--quiet'], { cwd });
    expect(await quiet.stderrUntil(/\^\n/)).toMatch(excerpt);
  });

  test.each([['--strict'], ['--stdio'], ['--server', 'bad']])('is refused with %s %s', async (...argv) => {
    const cwd = await createFaulty(demo);
    const { code, stderr } = await start(['serve', '--port', '0', ...argv], { cwd }).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(argv[0] === '--stdio' ? 'SERVER_AMBIGUOUS' : 'MANIFEST_INVALID');
  });

  test('is refused if no other server is left', async () => {
    const cwd = await createFaulty({ command: 'y', disabled: true });
    const { code, stderr } = await start(['serve', '--port', '0'], { cwd }).ended;
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('MANIFEST_INVALID') });
  });
});

test('the start screen of the demo shows the URL, what to paste, and a curl line', async () => {
  const running = start(['serve', '--demo', '--port', '0', '--log-format', 'human']);
  const screen = await running.stderrUntil(/Ctrl-C stops it/);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(screen)?.[0];
  expect(screen).toContain(`mcp-run serves demo at ${url} (from built-in demo)`);
  expect(screen).toContain(`"url": "${url}/mcp"`);
  expect(screen).toContain(`  curl -s ${url}/mcp -H`);
  expect(screen).not.toContain('\u001B[');
});

test('over stdio nothing but MCP is written to stdout, and the end of stdin is the end', async () => {
  const running = start(['serve', '--demo', '--stdio', '--quiet']);
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  running.process.stdin.end(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
  const { code, stdout, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ id: 1, result: { protocolVersion: '2025-11-25' } });
});

test.each(['..', 'a/../b', ' '])('a server cannot be named %j', async (name) => {
  const { code, stderr } = await start(['serve', '--port', '0', '--name', name, '--', 'x']).ended;
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('error: --name: ') });
});

test('a port in use is an error with exit code 4 and no stack trace', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await once(taken, 'listening');
  const address: AddressInfo | string | null = taken.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const { code, stderr } = await start(['serve', '--demo', '--port', port, '--log-format', 'human']).ended;
  expect(code).toBe(4);
  expect(stderr).toBe(
    `error: Port ${port} on 127.0.0.1 is in use\nhint: Choose another with --port, or --port 0 for a free one.\n`,
  );
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends it with 0', async (signal) => {
  const running = start(['serve', '--demo', '--port', '0']);
  await running.stderrUntil(READY);
  running.process.kill(signal);
  expect(await running.ended).toMatchObject({ code: 0, signal: null });
});

test('a second signal ends it at once, with 128 and its number', async () => {
  const running = start(['serve', '--demo', '--stdio', '--quiet', '--drain-timeout', '1h']);
  const send = (message: object): void => {
    running.process.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  send({ id: 1, method: 'initialize', params });
  await once(running.process.stdout, 'data');
  const call = { name: 'progress', arguments: { steps: 1000, pauseMs: 1000 }, _meta: { progressToken: 1 } };
  send({ id: 2, method: 'tools/call', params: call });
  await once(running.process.stdout, 'data');
  // Two of one kind could arrive as one.
  running.process.kill('SIGTERM');
  running.process.kill('SIGINT');
  const { code } = await running.ended;
  expect([130, 143]).toContain(code);
});

test('a command over stdio is served without loading a parser, a schema or a web server', async () => {
  const cwd = await createWorkspace();
  const record = join(cwd, 'modules');
  const { code } = await startRecorded(['serve', '--stdio', '--', process.execPath, DEMO], record);
  expect(code).toBe(0);
  const modules = await readFile(record, 'utf8');
  expect(modules).toContain('manifest/resolve/one-off.js');
  expect(modules).not.toContain('downstream/http/');
  expect(modules).not.toMatch(
    /node_modules\/(zod|jsonc-parser|yaml|chalk|fastify|undici|@modelcontextprotocol)\//,
  );
});

test('a URL over stdio is served without them, too', async () => {
  const record = join(await createWorkspace(), 'modules');
  const { code } = await startRecorded(['serve', '--stdio', 'http://127.0.0.1:1/mcp'], record);
  expect(code).toBe(0);
  const modules = await readFile(record, 'utf8');
  expect(modules).toContain('upstream/http/remote.js');
  expect(modules).not.toContain('downstream/http/');
  expect(modules).not.toMatch(
    /node_modules\/(zod|jsonc-parser|yaml|chalk|fastify|undici|@modelcontextprotocol)\//,
  );
});

test('--version is answered without loading any package', async () => {
  const record = join(await createWorkspace(), 'modules');
  const { code } = await startRecorded(['--version'], record);
  expect(code).toBe(0);
  expect(await readFile(record, 'utf8')).not.toContain('node_modules');
});

function startRecorded(argv: string[], record: string) {
  const running = start(argv, { node: ['--import', RECORDER], env: { RECORD_MODULES: record } });
  running.process.stdin.end();
  return running.ended;
}
