/** More connections than mcp-run, or the system, has room for. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { post, send } from '../support/http.ts';
import { at, json, type Json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE, ROOT } from '../support/paths.ts';

const MODULES = join(ROOT, 'dist/cli/main.js');
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

describe('the limit on connections', () => {
  it.each([
    ['an option', ['--max-connections', '4'], {}],
    ['a variable', [], { MCP_RUN_MAX_CONNECTIONS: '4' }],
    ['an option, over all addresses of a name', ['--max-connections', '4', '--host', 'localhost'], {}],
  ])('is set by %s; what is dropped is logged, and there is room again', async (_title, args, env) => {
    const gateway = await startMcpRun(serve(['--http'], fixtureServer('behaviours'), ...args), { env });
    const { port } = new URL(gateway.url);
    const held = await Promise.all(Array.from({ length: 4 }, () => connected(Number(port))));
    const surplus = await Promise.all(Array.from({ length: 20 }, () => connected(Number(port))));
    await Promise.all(surplus.map(ended));
    const line = await gateway.waitForLog(({ event }) => event === 'http.connections-dropped');
    expect(line).toMatchObject({ level: 'warn', max: 4, msg: expect.stringContaining('--max-connections') });
    // Those that came first still have theirs.
    const [first] = held;
    if (first === undefined) throw new Error('no connection');
    first.pause();
    first.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(String(await once(first.resume(), 'data'))).toContain('200 OK');
    for (const socket of held) socket.destroy();
    await expect.poll(async () => await statusOf(`${gateway.url}/healthz`)).toBe(200);
    expect((await post(`${gateway.url}/mcp`, INITIALIZE)).status).toBe(200);
    const lines = gateway.logs.filter(({ event }) => event === 'http.connections-dropped');
    expect(lines.length).toBeLessThan(20);
  });
});

describe.skipIf(process.platform === 'win32')('without file descriptors', () => {
  it('says so, survives it, and serves again', async () => {
    const gateway = await startLimited(64);
    const sockets = await Promise.all(
      Array.from({ length: 200 }, () => connected(Number(new URL(gateway.url).port))),
    );
    const line = await gateway.waitFor('http.no-descriptors');
    expect(line).toMatchObject({ level: 'error', msg: expect.stringContaining('ulimit') });
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => await statusOf(`${gateway.url}/healthz`)).toBe(200);
    await expect
      .poll(async () => at(json(JSON.parse((await post(`${gateway.url}/mcp`, INITIALIZE)).text)), 'result'))
      .toBeDefined();
    expect(gateway.isRunning()).toBe(true);
  });

  // Node remembers an import() that failed, as it does not remember a require().
  it.each([
    ['the command line', [MCP_RUN]],
    ['the modules of the library', ['-e', `void import('${MODULES}').then(({ main }) => main())`, 'mcp-run']],
  ])(
    'tells a client of %s that no process can be started, and starts one later',
    async (_title, program) => {
      const gateway = await startLimited(64, program);
      const keep = await connected(Number(new URL(gateway.url).port));
      const sockets = await Promise.all(
        Array.from({ length: 200 }, () => connected(Number(new URL(gateway.url).port))),
      );
      const body = JSON.stringify(INITIALIZE);
      const head = 'content-type: application/json\r\naccept: application/json, text/event-stream';
      keep.write(
        `POST /mcp HTTP/1.1\r\nhost: localhost\r\n${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      expect(String(await once(keep, 'data'))).toContain('HTTP/1.1 ');
      for (const socket of sockets) socket.destroy();
      await expect
        .poll(
          async () => at(json(JSON.parse((await post(`${gateway.url}/mcp`, INITIALIZE)).text)), 'result'),
          {
            // Starts that failed are followed by pauses.
            timeout: 120_000,
          },
        )
        .toBeDefined();
      expect(gateway.isRunning()).toBe(true);
    },
    150_000,
  );
});

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await Promise.race([once(socket, 'connect'), ended(socket)]);
  return socket;
}

function ended(socket: Socket): Promise<void> {
  if (socket.destroyed || socket.readableEnded) return Promise.resolve();
  socket.resume();
  return new Promise((resolve) => {
    socket.once('end', resolve).once('close', () => resolve());
  });
}

async function statusOf(url: string): Promise<number> {
  return await send(url).then(
    ({ status }) => status,
    () => 0,
  );
}

/** mcp-run with so many file descriptors. */
async function startLimited(limit: number, program = [MCP_RUN]) {
  // A process that got no descriptors of its own may start and never answer.
  const args = serve(['--http', '--initialize-timeout', '10s'], fixtureServer('behaviours'));
  const script = `ulimit -n ${limit}; exec "$@"`;
  const child = spawn('bash', ['-c', script, 'bash', NODE, ...program, ...args], {
    env: { ...process.env, MCP_RUN_LOG_FORMAT: 'json' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const seen: Json[] = [];
  const watchers = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (text) => {
    seen.push(text.startsWith('{') ? json(JSON.parse(text)) : { text });
    for (const watch of watchers) watch();
  });
  const waitFor = (event: string): Promise<Json> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = seen.find((line) => line['event'] === event);
        if (found !== undefined) resolve(found);
      };
      watchers.add(watch);
      child.once('exit', () => reject(new Error(`it has ended: ${JSON.stringify(seen.slice(-5))}`)));
      watch();
    });
  const { url } = await waitFor('gateway.ready');
  return {
    url: String(url),
    waitFor,
    isRunning: () => child.exitCode === null && child.signalCode === null,
  };
}
