/** However a server or mcp-run itself ends, the processes that have left the server's process group end as well. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { callTool } from '../support/clients.ts';
import { at } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
import { childrenOf, commandOf, orphans, processAlive, processesWith } from '../support/processes.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';

interface Conversation {
  readonly gateway: ListeningMcpRun;
  readonly client: RawClient;
  /** In the environment of the server and of all that it starts, unless they clear it. */
  readonly mark: string;
  /** Of the processes in sessions of their own. */
  readonly pids: readonly number[];
}

const SERVER = fixtureServer('behaviours');

/** A server that has started processes of these kinds, see `fixtures/servers/lib/detach.js`. */
async function converse(kinds: readonly string[], server = SERVER): Promise<Conversation> {
  const mark = randomUUID();
  const gateway = await startMcpRun(
    serve(['--http'], server, '--log-level', 'debug', '--env', `MARK=${mark}`),
  );
  return { gateway, mark, ...(await open(gateway, kinds)) };
}

async function open(gateway: ListeningMcpRun, kinds: readonly string[]) {
  const client = await connectRaw({ kind: 'http', url: `${gateway.url}/mcp` });
  const pids: number[] = [];
  for (const kind of kinds) {
    pids.push(Number(at(await callTool(client, 'detach', { kind }), 'structuredContent', 'pid')));
  }
  onTestFinished(async () => void (await orphans(pids, 0)));
  expect(pids.filter(processAlive)).toEqual(pids);
  return { client, pids };
}

async function left({ mark, pids }: Conversation): Promise<string[]> {
  return await orphans([...new Set([...pids, ...processesWith(mark)])]);
}

const KINDS = ['plain', 'reborn', 'orphan'];
const ALL = [...KINDS, 'stubborn', 'cleared'];

describe('processes in sessions of their own', () => {
  test('end with the session (DELETE), and mcp-run goes on', async () => {
    const conversation = await converse(ALL);
    await conversation.client.close();
    expect(await left(conversation)).toEqual([]);
    expect(processAlive(conversation.gateway.pid)).toBe(true);
  });

  test.each([
    ['exits', 'exit', { code: 1 }],
    ['crashes', 'kill', { signal: 'SIGSEGV' }],
    ['is killed', 'kill', { signal: 'SIGKILL' }],
  ])('end when the server %s', async (_how, tool, args) => {
    const conversation = await converse(KINDS);
    callTool(conversation.client, tool, args).catch(() => {});
    expect(await left(conversation)).toEqual([]);
    expect(processAlive(conversation.gateway.pid)).toBe(true);
  });

  test('of other sessions stay', async () => {
    const one = await converse(['plain']);
    const other = await open(one.gateway, ['plain']);
    await one.client.close();
    expect(await orphans(one.pids)).toEqual([]);
    expect(other.pids.filter(processAlive)).toEqual(other.pids);
  });

  test('end when mcp-run gets SIGTERM', async () => {
    const conversation = await converse(ALL);
    conversation.gateway.signal('SIGTERM');
    expect(await conversation.gateway.exited).toEqual({ code: 0, signal: null });
    expect(await left(conversation)).toEqual([]);
  });

  test('end when a second signal ends mcp-run at once', async () => {
    const conversation = await converse(ALL);
    callTool(conversation.client, 'never').catch(() => {});
    conversation.gateway.signal('SIGINT');
    conversation.gateway.signal('SIGTERM');
    expect((await conversation.gateway.exited).signal).toBeNull();
    expect(await left(conversation)).toEqual([]);
  });

  test('end when mcp-run is killed', async () => {
    const conversation = await converse([...KINDS, 'stubborn']);
    conversation.gateway.signal('SIGKILL');
    expect((await conversation.gateway.exited).signal).toBe('SIGKILL');
    expect(await left(conversation)).toEqual([]);
  });

  test('end when mcp-run is killed after its watchdog', async () => {
    const conversation = await converse(KINDS);
    const { gateway } = conversation;
    const [watchdog = 0] = watchdogsOf(gateway.pid);
    process.kill(watchdog, 'SIGKILL');
    expect(await gateway.waitForLog(({ event }) => event === 'watchdog.restarted')).toMatchObject({
      level: 'warn',
    });
    await expect.poll(() => watchdogsOf(gateway.pid).length).toBe(1);
    gateway.signal('SIGKILL');
    expect((await gateway.exited).signal).toBe('SIGKILL');
    expect(await left(conversation)).toEqual([]);
  });

  test('of an mcp-run behind mcp-run end with the outer one', async () => {
    const inner = [NODE, MCP_RUN, 'serve', '--stdio', '--', ...SERVER];
    const conversation = await converse(['plain', 'orphan'], inner);
    await conversation.client.close();
    expect(await left(conversation)).toEqual([]);
    expect(processAlive(conversation.gateway.pid)).toBe(true);
  });

  test('of an mcp-run behind mcp-run end when the inner one is killed with its watchdog', async () => {
    const inner = [NODE, MCP_RUN, 'serve', '--stdio', '--', ...SERVER];
    const conversation = await converse(['plain', 'orphan'], inner);
    const [pid = 0] = childrenOf(conversation.gateway.pid).filter((child) =>
      commandOf(child).includes('--stdio'),
    );
    for (const watchdog of watchdogsOf(pid)) process.kill(watchdog, 'SIGKILL');
    process.kill(pid, 'SIGKILL');
    expect(await left(conversation)).toEqual([]);
  });

  test('end with mcp-run check', async () => {
    const mark = randomUUID();
    const script = `const { spawn } = require('child_process');
      spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref();
      await import(process.argv[1]);`;
    const cwd = await createWorkspace({});
    const args = ['--input-type=commonjs', '-e', `(async () => {${script}})()`, SERVER[1]];
    const manifest = { mcpServers: { files: { command: process.execPath, args, env: { MARK: mark } } } };
    await writeFile(join(cwd, 'mcp.json'), JSON.stringify(manifest));
    const check = spawn(NODE, [MCP_RUN, 'check', '--config', 'mcp.json'], { cwd, stdio: 'ignore' });
    const code = await new Promise((resolve) => check.once('exit', resolve));
    expect(code).toBe(0);
    expect(await orphans(processesWith(mark), 0)).toEqual([]);
  });
});

test('a process that cannot be found any more is logged', async () => {
  const { gateway, client } = await converse(['cleared-holder']);
  await client.close();
  const line = await gateway.waitForLog(({ event }) => event === 'server.left-running');
  expect(line).toMatchObject({ level: 'warn' });
});

test('the marker of a server is not logged', async () => {
  const { gateway, client } = await converse([]);
  const env = at(await callTool(client, 'process'), 'structuredContent', 'env');
  const { _MCPR_CHILD: marker } = env as Record<string, string>;
  expect(marker).toMatch(/^[0-9a-z]+$/);
  await client.close();
  expect(JSON.stringify(gateway.logs)).not.toContain(marker);
});

function watchdogsOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandOf(child).includes('while read -r change'));
}
