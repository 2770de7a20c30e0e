/** A remote server that is down, goes down, and comes back, as its clients and an operator see it. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { callTool, RpcFailure } from '../support/clients.ts';
import { post, send } from '../support/http.ts';
import { at, json, textOf } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

test('down at the start: clients are told, readiness too, and it recovers by itself', async () => {
  const port = await freePort();
  const gateway = await startGateway(`http://127.0.0.1:${port}/mcp`);
  expect((await readiness(gateway)).status).toBe(200);

  const refused = await post(`${gateway.url}/mcp`, INITIALIZE);
  expect(JSON.parse(refused.text)).toMatchObject({
    id: 1,
    error: { code: -32603, data: { reason: 'upstream_unreachable' } },
  });
  expect(at(JSON.parse(refused.text), 'error', 'message')).toContain('the connection was refused');
  expect(await readiness(gateway)).toMatchObject({ status: 503 });
  expect((await send(`${gateway.url}/healthz`)).status).toBe(200);

  await startRemote(port);
  await expect.poll(async () => (await readiness(gateway)).status).toBe(200);
  const client = await connectSdkV1({ kind: 'http', url: `${gateway.url}/mcp` });
  expect(textOf(await callTool(client, 'echo', { now: 'up' }))).toBe('{"now":"up"}');
});

test('killed in the middle of a call: it fails at once, and the same session goes on when it is back', async () => {
  const port = await freePort();
  const remote = await startRemote(port);
  const gateway = await startGateway(`http://127.0.0.1:${port}/mcp`);
  const client = await connectRaw({ kind: 'http', url: `${gateway.url}/mcp` });
  await client.request('logging/setLevel', { level: 'warning' });
  const { call, running } = startWaiting(client);
  await running;

  remote.signal('SIGKILL');
  const failure = await call.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RpcFailure);
  expect(failure).toMatchObject({
    code: -32603,
    data: { reason: expect.stringMatching(/^upstream_(stream_lost|unreachable)$/) },
  });
  // Nobody has to call to have it noticed.
  await expect.poll(async () => (await readiness(gateway)).status).toBe(503);
  await expect(callTool(client, 'echo')).rejects.toMatchObject({ data: { reason: 'upstream_unreachable' } });

  await startRemote(port);
  await expect.poll(async () => (await readiness(gateway)).status).toBe(200);
  expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
  // The new session has been set up as the old one was.
  const received = await callTool(client, 'received', { containing: '"logging/setLevel"' });
  expect(at(received, 'structuredContent', 'lines', 0)).toContain('"warning"');
});

test('one server that is down leaves the others alone', async () => {
  const [up, down] = [await freePort(), await freePort()];
  await startRemote(up);
  const config = JSON.stringify({
    mcpServers: {
      up: { url: `http://127.0.0.1:${up}/mcp` },
      down: { url: `http://127.0.0.1:${down}/mcp` },
    },
  });
  const gateway = await startMcpRun(['serve', '--http', '--port', '0', '--config', await fileOf(config)]);
  expect(at(JSON.parse((await post(`${gateway.url}/down/mcp`, INITIALIZE)).text), 'error', 'code')).toBe(
    -32603,
  );
  const client = await connectSdkV1({ kind: 'http', url: `${gateway.url}/up/mcp` });
  expect(textOf(await callTool(client, 'echo', {}))).toBe('{}');
  expect(await readiness(gateway)).toEqual({ status: 503, reasons: ['backoff'] });
});

test('a page instead of an answer reaches nobody, and a server that wants authorization says so over stdio', async () => {
  const answers = new Map([
    ['/page', { status: 500, headers: { 'content-type': 'text/html' }, body: '<html><b>secret</b></html>' }],
    ['/shut', { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: '' }],
  ]);
  const server = await listen(
    createServer((request, response) => {
      const { status = 404, headers = {}, body = '' } = answers.get(request.url ?? '') ?? {};
      response.writeHead(status, headers).end(body);
    }),
  );
  const gateway = await startGateway(`${server}/page`);
  const { text } = await post(`${gateway.url}/mcp`, INITIALIZE);
  expect(JSON.parse(text)).toMatchObject({ error: { code: -32603, data: { reason: 'upstream_http' } } });
  expect(text).not.toMatch(/secret|</);

  const run = spawnMcpRun(['serve', '--stdio', '--no-oauth', `${server}/shut`]);
  run.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
  const [answer] = await once(run.stdout, 'data');
  expect(JSON.parse(String(answer))).toMatchObject({
    id: 1,
    error: { code: -32603, message: expect.stringContaining('wants authorization') },
  });
  expect((await run.exited).code).toBe(3);
});

async function startRemote(port: number): Promise<ListeningMcpRun> {
  const args = serve(['--http'], fixtureServer('behaviours'));
  return await startMcpRun(args.map((arg) => (arg === '0' ? String(port) : arg)));
}

function startGateway(url: string): Promise<ListeningMcpRun> {
  return startMcpRun(['serve', '--http', '--port', '0', url]);
}

/** A call that goes on until something ends it. */
function startWaiting(client: Awaited<ReturnType<typeof connectRaw>>) {
  let started = (): void => {};
  const running = new Promise<void>((resolve) => (started = resolve));
  const call = client.request('tools/call', { name: 'wait', arguments: {} }, { onProgress: () => started() });
  return { call, running };
}

async function readiness({ url }: ListeningMcpRun) {
  const { status, text } = await send(`${url}/readyz`);
  return { ...json(JSON.parse(text)), status };
}

async function fileOf(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-run-outage-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mcp.json');
  await writeFile(file, text);
  return file;
}

/** One that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
