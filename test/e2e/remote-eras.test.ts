/** Remote servers that list 2026-07-28 alone: those that accept `initialize` as well are not translated, the others are. */
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Endpoint } from '../support/clients.ts';
import { at, json, type Json } from '../support/json.ts';
import { spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { MCP_RUN, NODE } from '../support/paths.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { connectSdkV2 } from '../support/sdk-v2.ts';
import { initializeResult, SESSION } from '../upstream/http/remote.ts';
import {
  answerTo,
  nameOf,
  openScriptedServer,
  type Call,
  type ScriptedServer,
} from '../upstream/http/scripted-server.ts';

const MODERN = '2026-07-28';
const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: [MODERN],
  capabilities: { tools: {}, logging: {} },
  ttlMs: 0,
  cacheScope: 'private',
};
const LOG = { method: 'notifications/message', params: { level: 'info', data: 'a line' } };
const TRANSPORTS = ['stdio', 'http', 'sse'] as const;
type Transport = (typeof TRANSPORTS)[number];

describe.each(TRANSPORTS)('over %s', (transport) => {
  test.each([
    ['raw', connectRaw],
    ['SDK v1', connectSdkV1],
    ['SDK v2', connectSdkV2],
  ])('a legacy client (%s) of a server on the SDK 2.x gets its log lines', async (_title, connect) => {
    const client = await connect(await serveUrl(await openSdkServer(), transport));
    expect(await client.request('tools/call', { name: 'logs', arguments: {} })).toMatchObject({
      content: [{ text: 'done' }],
    });
    expect(client.incoming).toContainEqual({ jsonrpc: '2.0', ...LOG });
  });

  test('a client’s own session with a server of both eras is the only one, and found once for all clients', async () => {
    const server = await openDualServer();
    const gateway = transport === 'stdio' ? undefined : await startRun(server.url);
    const endpointOf = async (): Promise<Endpoint> =>
      gateway === undefined || transport === 'stdio'
        ? await serveUrl(server.url, 'stdio')
        : endpoint(gateway, transport);
    for (let number = 1; number <= 2; number += 1) {
      const client = await connectRaw(await endpointOf());
      await callTool(client);
      expect(client.incoming).toContainEqual({ jsonrpc: '2.0', ...LOG });
      await client.close();
    }
    const calls = server.of('tools/call');
    // One session is our own, and ends before that of the first client begins; over stdio there are two runs.
    const [own, clients] =
      transport === 'stdio'
        ? [
            ['session-1', 'session-3'],
            ['session-2', 'session-4'],
          ]
        : [['session-1'], ['session-2', 'session-3']];
    expect(calls.map(({ headers }) => headers[SESSION])).toEqual(clients);
    expect(calls.every(({ message }) => json(message['params'])['_meta'] === undefined)).toBe(true);
    expect(server.of('initialize')).toHaveLength(own.length + clients.length);
    const ended = server.of('DELETE').map(({ headers }) => headers[SESSION]);
    expect(ended).toEqual(expect.arrayContaining(own));
    expect(server.of('server/discover')).toHaveLength(transport === 'stdio' ? 2 : 1);
  });
});

const REFUSALS: [title: string, refuse: (call: Call) => void, isFinal: boolean, session?: string][] = [
  ['with an error', (call) => call.json(errorFor(call, -32022), {}, 400), true],
  ['with status 404 and an error', (call) => call.json(errorFor(call, -32601), {}, 404), true],
  ['with an error at status 200', (call) => call.json(errorFor(call, -32601)), true],
  ['with status 400', (call) => call.status(400), true],
  ['with status 405', (call) => call.status(405), true],
  ['with status 500', (call) => call.status(500), false],
  ['by breaking the connection', (call) => call.destroy(), false],
  ['with its own revision', (call) => call.result({ ...initializeResult(), protocolVersion: MODERN }), true],
  [
    'with its own revision and a session',
    (call) => call.result({ ...initializeResult(), protocolVersion: MODERN }, { [SESSION]: 'unused' }),
    true,
    'unused',
  ],
  ['with an empty result', (call) => call.result({}), true],
  ['with no JSON', (call) => call.status(200, { 'content-type': 'application/json' }, '{'), false],
];

describe('a server without handshake that answers initialize', () => {
  test.each(REFUSALS)('%s is translated', async (...[, refuse, isFinal, session]) => {
    const server = await openModernServer(refuse);
    const gateway = await startRun(server.url);
    for (const transport of ['http', 'sse'] as const) {
      const client = await connectRaw(endpoint(gateway, transport));
      expect(client.initializeResult).toMatchObject({ protocolVersion: '2025-11-25' });
      await callTool(client);
      await client.close();
    }
    const asked = server.of('initialize').length;
    // What the server has refused for good is no failure of it, and it is not tried again on that account.
    if (isFinal) expect(gateway.logs.map(({ event }) => event)).not.toContain('server.start-failed');
    if (isFinal) expect(asked).toBe(1);
    else expect(asked).toBeGreaterThan(1);
    if (session !== undefined) await server.waitFor(({ method }) => method === 'DELETE');
    const ended = server.of('DELETE').map(({ headers }) => headers[SESSION]);
    expect(ended).toEqual(session === undefined ? [] : [session]);
    expect(server.of('tools/call').some(({ headers }) => SESSION in headers)).toBe(false);
  });
});

test.each([['--isolation', 'shared'], ['--stateless']])(
  'a server of both eras that all clients share is not translated: %s %s',
  async (...args) => {
    const server = await openDualServer();
    const gateway = await startMcpRun(['serve', '--http', '--port', '0', ...args, server.url]);
    const client = await connectRaw(endpoint(gateway, 'http'));
    await callTool(client);
    expect(server.of('tools/call').map(({ headers }) => headers[SESSION])).toEqual(['session-2']);
  },
);

test('a modern client of a server of both eras goes its own way, before and after a legacy one', async () => {
  const url = await openSdkServer();
  const gateway = await startRun(url);
  for (let round = 0; round < 2; round += 1) {
    const modern = await connectSdkV2Modern(endpoint(gateway, 'http'));
    expect(await modern.request('tools/list')).toMatchObject({ tools: [{ name: 'logs' }] });
    const legacy = await connectSdkV2(endpoint(gateway, 'http'));
    await legacy.request('tools/call', { name: 'logs', arguments: {} });
    expect(legacy.incoming).toContainEqual({ jsonrpc: '2.0', ...LOG });
  }
});

test('mcp-run check tells both eras of a server that lists one', async () => {
  expect(await check(await openSdkServer())).toMatchObject({ era: 'both', revision: '2025-11-25', tools: 1 });
});

test('mcp-run check tells a server without handshake by the revision that it answers with', async () => {
  const { url } = await openModernServer((call) =>
    call.result({ ...initializeResult(), protocolVersion: MODERN }, { [SESSION]: 'unused' }),
  );
  expect(await check(url)).toMatchObject({ era: 'modern', revision: MODERN, tools: 0 });
});

async function check(url: string): Promise<unknown> {
  const run = spawnMcpRun(['check', '--json', url]);
  let text = '';
  for await (const chunk of run.stdout) text += String(chunk);
  return at(JSON.parse(text), 'servers', 0);
}

async function callTool(client: RawClient): Promise<void> {
  expect(await client.request('tools/call', { name: 'any', arguments: {} })).toMatchObject({
    content: [{ text: 'done' }],
  });
}

async function startRun(url: string): Promise<ListeningMcpRun> {
  return await startMcpRun(['serve', '--http', '--sse', '--port', '0', url]);
}

function endpoint({ url }: ListeningMcpRun, kind: 'http' | 'sse'): Endpoint {
  return { kind, url: `${url}${kind === 'sse' ? '/sse' : '/mcp'}` };
}

async function serveUrl(url: string, transport: Transport): Promise<Endpoint> {
  if (transport === 'stdio')
    return { kind: 'stdio', command: NODE, args: [MCP_RUN, 'serve', '--stdio', url] };
  return endpoint(await startRun(url), transport);
}

/** A server on the official SDK, of both eras. */
async function openSdkServer(): Promise<string> {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'sdk', version: '1' }, { capabilities: { logging: {} } });
    server.registerTool('logs', { inputSchema: z.object({}) }, async (_arguments, { mcpReq }) => {
      await mcpReq.notify(LOG);
      return { content: [{ type: 'text', text: 'done' }] };
    });
    return server;
  });
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
      const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]);
      const body = chunks.length === 0 ? null : Buffer.concat(chunks);
      const answer = await handler.fetch(
        new Request(`http://127.0.0.1${request.url}`, { method: request.method ?? '', headers, body }),
      );
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      for await (const chunk of answer.body ?? []) response.write(chunk);
      response.end();
    })().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** A server of both eras, with sessions, that lists the modern one only. */
function openDualServer(): Promise<ScriptedServer> {
  let sessions = 0;
  return openScriptedServer((call) => {
    const name = nameOf(call);
    if (name === 'server/discover') return call.result(DISCOVERED);
    if (name === 'GET') return call.status(405);
    if (name === 'initialize')
      return call.result(initializeResult(), { [SESSION]: `session-${(sessions += 1)}` });
    if (name !== 'tools/call') return 'id' in call.message ? call.result({}) : call.status(202);
    const stream = call.stream();
    stream.event({ jsonrpc: '2.0', ...LOG });
    stream.event(answerTo(call, { content: [{ type: 'text', text: 'done' }] }));
    stream.end();
  });
}

/** A server of 2026-07-28 alone. */
function openModernServer(initialize: (call: Call) => void): Promise<ScriptedServer> {
  return openScriptedServer((call) => {
    const name = nameOf(call);
    if (name === 'server/discover') return call.result(DISCOVERED);
    if (name === 'initialize') return initialize(call);
    if (name === 'DELETE') return call.status(200);
    if (json(json(call.message['params'])['_meta'])['io.modelcontextprotocol/protocolVersion'] !== MODERN)
      return call.status(400);
    return call.result({ resultType: 'complete', tools: [], content: [{ type: 'text', text: 'done' }] });
  });
}

function errorFor({ message }: Call, code: number): Json {
  return { jsonrpc: '2.0', id: message['id'], error: { code, message: 'Unsupported', data: {} } };
}
