/** Whatever ends a conversation or mcp-run itself, no process stays behind: neither the server nor what it started. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE, ROOT } from '../support/paths.ts';
import { childrenOf, commandOf, orphans, processAlive } from '../support/processes.ts';
import { connectRaw } from '../support/raw-client.ts';
import { converse, PARENT, STUBBORN } from './harness.ts';

describe.each([
  ['a server with a grandchild', PARENT],
  ['a server that ignores SIGTERM and the end of its input', STUBBORN],
] as const)('%s', (_kind, server) => {
  test('ends with its session (DELETE), and mcp-run goes on', async () => {
    const { gateway, client, pids } = await converse('http', server);
    await client.close();
    expect(await orphans(serversAmong(pids))).toEqual([]);
    expect(processAlive(gateway.pid)).toBe(true);
  });

  test('ends with its event stream (SSE), and mcp-run goes on', async () => {
    const { gateway, client, pids } = await converse('sse', server);
    await client.close();
    expect(await orphans(serversAmong(pids))).toEqual([]);
    expect(processAlive(gateway.pid)).toBe(true);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'ends when mcp-run gets %s, which then exits with 0',
    async (signal) => {
      const { gateway, pids } = await converse('http', server);
      gateway.signal(signal);
      expect(await gateway.exited).toEqual({ code: 0, signal: null });
      expect(await orphans(pids)).toEqual([]);
    },
  );

  test('ends when mcp-run is killed', async () => {
    const { gateway, pids } = await converse('http', server);
    gateway.signal('SIGKILL');
    expect((await gateway.exited).signal).toBe('SIGKILL');
    expect(await orphans(pids)).toEqual([]);
  });

  test('ends when the client of a stdio conversation is killed', async () => {
    const holder = `${ROOT}fixtures/clients/holds-stdio.js`;
    const client = spawn(process.execPath, [holder, NODE, MCP_RUN, 'serve', '--stdio', '--', ...server], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void client.kill('SIGKILL'));
    const [line] = await once(client.stdout, 'data');
    const gateway = Number(json(JSON.parse(String(line)))['pid']);
    const pids = [gateway, ...childrenOf(gateway)];
    // mcp-run, the server, the grandchild
    expect(pids.length).toBeGreaterThanOrEqual(3);
    client.kill('SIGKILL');
    expect(await orphans(pids)).toEqual([]);
  });
});

test('fifty clients that come and go leave no process behind', async () => {
  const gateway = await startMcpRun(serve(['--http', '--sse'], fixtureServer('behaviours')));
  const pids = new Set<number>();
  for (let round = 0; round < 5; round++) {
    const endpoints = Array.from({ length: 10 }, (_, i) =>
      i % 2 === 0
        ? ({ kind: 'http', url: `${gateway.url}/mcp` } as const)
        : ({ kind: 'sse', url: `${gateway.url}/sse` } as const),
    );
    const clients = await Promise.all(endpoints.map((endpoint) => connectRaw(endpoint)));
    serversAmong(childrenOf(gateway.pid)).forEach((pid) => pids.add(pid));
    await Promise.all(clients.map((client) => client.close()));
  }
  expect(pids.size).toBe(50);
  expect(await orphans([...pids])).toEqual([]);
});

/** Without what watches over them, which lives as long as mcp-run. */
function serversAmong(pids: readonly number[]): number[] {
  return pids.filter((pid) => commandOf(pid).includes('fixtures/servers/'));
}
