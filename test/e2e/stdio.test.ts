/** stdio as a client sees it: nothing but MCP on stdout, the life of the server tied to ours, its exit code ours. */
import { expect, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { envelope } from '../support/modern.ts';
import { spawnMcpRun, type McpRun, type RunOptions } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, orphans } from '../support/processes.ts';
import { nameOf, openScriptedServer } from '../upstream/http/scripted-server.ts';

const INITIALIZE = request(0, 'initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: CLIENT_INFO,
});

test('finishes the pending call when stdin ends, then ends itself and the server', async () => {
  const run = serveStdio(fixtureServer('behaviours'));
  const output = run.lines();
  run.write(
    INITIALIZE,
    request(1, 'tools/call', { name: 'burst', arguments: { count: 5_000 }, _meta: { progressToken: 1 } }),
  );
  await output.message(0);
  const pids = childrenOf(run.pid);
  run.stdin.end();
  expect(textOf((await output.message(1))['result'])).toBe('sent 5000');
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(output.all).toHaveLength(5_002);
  expect(await orphans(pids)).toEqual([]);
});

test('answers what was written before stdin ended, even all at once', async () => {
  const run = serveStdio(fixtureServer('behaviours'));
  const output = run.lines();
  const calls = Array.from({ length: 20 }, (_, i) =>
    request(i + 1, 'tools/call', { name: 'echo', arguments: { i } }),
  );
  run.write(INITIALIZE, { jsonrpc: '2.0', method: 'notifications/initialized' }, ...calls);
  run.stdin.end();
  expect(await run.exited).toEqual({ code: 0, signal: null });
  expect(output.all.map((line) => json(JSON.parse(line))['id'])).toEqual([0, ...calls.map(({ id }) => id)]);
});

test('finishes a call that waits to be retried at a remote server when stdin ends', async () => {
  let rounds = 0;
  const server = await openScriptedServer((call) => {
    const name = nameOf(call);
    if (name === 'server/discover')
      return call.result({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} });
    if (name !== 'tools/call') return call.status(400);
    rounds += 1;
    return call.result(
      rounds < 3
        ? { resultType: 'input_required', requestState: String(rounds) }
        : { resultType: 'complete', content: [{ type: 'text', text: `round ${rounds}` }] },
    );
  });
  const run = spawnMcpRun(['serve', '--stdio', server.url]);
  const output = readLines(run);
  run.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
  await output.message(0);
  // Between two rounds no connection is in use: only the time-out of the call keeps the process alive.
  run.stdin.end(`${JSON.stringify(request(1, 'tools/call', { name: 'any', arguments: {} }))}\n`);
  expect(textOf((await output.message(1))['result'])).toBe('round 3');
  expect(await run.exited).toEqual({ code: 0, signal: null });
});

test.each(['behaviours', 'modern-behaviours', 'dual-behaviours'])(
  'ends with 0 when a client of revision 2026-07-28 ends stdin (%s)',
  async (server) => {
    const run = serveStdio(fixtureServer(server));
    const output = run.lines();
    run.write(request(1, 'tools/call', { name: 'echo', arguments: {}, _meta: envelope() }));
    await output.message(1);
    run.stdin.end();
    expect(await run.exited).toEqual({ code: 0, signal: null });
  },
);

test("ends with the server's exit code when stdin ends", async () => {
  const run = serveStdio(fixtureServer('exits-with', '7'));
  const output = run.lines();
  run.write(INITIALIZE);
  await output.message(0);
  run.stdin.end();
  expect(await run.exited).toEqual({ code: 7, signal: null });
});

test("answers the pending call and ends with the server's exit code when the server leaves", async () => {
  const run = serveStdio(fixtureServer('exits-with', '9'));
  const output = run.lines();
  run.write(INITIALIZE, request(1, 'tools/call', { name: 'any' }));
  const { error } = await output.message(1);
  expect(at(error, 'code')).toBe(-32603);
  expect(at(error, 'data', 'reason')).toBe('upstream_exited');
  expect(await run.exited).toEqual({ code: 9, signal: null });
});

test('answers initialize with an error when the server dies at once, and says why in the log', async () => {
  const run = serveStdio(fixtureServer('dies-at-start', '3'));
  const output = run.lines();
  run.write(INITIALIZE);
  expect(at(await output.message(0), 'error', 'data', 'reason')).toBe('upstream_exited');
  const { code } = await run.exited;
  expect(code).not.toBe(0);
  expect(
    run.logs.some((line) => JSON.stringify(line).includes('cannot start: the fixture was told so')),
  ).toBe(true);
});

test('tells with a timed-out initialize what was skipped on stdout, and which limit it was', async () => {
  const run = serveStdio(
    ['sh', '-c', 'echo listening on 3000; echo ready >&2; cat > /dev/null'],
    ['--initialize-timeout', '2s'],
  );
  const output = run.lines();
  // It starts ahead of the first message, and its stdout is read from then on.
  await run.waitForLog(({ event }) => event === 'server.stderr');
  run.write(INITIALIZE);
  const { error } = await output.message(0);
  expect(at(error, 'data')).toEqual({
    reason: 'request_timeout',
    hint:
      'A line on its stdout was not an MCP message and was skipped: servers log to stderr; ' +
      'raise --initialize-timeout if the server needs longer to start',
  });
});

test('writes nothing but MCP to stdout, whatever the server prints and however much is logged', async () => {
  const run = serveStdio(fixtureServer('behaviours'), ['--log-level', 'trace']);
  const output = run.lines();
  const noise = ['listening on stdin', '{"msg":"not mcp"}', '[1]', 'null', ''];
  run.write(
    INITIALIZE,
    request(1, 'tools/call', { name: 'write', arguments: { lines: noise } }),
    request(2, 'tools/call', { name: 'stderr', arguments: { line: 'a word on stderr' } }),
  );
  await output.message(2);
  const logged = await run.waitForLog((line) => JSON.stringify(line).includes('a word on stderr'));
  expect(logged['server']).toBe('behaviours');
  run.stdin.end();
  await run.exited;
  expect(output.all.map((line) => json(JSON.parse(line))['jsonrpc'])).toEqual(['2.0', '2.0', '2.0']);
});

test('answers a line that is not JSON with -32700 and goes on', async () => {
  const run = serveStdio(fixtureServer('behaviours'));
  const output = run.lines();
  run.stdin.write('this is not JSON\n');
  expect(at(JSON.parse(await output.line(0)), 'error', 'code')).toBe(-32700);
  run.write(INITIALIZE);
  expect(at(await output.message(0), 'result', 'serverInfo', 'name')).toBe('behaviours');
  run.stdin.end();
  expect(await run.exited).toEqual({ code: 0, signal: null });
});

test('passes its environment and working directory on to the server', async () => {
  const run = serveStdio(fixtureServer('behaviours'), [], {
    env: { SET_BY_THE_CLIENT: 'yes', MCP_RUN_LOG_LEVEL: 'warn' },
    cwd: '/',
  });
  const output = run.lines();
  run.write(INITIALIZE, request(1, 'tools/call', { name: 'process' }));
  const report = at(await output.message(1), 'result', 'structuredContent');
  expect(at(report, 'env', 'SET_BY_THE_CLIENT')).toBe('yes');
  expect(at(report, 'env', 'MCP_RUN_LOG_LEVEL')).toBeUndefined();
  expect(at(report, 'cwd')).toBe('/');
});

interface Stdio extends McpRun {
  write(...messages: Json[]): void;
  lines(): Lines;
}

interface Lines {
  readonly all: readonly string[];
  line(index: number): Promise<string>;
  /** The answer to `id`. */
  message(id: number): Promise<Json>;
}

function serveStdio(
  server: readonly string[],
  gatewayArgs: readonly string[] = [],
  options: RunOptions = {},
): Stdio {
  const run = spawnMcpRun(['serve', '--stdio', ...gatewayArgs, '--', ...server], options);
  return {
    ...run,
    write: (...messages) =>
      void run.stdin.write(messages.map((message) => `${JSON.stringify(message)}\n`).join('')),
    lines: () => readLines(run),
  };
}

function readLines({ stdout, exited }: McpRun): Lines {
  const all: string[] = [];
  const watchers = new Set<() => void>();
  let rest = Buffer.alloc(0);
  stdout.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      all.push(rest.subarray(0, end).toString());
      rest = rest.subarray(end + 1);
    }
    watchers.forEach((watch) => watch());
  });
  return {
    all,
    line: (index) => arrival(() => all[index]),
    message: (id) =>
      arrival(() => all.map((line) => json(JSON.parse(line))).find((message) => message['id'] === id)),
  };

  function arrival<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = find();
        if (found === undefined) return;
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      watch();
      void exited.then((exit) =>
        reject(new Error(`mcp-run ended first: ${JSON.stringify(exit)}\n${all.join('\n')}`)),
      );
    });
  }
}

function request(id: number, method: string, params: Json): Json {
  return { jsonrpc: '2.0', id, method, params };
}
