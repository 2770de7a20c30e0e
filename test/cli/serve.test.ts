import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { start } from './binary.ts';

const RECORDER = fileURLToPath(new URL('../../fixtures/record-modules.js', import.meta.url));
const DEMO = fileURLToPath(new URL('../../dist/demo/server.js', import.meta.url));
const READY = /gateway\.ready.*\n/;

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
  expect(modules).toContain('manifest/one-off.js');
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
