/** What clients on the network learn about a server that fails: no path, nothing of its URL but the origin, no text of its own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MCP_HEADERS, open, post, send } from '../support/http.ts';
import { spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
/** Part of each path, of each text of a server, and of nothing that a client may learn. */
const HIDDEN = /hidden|confidential/i;

type Server = Record<string, unknown>;

test.each([
  ['with sessions', []],
  ['with one process for all', ['--isolation', 'shared']],
  ['without sessions', ['--stateless']],
])(
  'a gateway %s tells no path and no text of a server that fails',
  async (_title, args) => {
    const folder = temporaryFolder();
    const remote = await startRemote();
    const servers = { ...localServers(folder), ...remoteServers(remote) };
    const gateway = await start(folder, servers, ...args);
    const answers = await Promise.all(
      Object.keys(servers).map(async (name) => {
        const texts: string[] = [];
        // Often enough for a crash loop.
        for (let count = 0; count < 2; count += 1) texts.push(...(await askAll(gateway, name, args)));
        return [name, texts.join('\n')] as const;
      }),
    );
    for (const [name, text] of answers) {
      expect({ name, text }).toMatchObject({ text: expect.stringContaining('"error"') });
      expect(text).not.toMatch(HIDDEN);
      expect(text).not.toContain(folder);
    }
    const all = new Map(answers);
    expect(all.get('spaced')).toContain('command not found: no such.js');
    expect(all.get('windows')).toContain('command not found: tool.exe');
    expect(all.get('down')).toContain('cannot be reached at http://127.0.0.1:1: the connection was refused');
    expect(all.get('text')).toContain('answered with HTTP status 500');
    const log = JSON.stringify(gateway.logs);
    expect(log).toContain('/hidden folder/no such.js');
    expect(log).toContain('/hidden folder/data.txt is not executable');
    expect(log).toContain('/hidden-cwd');
    expect(log).toContain('/hidden/mcp');
  },
  120_000,
);

test.each([[[]], [['--isolation', 'shared']]])(
  'a client over stdio is told the URL: %j',
  async (args) => {
    const folder = temporaryFolder();
    const { down } = remoteServers(await startRemote());
    const file = manifestOf(folder, { one: down });
    const run = spawnMcpRun(['serve', '--config', file, '--stdio', '--initialize-timeout', '1s', ...args]);
    run.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
    let answer = '';
    for await (const chunk of run.stdout.iterator({ destroyOnReturn: false })) {
      answer += String(chunk);
      if (answer.endsWith('\n')) break;
    }
    expect(answer).toContain('http://127.0.0.1:1/hidden/mcp');
  },
  60_000,
);

function localServers(folder: string): Record<string, Server> {
  const hidden = join(folder, 'hidden folder');
  return {
    spaced: { command: join(hidden, 'no such.js') },
    relative: { command: './hidden/nothing' },
    home: { command: '~/hidden/nothing' },
    windows: { command: 'C:\\hidden\\tool.exe' },
    share: { command: '\\\\server\\hidden\\tool.exe' },
    url: { command: 'file:///hidden/nothing' },
    encoded: { command: '%2Fhidden%2Fnothing' },
    slash: { command: '/hidden/nothing/' },
    notExecutable: { command: join(hidden, 'data.txt') },
    directory: { command: folder.concat('/hidden folder') },
    cwd: { command: process.execPath, cwd: join(folder, 'hidden-cwd') },
    script: { command: process.execPath, args: [join(hidden, 'no-script.js')] },
    exits: {
      command: process.execPath,
      args: ['-e', 'console.error("EACCES: permission denied, open /hidden/file"); process.exit(3)'],
    },
  };
}

function remoteServers(remote: string): Record<string, Server> {
  const at = (url: string, more: Server = {}): Server => ({ type: 'http', url, oauth: false, ...more });
  return {
    down: at('http://127.0.0.1:1/hidden/mcp?token=confidential'),
    downSse: { ...at('http://127.0.0.1:1/hidden/sse'), type: 'sse' },
    text: at(`${remote}/hidden/text`),
    json: at(`${remote}/hidden/json`),
    html: at(`${remote}/hidden/html`),
    broken: at(`${remote}/hidden/broken`),
    redirect: at(`${remote}/hidden/redirect`),
    denied: at(`${remote}/hidden/denied`),
    stream: { ...at(`${remote}/hidden/stream`), type: 'sse' },
    endpoint: { ...at(`${remote}/hidden/endpoint`), type: 'sse' },
    oauth: {
      type: 'http',
      url: `${remote}/hidden/denied`,
      oauth: { grant: 'client-credentials', clientId: 'x', clientSecret: 'y' },
    },
  };
}

/** Answers each request as the last part of its path says, or the name of the tool that is called. */
async function startRemote(): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => answer(request, response, body));
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  const path = request.url?.split('?')[0] ?? '';
  const kind = path.endsWith('/works') ? kindOf(body) : path.split('/').at(-1);
  const { id = 1 } = JSON.parse(body === '' ? '{}' : body) as { id?: unknown };
  switch (kind) {
    case 'works': {
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: 'x', version: '1' },
      };
      return reply(response, 200, 'application/json', JSON.stringify({ jsonrpc: '2.0', id, result }));
    }
    case 'accepted':
      return void response.writeHead(202).end();
    case 'protocol': {
      const error = { code: -32000, message: 'a path of its own: /hidden' };
      return reply(response, 200, 'application/json', JSON.stringify({ jsonrpc: '2.0', id, error }));
    }
    case 'json':
      return reply(response, 422, 'application/json', '{"detail":"hidden at /hidden/file"}');
    case 'html':
      return reply(response, 200, 'text/html', '<p>hidden</p>');
    case 'broken':
      return reply(response, 200, 'application/json', '{"hidden": ');
    case 'gone':
      return void response.destroy();
    case 'redirect':
      return void response.writeHead(302, { location: 'http://127.0.0.1:2/hidden/there' }).end();
    case 'denied': {
      const challenge = `Bearer resource_metadata="http://${request.headers.host}/hidden/metadata", error="hidden"`;
      return void response.writeHead(401, { 'www-authenticate': challenge }).end('hidden');
    }
    case 'stream':
      return reply(response, 200, 'text/event-stream', 'data: {"hidden":\n\n');
    case 'endpoint':
      return reply(response, 200, 'text/event-stream', 'event: endpoint\ndata: http://[hidden/x\n\n');
    default:
      return reply(response, 500, 'text/plain', 'Error: ENOENT, no such file /hidden/file');
  }
}

function kindOf(body: string): string {
  if (body === '') return 'text';
  const { method, params } = JSON.parse(body) as { method: string; params?: { name?: string } };
  if (method === 'tools/call') return params?.name ?? 'text';
  if (method === 'server/discover') return 'text';
  return method === 'initialize' ? 'works' : 'accepted';
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}

/** The answers to the first request of a client of each kind. */
async function askAll({ url }: ListeningMcpRun, name: string, args: readonly string[]): Promise<string[]> {
  const mcp = `${url}/${name}/mcp`;
  const modern = modernRequest('tools/list');
  const call = modernRequest('tools/call', 2, { name: 'x', arguments: {} });
  const answers = await Promise.all([
    post(mcp, INITIALIZE),
    post(mcp, modern, mirroredHeaders(modern)),
    post(mcp, call, mirroredHeaders(call)),
    ...(args.includes('--stateless') ? [] : [overSse(`${url}/${name}/sse`)]),
  ]);
  return answers.map(({ text }) => text);
}

async function overSse(url: string): Promise<{ readonly text: string }> {
  const stream = await open(url, { headers: { accept: 'text/event-stream' } });
  let text = '';
  let isSent = false;
  for await (const chunk of stream) {
    text += String(chunk);
    const endpoint = /data: (\/\S+)/.exec(text)?.[1];
    if (endpoint !== undefined && !isSent) {
      isSent = true;
      void send(
        new URL(endpoint, url).href,
        { method: 'POST', headers: MCP_HEADERS },
        JSON.stringify(INITIALIZE),
      );
    }
    if (/"error"[^\n]*\n\n$/.test(text)) break;
  }
  stream.destroy();
  return { text };
}

async function start(folder: string, servers: Record<string, Server>, ...args: string[]) {
  const file = manifestOf(folder, servers);
  const limits = ['--initialize-timeout', '1s', '--log-level', 'debug'];
  return await startMcpRun(['serve', '--config', file, '--http', '--sse', '--port', '0', ...limits, ...args]);
}

function manifestOf(folder: string, mcpServers: Record<string, unknown>): string {
  const file = join(folder, `${Object.keys(mcpServers).length}.json`);
  writeFileSync(file, JSON.stringify({ mcpServers }));
  return file;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-errors-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'hidden folder'));
  writeFileSync(join(folder, 'hidden folder', 'data.txt'), 'no program');
  return folder;
}
