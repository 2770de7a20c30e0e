/** One process for all clients, with the real binary and real clients. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { callTool, RpcFailure, type TestClient } from '../support/clients.ts';
import { post, send } from '../support/http.ts';
import { at, json, textOf } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
import { childrenOf, orphans, processAlive } from '../support/processes.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { BEHAVIOURS, endpointOf, INITIALIZE, serversOf, startWith } from './shared-server.ts';

const SHARED = ['--isolation', 'shared'];

test('serves clients over Streamable HTTP and SSE from one process, which outlives them all', async () => {
  const gateway = await startWith(...SHARED);
  await expect.poll(() => serversOf(gateway)).toHaveLength(1);
  const [pid] = serversOf(gateway);
  const clients = await Promise.all([
    connectSdkV1(endpointOf(gateway, 'http')),
    connectSdkV1(endpointOf(gateway, 'sse')),
    connectSdkV1(endpointOf(gateway, 'http')),
    connectSdkV1(endpointOf(gateway, 'sse')),
  ]);
  const pids = await Promise.all(clients.map((client) => pidOf(client)));
  expect(new Set(pids)).toEqual(new Set([pid]));
  // All of them at once, with the same ids and tokens.
  const texts = await Promise.all(
    clients.map((client, i) =>
      callTool(client, 'burst', { count: 200 + i }, { onProgress: () => {} }).then(textOf),
    ),
  );
  expect(texts).toEqual(['sent 200', 'sent 201', 'sent 202', 'sent 203']);
  for (const [i, client] of clients.entries()) {
    const progress = client.incoming.filter(({ method }) => method === 'notifications/progress');
    expect(progress.map(({ params }) => json(params)['total'])).toEqual(Array(200 + i).fill(200 + i));
    await client.close();
  }
  expect(serversOf(gateway)).toEqual([pid]);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  expect(processAlive(pid ?? 0)).toBe(false);
});

test('shares the process of a server whose entry says so, and of no other', async () => {
  const [command, ...args] = BEHAVIOURS;
  const file = temporaryFile('mcp.json');
  const mcpServers = { ours: { command, args, isolation: 'shared' }, own: { command, args } };
  writeFileSync(file, JSON.stringify({ mcpServers }));
  const gateway = await startMcpRun(['serve', '--http', '--port', '0', '--config', file]);
  const pidsOf = async (name: string): Promise<unknown[]> => {
    const url = `${gateway.url}/${name}/mcp`;
    const clients = await Promise.all([
      connectSdkV1({ kind: 'http', url }),
      connectSdkV1({ kind: 'http', url }),
    ]);
    return Promise.all(clients.map((client) => pidOf(client)));
  };
  expect(new Set(await pidsOf('ours')).size).toBe(1);
  expect(new Set(await pidsOf('own')).size).toBe(2);
  expect(serversOf(gateway)).toHaveLength(3);
});

test('a process that is killed in mid-call fails the calls in flight; the sessions go on with the next one', async () => {
  const gateway = await startWith(...SHARED);
  const clients = [
    await connectSdkV1(endpointOf(gateway, 'http')),
    await connectSdkV1(endpointOf(gateway, 'sse')),
    await connectSdkV1(endpointOf(gateway, 'http')),
  ];
  const [first, second, idle] = clients;
  if (first === undefined || second === undefined || idle === undefined) throw new Error('three clients');
  const before = await pidOf(idle);
  const isWaiting = [signalled(), signalled()];
  const calls = [first, second].map((client, i) =>
    callTool(client, 'wait', {}, { onProgress: () => isWaiting[i]?.give() }),
  );
  const outcomes = Promise.allSettled(calls);
  await Promise.all(isWaiting.map(({ given }) => given));
  process.kill(before, 'SIGKILL');
  for (const outcome of await outcomes) {
    const { code, data } = failureOf(outcome);
    expect({ code, data }).toMatchObject({ code: -32_603, data: { reason: 'upstream_exited' } });
  }
  const after = await Promise.all(clients.map((client) => pidOf(client)));
  expect(new Set(after).size).toBe(1);
  expect(after[0]).not.toBe(before);
  expect(serversOf(gateway)).toEqual([after[0]]);
  expect((await send(`${gateway.url}/readyz`)).status).toBe(200);
});

test('nothing that a hostile process writes reaches a client that it does not belong to', async () => {
  const gateway = await startWith(...SHARED);
  const [a, b] = [await connectRaw(endpointOf(gateway)), await connectRaw(endpointOf(gateway))];
  const isWaiting = [signalled(), signalled()];
  const waiting = [a, b].map((client, i) =>
    callTool(client, 'wait', { ms: 1_500 }, { onProgress: () => isWaiting[i]?.give() }),
  );
  await Promise.all(isWaiting.map(({ given }) => given));
  const known = [...Array(40).keys()];
  const lines = known.flatMap((id) => [
    `{"jsonrpc":"2.0","id":${id},"result":{"stolen":1},"id":${id + 1}}`,
    `{"jsonrpc":"2.0","result":{"stolen":1},"id":${id},"\\u0069d":${id + 1}}`,
    `{"jsonrpc":"2.0","id":"${id}","result":{"stolen":1}}`,
    `{"jsonrpc":"2.0","id":${id + 1_000},"result":{"stolen":1}}`,
    `{"jsonrpc":"2.0","id":"mcpr:${id}","result":{"stolen":1}}`,
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"stolen"}}`,
  ]);
  const third = await connectRaw(endpointOf(gateway));
  await callTool(third, 'write', { lines });
  expect((await Promise.all(waiting)).map(textOf)).toEqual(['waited', 'waited']);
  for (const client of [a, b, third]) {
    expect(client.lines.filter((line) => line.includes('stolen'))).toEqual([]);
  }
  expect(gateway.logs.some(({ event }) => event === 'server.ambiguous-line')).toBe(true);
});

test('stays out of service while the process cannot start, says so, and comes back by itself', async () => {
  const fault = temporaryFile('fault');
  writeFileSync(fault, '');
  const gateway = await startMcpRun(serve(['--http'], fixtureServer('dies-while', fault), ...SHARED));
  await expect.poll(() => readiness(gateway)).toMatchObject([503, { status: 'not ready' }]);
  const refused = await post(`${gateway.url}/mcp`, INITIALIZE);
  expect(at(JSON.parse(refused.text), 'error', 'data', 'reason')).toMatch(/^(upstream_exited|crash_loop)$/);
  rmSync(fault);
  await expect.poll(() => readiness(gateway)).toMatchObject([200, { status: 'ready' }]);
  const answer = await post(`${gateway.url}/mcp`, INITIALIZE);
  expect(at(JSON.parse(answer.text), 'result', 'serverInfo', 'name')).toBe('dies-while');
  expect(serversOf(gateway)).toHaveLength(1);
}, 40_000);

test('a process that refuses to be initialized is not ready, and says why', async () => {
  const gateway = await startMcpRun(serve(['--http'], fixtureServer('misfit', 'refuses'), ...SHARED));
  await expect.poll(async () => (await readiness(gateway))[0]).toBe(503);
  const answer = await post(`${gateway.url}/mcp`, INITIALIZE);
  expect(at(JSON.parse(answer.text), 'error', 'message')).toContain('no licence');
});

test('over stdio the client survives its server', async () => {
  const args = [MCP_RUN, 'serve', '--stdio', ...SHARED, '--', ...BEHAVIOURS];
  const client = await connectSdkV1({ kind: 'stdio', command: NODE, args });
  await expect(callTool(client, 'kill')).rejects.toMatchObject({ code: -32_603 });
  expect(textOf(await callTool(client, 'echo', { still: 'here' }))).toBe('{"still":"here"}');
});

test('leaves nothing behind when it is stopped with calls in flight', async () => {
  const gateway = await startMcpRun(
    serve(['--http'], fixtureServer('stubborn'), ...SHARED, '--drain-timeout', '100ms'),
  );
  const client = await connectRaw(endpointOf(gateway));
  const pids = childrenOf(gateway.pid);
  callTool(client, 'never').catch(() => {});
  await expect.poll(() => receives(client, '"never"')).toBe(true);
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  expect(await orphans(pids)).toEqual([]);
});

async function pidOf(client: TestClient): Promise<number> {
  return Number(at(await callTool(client, 'process'), 'structuredContent', 'pid'));
}

async function receives(client: TestClient, containing: string): Promise<boolean> {
  const lines = at(await callTool(client, 'received', { containing }), 'structuredContent', 'lines');
  return Array.isArray(lines) && lines.some((line) => !String(line).includes('"received"'));
}

async function readiness({ url }: ListeningMcpRun): Promise<[status: number, body: unknown]> {
  const { status, text } = await send(`${url}/readyz`);
  return [status, JSON.parse(text)];
}

function failureOf(outcome: PromiseSettledResult<unknown>): RpcFailure {
  if (outcome.status === 'rejected' && outcome.reason instanceof RpcFailure) return outcome.reason;
  throw new Error(`expected an error answer, got ${JSON.stringify(outcome)}`);
}

function temporaryFile(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, name);
}

function signalled(): { given: Promise<void>; give: () => void } {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}
