/** The example of docs/embedding.md, run as it stands. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { initializeMessage, openSession, ping } from '../support/bearer.ts';
import { post, send } from '../support/http.ts';
import { textOf } from '../support/json.ts';
import { NODE } from '../support/paths.ts';
import { parseBlocks, type Block } from './support/blocks.ts';
import { cleanEnvironment, freePort, root } from './support/places.ts';
import { startShell, type Running } from './support/shell.ts';

const ALICE = { 'x-api-key': 'key-of-alice' };
const BOB = { 'x-api-key': 'key-of-bob' };
/** The limit in the example. */
const LIMIT = 100;

const blocks = parseBlocks(readFileSync(join(root, 'docs/embedding.md'), 'utf8'));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-run-embedding-')));
let application: Running;
let url: string;

/** A project in which the packages of the example are installed. */
function install(): void {
  for (const name of ['mcp-run', 'fastify', '@fastify/rate-limit']) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(name === 'mcp-run' ? root : join(root, 'node_modules', name), link, 'dir');
  }
}

function only(kind: Block['kind']): Block {
  const [block, ...others] = blocks.filter((each) => each.kind === kind);
  if (block === undefined || others.length > 0)
    throw new Error(`${others.length + 1} blocks of the kind ${kind}`);
  return block;
}

beforeAll(async () => {
  install();
  for (const { kind, file, text } of blocks)
    if (kind === 'file') writeFileSync(join(folder, file), `${text}\n`);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const PATH = `${dirname(NODE)}:${process.env['PATH'] ?? ''}`;
  const { text, ready = /./ } = only('background');
  application = startShell(`exec ${text}`, {
    cwd: folder,
    env: { ...cleanEnvironment(), PATH, PORT: String(port) },
  });
  await application.until(ready);
});

afterAll(async () => {
  await application.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('the example of docs/embedding.md', () => {
  test('answers the commands of the page', async () => {
    const commands = blocks.filter(({ kind, text }) => kind === 'run' && !text.startsWith('npm install'));
    expect(commands).toHaveLength(1);
    for (const { text, expect: pattern = /./ } of commands) {
      const running = startShell(text.replaceAll('http://127.0.0.1:3000', url), {
        cwd: folder,
        env: cleanEnvironment(),
      });
      expect(await running.ended).toBe(0);
      expect(running.output()).toMatch(pattern);
    }
  });

  test('answers requests for its own route, and rejects those without a key everywhere', async () => {
    expect(JSON.parse((await send(`${url}/whoami`, { headers: ALICE })).text)).toEqual({
      name: 'alice',
      team: 'red',
    });
    for (const path of ['/whoami', '/tools/sse', '/tools/demo/mcp']) {
      const { status, text } = await send(url + path);
      expect({ path, status, ...JSON.parse(text) }).toMatchObject({
        path,
        status: 401,
        message: 'Unknown API key',
      });
    }
    expect((await post(`${url}/tools/mcp`, initializeMessage())).status).toBe(401);
  });

  test.each([
    ['Streamable HTTP', '/tools/mcp', StreamableHTTPClientTransport],
    ['HTTP+SSE', '/tools/demo/sse', SSEClientTransport],
  ])('lets a client with a key call a tool: %s', async (_title, path, Transport) => {
    const client = new Client({ name: 'embedding-test', version: '1.0.0' });
    await client.connect(new Transport(new URL(url + path), { requestInit: { headers: ALICE } }));
    const result = await client.callTool({ name: 'echo', arguments: { text: 'from the example' } });
    expect(textOf(result)).toBe('from the example');
    await client.close();
  });

  test("gives a session to its own user alone, and limits the user's MCP calls", async () => {
    const mcp = `${url}/tools/mcp`;
    const session = await openSession(mcp, ALICE);
    const statuses = [];
    for (let count = 0; count <= LIMIT; count++)
      statuses.push((await ping(mcp, { ...session, ...BOB })).status);
    expect(statuses.indexOf(429)).toBe(LIMIT);
    expect(new Set(statuses.slice(0, LIMIT))).toEqual(new Set([404]));
    expect((await ping(mcp, session)).status).toBe(200);
  });

  test('ends with all of its processes by SIGTERM', async () => {
    await openSession(`${url}/tools/mcp`, ALICE);
    application.signal('SIGTERM');
    expect(await application.ended).toBe(0);
    expect(application.output()).not.toContain('"level":50');
    await expect.poll(() => application.isAlive()).toBe(false);
  });
});
