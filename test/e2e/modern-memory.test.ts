/** What thousands of POSTs of revision 2026-07-28 leave in the memory of the gateway. */
import { chmod } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { bearer } from '../support/bearer.ts';
import { MCP_HEADERS, open, send } from '../support/http.ts';
import type { Json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { measurable } from '../support/memory.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';
import { fixtureServer } from '../support/paths.ts';
import { serversOf } from './shared-server.ts';

const MODERN = fixtureServer('modern-behaviours');
const LEGACY = fixtureServer('behaviours');
const ROUNDS = 3;
/** Of a round. */
const POSTS = 2_500;
const AT_ONCE = 16;
const PRINCIPALS = ['alice', 'bob', 'carol'].map((name) => `${name}-0123456789abcdef0123456789abcdef`);

/** A client that shares its connections with others, and proves itself by this token. */
interface Client {
  readonly url: string;
  readonly agent: Agent;
  readonly token: string;
}

test.each([
  ['of 2026-07-28', MODERN, []],
  ['of 2026-07-28 that all principals share', MODERN, ['--isolation', 'shared']],
  ['of 2025-11-25', LEGACY, []],
] as const)(
  'POSTs to a server %s leave nothing behind, answered or abandoned, and do so again',
  async (_name, server, flags) => {
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const memory = measurable();
    const tokens = ['--token-file', await tokenFile()];
    const gateway = await startMcpRun(serve(['--http'], server, ...tokens, ...flags), { env: memory.env });
    const clients = PRINCIPALS.map((token) => ({ url: `${gateway.url}/mcp`, agent, token }));
    const live: number[] = [];
    const processes: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await postAll(clients, round);
      live.push(await memory.liveMb(gateway.pid));
      processes.push(serversOf(gateway).length);
    }
    expect(new Set(processes).size, `processes after each round: ${processes.join(', ')}`).toBe(1);
    // The first round leaves warm code and room for it.
    const [, second = 0, third = Infinity] = live;
    expect(third, `alive after each round: ${live.join(', ')} MB`).toBeLessThan(second * 1.2);
  },
  180_000,
);

async function postAll(clients: readonly Client[], round: number): Promise<void> {
  const posts = Array.from({ length: POSTS }, (_, n) => n).values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, lane) => {
      const client = clients[lane % clients.length];
      if (client === undefined) return;
      for (const n of posts) await postOne(client, round, n);
    }),
  );
}

/** No id comes twice. Some clients leave before the answer or in the middle of it, and some while they listen. */
async function postOne(client: Client, round: number, n: number): Promise<void> {
  const id = n % 2 === 0 ? round * POSTS + n : `${round}/${n}`;
  if (n % 10 === 3) return await leaveBeforeAnswer(client, id);
  if (n % 10 === 6) return await leaveStream(client, callOf('wait', id, { progressToken: id }));
  if (n % 50 === 9) {
    const notifications = { toolsListChanged: true, resourceSubscriptions: [`fixture://${n}`] };
    return await leaveStream(client, modernRequest('subscriptions/listen', id, { notifications }));
  }
  await readAnswer(client, id);
}

async function readAnswer(client: Client, id: string | number): Promise<void> {
  const message = callOf('echo', id);
  const { url, ...options } = optionsOf(client, message);
  const { status, text } = await send(url, options, JSON.stringify(message));
  expect({ status, text }).toEqual({
    status: 200,
    text: expect.stringContaining(`"id":${JSON.stringify(id)}`),
  });
}

/** The answer to a later request of the same client shows that the gateway works on this one. */
async function leaveBeforeAnswer(client: Client, id: string | number): Promise<void> {
  const message = callOf('wait', id);
  const { url, ...options } = optionsOf(client, message);
  const abort = new AbortController();
  const answer = open(url, { ...options, signal: abort.signal }, JSON.stringify(message));
  answer.catch(() => {});
  await readAnswer(client, `${id}, later`);
  abort.abort();
  await expect(answer).rejects.toThrow('aborted');
}

/** The client leaves when the stream of its answer begins. */
async function leaveStream(client: Client, message: Json): Promise<void> {
  const { url, ...options } = optionsOf(client, message);
  const incoming = await open(url, options, JSON.stringify(message));
  expect(incoming.statusCode).toBe(200);
  incoming.destroy();
}

function optionsOf({ url, agent, token }: Client, message: Json) {
  const headers = { ...MCP_HEADERS, ...bearer(token), ...mirroredHeaders(message) };
  return { url, method: 'POST', agent, headers };
}

function callOf(name: string, id: string | number, meta: Json = {}): Json {
  return modernRequest('tools/call', id, { name, arguments: {}, _meta: meta });
}

async function tokenFile(): Promise<string> {
  const file = join(await createWorkspace({ tokens: `${PRINCIPALS.join('\n')}\n` }), 'tokens');
  await chmod(file, 0o600);
  return file;
}
