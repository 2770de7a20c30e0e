/** A container has ended when its server has, also when its client was killed: an engine of our own stands for Docker. */
import { chmod, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { callTool } from '../support/clients.ts';
import { at } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, commandOf, orphans, processAlive } from '../support/processes.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';

const [, SERVER = ''] = fixtureServer('behaviours');
/** As most programs do that are process 1 of a container. */
const STUBBORN = ['--ignore-eof', '--ignore-sigterm'];

interface Conversation {
  readonly gateway: ListeningMcpRun;
  readonly client: RawClient;
  /** Of the container. */
  readonly pid: number;
  /** Its client's. */
  readonly clientPid: number;
  /** Where the engine keeps its state. */
  readonly state: string;
  /** The folder of temporary files. */
  readonly temporary: string;
}

interface Options {
  readonly command?: string;
  readonly before?: readonly string[];
  readonly options?: readonly string[];
  readonly image?: readonly string[];
}

/** The command line of a server in a container, and what an engine needs to run it. */
async function createEngine(
  command: string,
  options: readonly string[],
  { before = [], image = STUBBORN }: Options = {},
) {
  const [node = '', engine = ''] = fixtureServer('unit/container-engine');
  const shim = `#!/bin/sh\nexec '${node}' '${engine}' "$@"\n`;
  const folder = await createWorkspace({ [`bin/${command}`]: shim, 'state/calls': '', 'tmp/keep': '' });
  await chmod(join(folder, 'bin', command), 0o700);
  const temporary = join(folder, 'tmp');
  const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, TMPDIR: temporary };
  const server = [command, ...before, 'run', ...options, SERVER, ...image];
  return { folder, state: join(folder, 'state'), temporary, env, server };
}

async function converse(options: Options = {}): Promise<Conversation> {
  const { command = 'docker', options: own = ['-i', '--rm'] } = options;
  const { folder, state, temporary, env, server } = await createEngine(command, own, options);
  const more = [
    '--log-level',
    'debug',
    '--env',
    `ENGINE_STATE=${state}`,
    '--env',
    'QUOTED=a\'b\nc $(exit) "d"',
  ];
  const gateway = await startMcpRun(serve(['--http'], server, ...more), { env, cwd: folder });
  const client = await connectRaw({ kind: 'http', url: `${gateway.url}/mcp` });
  const pid = Number(at(await callTool(client, 'process'), 'structuredContent', 'pid'));
  const [clientPid = 0] = childrenOf(gateway.pid).filter((child) =>
    commandOf(child).includes('container-engine'),
  );
  onTestFinished(async () => void (await orphans([pid], 0)));
  expect(processAlive(pid)).toBe(true);
  expect(childrenOf(gateway.pid)).not.toContain(pid);
  return { gateway, client, pid, clientPid, state, temporary };
}

async function callsOf({ state }: { readonly state: string }): Promise<string[][]> {
  const lines = (await readFile(join(state, 'calls'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

/** Waits until the container has ended and nothing is left of it, neither a process nor a file. */
async function expectNothingLeft(conversation: Conversation): Promise<void> {
  const { pid, clientPid, temporary } = conversation;
  expect(await orphans([pid, clientPid])).toEqual([]);
  await expect.poll(() => readdir(temporary)).toEqual(['keep']);
}

describe('a container that ignores SIGTERM and the end of its input', () => {
  test.each(['docker', 'podman', 'nerdctl'])('of %s ends with the session (DELETE)', async (command) => {
    const conversation = await converse({ command });
    await conversation.client.close();
    await expectNothingLeft(conversation);
    expect(processAlive(conversation.gateway.pid)).toBe(true);
    const [run, ...others] = await callsOf(conversation);
    expect(run?.slice(0, 2)).toEqual(['run', '--cidfile']);
    expect(others).toEqual([['kill', expect.stringMatching(/^[0-9a-f]{64}$/)]]);
  });

  test('ends when its client is killed', async () => {
    const conversation = await converse();
    process.kill(conversation.clientPid, 'SIGKILL');
    await expectNothingLeft(conversation);
  });

  test('ends when mcp-run gets SIGTERM', async () => {
    const conversation = await converse();
    conversation.gateway.signal('SIGTERM');
    expect(await conversation.gateway.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft(conversation);
  });

  test('ends when a second signal ends mcp-run at once', async () => {
    const conversation = await converse();
    callTool(conversation.client, 'never').catch(() => {});
    conversation.gateway.signal('SIGINT');
    conversation.gateway.signal('SIGTERM');
    await conversation.gateway.exited;
    await expectNothingLeft(conversation);
  });

  test('ends when mcp-run is killed', async () => {
    const conversation = await converse({ before: ['--context', "it's"] });
    conversation.gateway.signal('SIGKILL');
    expect((await conversation.gateway.exited).signal).toBe('SIGKILL');
    await expectNothingLeft(conversation);
    const [, kill] = await callsOf(conversation);
    expect(kill).toEqual(['--context', "it's", 'kill', expect.any(String)]);
  });

  test('of another context is ended there', async () => {
    const conversation = await converse({ before: ['--context', 'far'] });
    await conversation.client.close();
    await expectNothingLeft(conversation);
    const [run, kill] = await callsOf(conversation);
    expect(run?.slice(0, 4)).toEqual(['--context', 'far', 'run', '--cidfile']);
    expect(kill?.slice(0, 3)).toEqual(['--context', 'far', 'kill']);
  });

  test('whose id is in a file of the user ends, and the file stays', async () => {
    const conversation = await converse({ options: ['--cidfile', 'tmp/own', '-i'] });
    await conversation.client.close();
    expect(await orphans([conversation.pid])).toEqual([]);
    expect(await readdir(conversation.temporary)).toEqual(['keep', 'own']);
    expect((await callsOf(conversation))[0]?.slice(0, 3)).toEqual(['run', '--cidfile', 'tmp/own']);
  });
});

test('a container that has ended by itself is not ended again', async () => {
  const conversation = await converse();
  callTool(conversation.client, 'exit').catch(() => {});
  await expectNothingLeft(conversation);
  expect(await callsOf(conversation)).toHaveLength(1);
});

test('a container that its client leaves in the background ends, and the error says why', async () => {
  const { server, state, env } = await createEngine('docker', ['-d', '--rm']);
  // Over stdio it is started once.
  const run = spawnMcpRun(['serve', '--stdio', '--env', `ENGINE_STATE=${state}`, '--', ...server], { env });
  run.stdout.resume();
  const line = await run.waitForLog(({ event }) => event === 'server.start-failed');
  expect(line['msg']).toContain('take -d out');
  await run.exited;
  await expect.poll(() => callsOf({ state })).toHaveLength(2);
  await expect
    .poll(async () => (await readdir(state)).filter((name) => !/^calls$|\./.test(name)))
    .toEqual([]);
});

test('the containers of other sessions stay', async () => {
  const one = await converse();
  const other = await connectRaw({ kind: 'http', url: `${one.gateway.url}/mcp` });
  const pid = Number(at(await callTool(other, 'process'), 'structuredContent', 'pid'));
  await one.client.close();
  expect(await orphans([one.pid])).toEqual([]);
  expect(processAlive(pid)).toBe(true);
  one.gateway.signal('SIGTERM');
  expect(await one.gateway.exited).toEqual({ code: 0, signal: null });
  expect(await orphans([pid])).toEqual([]);
});
