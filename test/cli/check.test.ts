/** `mcp-run check` with real servers, good and bad. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { fixtureServer } from '../support/paths.ts';
import { orphans, processesWith } from '../support/processes.ts';
import { start } from './binary.ts';

interface Entry {
  readonly command?: string;
  /** A string is a mistake. */
  readonly args?: readonly string[] | string;
  readonly disabled?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly [key: string]: unknown;
}

function entry(fixture: string, ...args: string[]): Entry {
  const [command = '', ...rest] = fixtureServer(fixture, ...args);
  return { command, args: rest };
}

/** Runs `check --json` on these servers. */
async function check(servers: Readonly<Record<string, Entry>>, ...argv: string[]) {
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers: servers }, null, 2) });
  const { code, stdout, stderr } = await start(['check', '--json', ...argv], { cwd }).ended;
  return { code, stderr, document: JSON.parse(stdout) };
}

test('servers in the files of other clients are started as those of a manifest', async () => {
  const [command = '', ...args] = fixtureServer('behaviours');
  const toml = `[mcp_servers.codex]\ncommand = ${JSON.stringify(command)}\nargs = ${JSON.stringify(args)}\ntool_timeout_sec = 30\n`;
  const opencode = { mcp: { opencode: { type: 'local', command: [command, ...args], environment: {} } } };
  const goose = { extensions: { goose: { type: 'stdio', cmd: command, args, enabled: true, timeout: 300 } } };
  const files = {
    'config.toml': toml,
    'opencode.json': JSON.stringify(opencode),
    'goose.yaml': JSON.stringify(goose),
  };
  const cwd = await createWorkspace(files);
  const configs = Object.keys(files).flatMap((file) => ['--config', file]);
  const { code, stdout } = await start(['check', '--json', ...configs], { cwd }).ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    warnings: [expect.stringContaining('extensions.goose.timeout: is read as 5m')],
    servers: [
      { name: 'codex', status: 'ready', file: 'config.toml', line: 1 },
      { name: 'opencode', status: 'ready', file: 'opencode.json', line: 1 },
      { name: 'goose', status: 'ready', file: 'goose.yaml', line: 1 },
    ],
  });
});

test('a server that is well is shown with all that it says about itself', async () => {
  const { code, stderr, document } = await check({ good: entry('behaviours') });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(document).toEqual({
    ok: true,
    exitCode: 0,
    source: 'mcp.json',
    warnings: [],
    servers: [
      {
        name: 'good',
        status: 'ready',
        state: 'ready',
        file: 'mcp.json',
        line: 3,
        implementation: { name: 'behaviours', version: '1.2.3' },
        revision: '2025-11-25',
        era: 'legacy',
        translatedFor: ['modern'],
        capabilities: expect.objectContaining({ tools: { listChanged: true }, logging: {} }),
        startMs: expect.any(Number),
        tools: expect.any(Number),
        resources: 1,
        prompts: expect.any(Number),
        stderr: [],
        skippedLines: 0,
      },
    ],
  });
  expect(document.servers[0].tools).toBeGreaterThan(5);
});

test.each([
  ['behaviours', [], 'legacy', '2025-11-25', ['modern']],
  ['modern-behaviours', [], 'modern', '2026-07-28', ['legacy']],
  ['dual-behaviours', [], 'both', '2025-11-25', []],
  ['dual-behaviours', ['modern'], 'modern', '2026-07-28', ['legacy']],
  ['dual-behaviours', ['legacy'], 'legacy', '2025-11-25', ['modern']],
])('%s, pinned %j: era %s, revision %s', async (fixture, [era], found, revision, translatedFor) => {
  const { document } = await check({ one: { ...entry(fixture), ...(era !== undefined && { era }) } });
  expect(document.servers[0]).toMatchObject({ status: 'ready', era: found, revision, translatedFor });
  expect(document.servers[0].tools).toBeGreaterThan(5);
});

test.each([
  [[], 'both', '2025-11-25', []],
  [['--exits'], 'both', '2025-11-25', []],
  [['--slow'], 'both', '2025-11-25', []],
  [['--modern'], 'modern', '2026-07-28', ['legacy']],
  [['--modern', '--exits'], 'modern', '2026-07-28', ['legacy']],
])(
  'a server whose process settles with its first message, %j: era %s, revision %s',
  async (args, found, revision, translatedFor) => {
    const { document } = await check({ one: entry('settles', ...args) });
    expect(document.servers[0]).toMatchObject({
      status: 'ready',
      era: found,
      revision,
      translatedFor,
      tools: 1,
    });
  },
);

test.each([
  ['dies-at-start', [], 4, 'backoff', 'UPSTREAM_EXITED', 'exited (exit code 3)'],
  ['misfit', ['silent'], 4, 'backoff', 'PROBE_TIMEOUT', 'did not answer initialize within 300 ms'],
  [
    'misfit',
    ['refuses'],
    5,
    'backoff',
    'UPSTREAM_ERROR',
    'answered initialize with an error: no licence (-32000)',
  ],
  ['misfit', ['untyped'], 5, 'backoff', 'NOT_MCP', 'it has no protocolVersion'],
  [
    'misfit',
    ['broken'],
    5,
    'ready',
    'UPSTREAM_ERROR',
    'answered tools/list with an error: the database is gone',
  ],
  ['misfit', ['endless'], 5, 'ready', 'NOT_MCP', 'its pages do not end'],
] as const)('%s %j is a failure that says why', async (fixture, args, exitCode, state, reason, message) => {
  const timeout = reason === 'PROBE_TIMEOUT' ? ['--timeout', '300ms'] : [];
  const { code, stderr, document } = await check({ bad: entry(fixture, ...args) }, ...timeout);
  expect({ code, stderr }).toEqual({ code: exitCode, stderr: '' });
  expect(document).toMatchObject({
    ok: false,
    exitCode,
    servers: [
      {
        name: 'bad',
        status: 'failed',
        state,
        error: { code: reason, message: expect.stringContaining(message) },
      },
    ],
  });
});

test('the last stderr lines of a server that fails are shown, and what to do', async () => {
  const dying = await check({ dies: entry('dies-at-start') });
  expect(dying.document.servers).toMatchObject([{ stderr: ['cannot start: the fixture was told so'] }]);
  const slow = await check({ slow: entry('misfit', 'silent') }, '--timeout=5s');
  expect(slow.document.servers).toMatchObject([
    { stderr: ['waiting for a licence'], error: { hint: expect.stringContaining('--timeout') } },
  ]);
});

test('a command that is not there, and a directory that is not there, are told apart', async () => {
  const { code, document } = await check({
    a: { command: 'no-such-command-at-all' },
    b: { ...entry('behaviours'), cwd: '/no/such/directory' },
  });
  expect(code).toBe(4);
  expect(document.servers).toMatchObject([
    { state: 'stopped', error: { code: 'COMMAND_NOT_FOUND', hint: expect.stringContaining('PATH') } },
    { error: { code: 'SPAWN_FAILED', message: expect.stringContaining('/no/such/directory') } },
  ]);
});

test('what a server repeats of its secrets is masked', async () => {
  const args = ['-e', 'console.error("bad key " + process.env.API_KEY); process.exitCode = 1'];
  const { document } = await check({
    leaks: { command: process.execPath, args, env: { API_KEY: 'hunter2-hunter2' } },
  });
  expect(document.servers).toMatchObject([{ stderr: ['bad key ***'] }]);
});

test('a server whose stdout is strict may write nothing else there', async () => {
  const { code, document } = await check({ chatty: { ...entry('misfit', 'garbage'), stdout: 'strict' } });
  expect(code).toBe(4);
  expect(document.servers).toMatchObject([{ error: { code: 'STDOUT_NOT_MCP' } }]);
});

test('lines on stdout that are not JSON-RPC are counted and no failure', async () => {
  const { code, document } = await check({ chatty: entry('misfit', 'garbage') });
  expect(code).toBe(0);
  expect(document.servers).toMatchObject([{ status: 'ready', skippedLines: 2, tools: 0 }]);
});

test('all pages are counted, and a server may ask for a sign of life but for nothing else', async () => {
  const { document } = await check({ pages: entry('misfit', 'pages'), asks: entry('misfit', 'asks') });
  expect(document.servers).toMatchObject([
    { tools: 7, resources: null, prompts: null },
    { tools: 1, resources: null, prompts: null },
  ]);
});

test('disabled servers are listed and not started; --server starts one all the same', async () => {
  const servers = { on: entry('behaviours'), off: { ...entry('dies-at-start'), disabled: true } };
  const all = await check(servers);
  expect(all.code).toBe(0);
  expect(all.document.servers).toMatchObject([{ status: 'ready' }, { name: 'off', status: 'disabled' }]);
  const one = await check(servers, '--server', 'off');
  expect(one.code).toBe(4);
  expect(one.document.servers).toMatchObject([{ name: 'off', status: 'failed' }]);
});

test('a URL is checked beside the commands, and its secrets are not shown', async () => {
  const { code, document } = await check({
    far: { url: 'http://127.0.0.1:1/mcp?key=hunter2', headers: { 'X-Key': 'hunter3' } },
    near: entry('behaviours'),
  });
  expect(code).toBe(4);
  expect(document.servers).toMatchObject([
    { status: 'failed', error: { code: 'UPSTREAM_UNREACHABLE' } },
    { status: 'ready' },
  ]);
  expect(JSON.stringify(document)).not.toMatch(/hunter\d/);
});

test('a URL on the command line is checked like any other server', async () => {
  const remote = start(['serve', '--demo', '--port', '0', '--log-format', 'json']);
  const [, url = ''] = /"url":"([^"]+)"/.exec(await remote.stderrUntil(/gateway\.ready.*\n/)) ?? [];
  const { code, stdout } = await start(['check', `${url}/mcp?key=hunter2`]).ended;
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(
      /^ready {7}127\.0\.0\.1: mcp-run-demo .* 4 tools, .* at http:.*\?key=\*\*\*\n$/,
    ),
  });
});

test('everything wrong with a manifest is in the document, and nothing is started', async () => {
  const { code, document } = await check({ a: { comand: 'x' }, b: { command: 'x', args: 'y' } });
  expect(code).toBe(2);
  expect(document).toMatchObject({
    ok: false,
    exitCode: 2,
    error: {
      code: 'MANIFEST_INVALID',
      problems: [
        { file: 'mcp.json', line: 3, key: 'mcpServers.a' },
        { file: 'mcp.json', line: 8, column: 15, key: 'mcpServers.b.args' },
      ],
    },
  });
});

test('a faulty entry fails with its errors beside the siblings that are checked', async () => {
  const servers = {
    good: entry('behaviours'),
    bad: { command: 'x', env: { A: '${NOPE_A}', B: '${NOPE_B}' } },
    off: { command: '${X:?}', timeout: 'soon', disabled: true },
  };
  const { code, stderr, document } = await check(servers);
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  expect(document).toMatchObject({
    ok: false,
    exitCode: 2,
    warnings: [],
    servers: [
      { name: 'good', status: 'ready' },
      {
        name: 'bad',
        status: 'failed',
        file: 'mcp.json',
        error: {
          code: 'MANIFEST_INVALID',
          problems: [{ key: 'mcpServers.bad.env.A' }, { key: 'mcpServers.bad.env.B' }],
        },
      },
      { name: 'off', status: 'disabled' },
    ],
  });
  const named = await check(servers, '--server', 'good');
  expect(named.code).toBe(0);
  expect(named.document.servers).toMatchObject([{ name: 'good', status: 'ready' }]);
  expect((await check(servers, '--server', 'bad')).document).toMatchObject({
    exitCode: 2,
    error: { code: 'MANIFEST_INVALID' },
  });
  const strict = await check(servers, '--strict');
  expect(strict.document.error.problems.map(({ key }: { key: string }) => key)).toEqual([
    'mcpServers.bad.env.A',
    'mcpServers.bad.env.B',
    'mcpServers.off.command',
    'mcpServers.off.timeout',
  ]);
});

test('without a terminal several errors of an entry are a line each', async () => {
  const manifest = { mcpServers: { good: entry('behaviours'), bad: { command: 3, args: 'x' } } };
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify(manifest) });
  const { stdout } = await start(['check'], { cwd }).ended;
  expect(stdout.split('\n').slice(1)).toEqual([
    'failed      bad: 2 errors in its entry',
    expect.stringMatching(/^ {4}mcp\.json:1:\d+: mcpServers\.bad\.command: must be a string/),
    expect.stringMatching(/^ {4}mcp\.json:1:\d+: mcpServers\.bad\.args: must be an array/),
    expect.stringContaining('hint:'),
    '',
  ]);
});

test('servers are checked at most four at a time, and shown in the order of the manifest', async () => {
  const mark = randomUUID();
  const names = Array.from({ length: 6 }, (_, index) => `server-${index}`);
  const server = { ...entry('misfit', 'silent'), env: { MARK: mark } };
  const checking = check(Object.fromEntries(names.map((name) => [name, server])), '--timeout', '3s');
  let most = 0;
  let isOver = false;
  void checking.finally(() => (isOver = true)).catch(() => {});
  while (!isOver) {
    most = Math.max(most, processesWith(mark).length);
    await delay(25);
  }
  const { document } = await checking;
  expect(document.servers.map(({ name }: { name: string }) => name)).toEqual(names);
  expect(most).toBe(4);
});

test('the options for the environment are those of serve', async () => {
  const script =
    'process.stderr.write(`${process.env.A} ${process.env.B} ${process.cwd()}\\n`); process.exit(1)';
  const cwd = await createWorkspace({ '.env': 'B=from a file\n', 'sub/x': '' });
  const argv = ['--env', 'A=1', '--env-file', '.env', '--cwd', 'sub', '--', process.execPath, '-e', script];
  const { code, stdout } = await start(['check', '--json', ...argv], { cwd }).ended;
  expect(code).toBe(4);
  expect(JSON.parse(stdout)).toMatchObject({
    source: 'command line',
    servers: [{ stderr: [`1 from a file ${cwd}/sub`] }],
  });
});

test('without a terminal there is a line for each server, with what is wrong below it', async () => {
  const manifest = {
    mcpServers: {
      good: entry('behaviours'),
      bad: entry('dies-at-start'),
      off: { command: 'x', disabled: true },
    },
  };
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify(manifest) });
  const { code, stdout, stderr } = await start(['check'], { cwd }).ended;
  expect({ code, stderr }).toEqual({ code: 4, stderr: '' });
  expect(stdout).toMatch(
    /^ready {7}good: behaviours 1\.2\.3, revision 2025-11-25, legacy \(translated for clients of 2026-07-28\), \d+ tools, 1 resource, .* started in \d+ ms$/m,
  );
  expect(stdout.split('\n').slice(1)).toEqual([
    'failed      bad: Server "bad" exited (exit code 3)',
    '    its last lines on stderr:',
    '    | cannot start: the fixture was told so',
    'disabled    off',
    '',
  ]);
});

describe('no process stays behind', () => {
  test('of a server that ignores the end of its input and SIGTERM, and has a child', async () => {
    const mark = randomUUID();
    const { code } = await check({ stubborn: { ...entry('stubborn'), env: { MARK: mark } } });
    expect(code).toBe(0);
    expect(await orphans(processesWith(mark), 0)).toEqual([]);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'when %s interrupts it, which then exits with 128 and its number',
    async (signal) => {
      const mark = randomUUID();
      const servers = {
        silent: { ...entry('misfit', 'silent'), env: { MARK: mark } },
        other: { ...entry('misfit', 'silent'), env: { MARK: mark } },
      };
      const cwd = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers: servers }) });
      const running = start(['check', '--json'], { cwd });
      while (processesWith(mark).length < 2) await delay(25);
      const pids = processesWith(mark);
      running.process.kill(signal);
      expect(await running.ended).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143, stdout: '' });
      expect(await orphans(pids)).toEqual([]);
    },
  );

  test('when it is interrupted twice', async () => {
    const mark = randomUUID();
    const server = { ...entry('behaviours', '--ignore-eof', '--ignore-sigterm'), env: { MARK: mark } };
    // A list that is never answered would do as well; here it is the stopping that takes long.
    const cwd = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers: { server } }) });
    const running = start(['check'], { cwd });
    while (processesWith(mark).length < 1) await delay(25);
    const pids = processesWith(mark);
    running.process.kill('SIGINT');
    running.process.kill('SIGTERM');
    expect([130, 143]).toContain((await running.ended).code);
    expect(await orphans(pids)).toEqual([]);
  });
});
