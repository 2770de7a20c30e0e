import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadManifest } from '../../src/manifest/load.ts';
import { commandOf, createWorkspace, failureOf, load, loadText, only, problemsOf } from './workspace.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/manifests/', import.meta.url));

function fixture(file: string, env: Record<string, string> = {}) {
  return loadManifest({ files: [file], cwd: FIXTURES, env });
}

describe('formats', () => {
  test("Claude's and Cursor's mcpServers, without the disabled ones", async () => {
    const manifest = await fixture('claude.json', { PATH: '/bin' });
    expect(manifest).toMatchObject({ source: 'claude.json', warnings: [] });
    expect(only(manifest)).toMatchObject({
      name: 'files',
      target: { kind: 'stdio', command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '.'] },
      allow: [],
      requestTimeoutMs: undefined,
    });
  });

  test("VS Code's servers and inputs, with comments and trailing commas", async () => {
    const manifest = await fixture('.vscode/mcp.json', { MCP_RUN_INPUT_API_KEY: 'secret' });
    expect(only(manifest).target).toMatchObject({
      command: join(FIXTURES, 'weather'),
      args: ['--region', 'eu'],
      env: { API_KEY: 'secret' },
      cwd: join(FIXTURES, '.'),
    });
    expect(manifest.warnings).toEqual([
      expect.stringMatching(/^\.vscode\/mcp\.json:13:7: servers\.weather\.dev: unknown key/),
    ]);
  });

  test('YAML with merge keys, and numbers as they are written', async () => {
    const manifest = await fixture('all.yaml');
    const { allow, requestTimeoutMs } = only(manifest);
    const target = commandOf(only(manifest));
    expect(target.args).toEqual(['mcp-server-time', '--utc-offset', '1.0']);
    expect({ ...target.env }).toEqual({ LOG_LEVEL: 'debug', GUILD_ID: '123456789012345678' });
    expect({ allow, requestTimeoutMs }).toEqual({ allow: ['roots'], requestTimeoutMs: 90_000 });
    expect(manifest.settings).toMatchObject({
      transports: ['http'],
      port: 4000,
      requestTimeoutMs: 120_000,
      bodyLimitBytes: 8_388_608,
    });
  });

  test.each([
    ['a byte order mark', '\uFEFF{"mcpServers":{"a":{"command":"x"}}}', 'mcp.json'],
    [
      'UTF-16 from a Windows shell',
      Buffer.from('\uFEFF{"mcpServers":{"a":{"command":"x"}}}', 'utf16le'),
      'mcp.json',
    ],
    ['YAML without an extension', 'mcpServers:\n  a: {command: x}\n', 'config'],
    ['JSON without an extension', ' /* */ {"mcpServers":{"a":{"command":"x"}}}', 'config'],
  ])('%s is read', async (_, content, name) => {
    const cwd = await createWorkspace({ [name]: content });
    expect(only(await loadManifest({ files: [name], cwd, env: {} })).name).toBe('a');
  });

  test.each(['http', 'sse', 'streamable-http', 'streamableHttp'])('the type %s needs a url', async (type) => {
    const [line] = await problemsOf(load({ mcpServers: { a: { type, command: 'x' } } }));
    expect(line).toContain('mcpServers.a: needs a "url"');
    await expect(
      load({
        mcpServers: { a: { transportType: type, url: 'https://x/', disabled: true }, b: { command: 'x' } },
      }),
    ).resolves.toBeDefined();
  });

  test.each([{ disabled: true }, { enabled: false }])('%j leaves a server out', async (off) => {
    const manifest = await load({ mcpServers: { a: { command: 'x', ...off }, b: { command: 'y' } } });
    expect(only(manifest).name).toBe('b');
  });
});

describe('discovery', () => {
  const valid = (name: string): string => JSON.stringify({ mcpServers: { [name]: { command: 'x' } } });

  test('takes the first of the usual places, and says which', async () => {
    const order = [
      'mcp-run.json',
      'mcp-run.jsonc',
      'mcp-run.yaml',
      'mcp.json',
      '.mcp.json',
      '.vscode/mcp.json',
    ];
    for (const [index, expected] of order.entries()) {
      const cwd = await createWorkspace(
        Object.fromEntries(order.slice(index).map((file) => [file, valid('a')])),
      );
      expect((await loadManifest({ cwd, env: {} })).source).toBe(expected);
    }
  });

  test('prefers a named file to MCP_RUN_CONFIG, and that to the usual places', async () => {
    const cwd = await createWorkspace({
      'mcp.json': valid('usual'),
      'a.json': valid('a'),
      'b.json': valid('b'),
    });
    const env = { MCP_RUN_CONFIG: 'a.json' };
    expect(only(await loadManifest({ cwd, env })).name).toBe('a');
    expect(only(await loadManifest({ cwd, env, files: ['b.json'] })).name).toBe('b');
    expect(only(await loadManifest({ cwd, env: { MCP_RUN_CONFIG: '' } })).name).toBe('usual');
  });

  test('names every place when there is none', async () => {
    const error = await failureOf(loadManifest({ cwd: await createWorkspace(), env: {} }));
    expect(error.code).toBe('MANIFEST_NOT_FOUND');
    expect(error.message).toContain('./mcp-run.json, ./mcp-run.jsonc');
    expect(error.message).toContain('./.vscode/mcp.json');
  });

  test('merges several files, the later one wins', async () => {
    const cwd = await createWorkspace({
      'a.json': JSON.stringify({
        mcpServers: { one: { command: 'x' }, two: { command: 'x' } },
        serve: { port: 1, host: 'localhost' },
      }),
      'b.json': JSON.stringify({ mcpServers: { two: { command: 'y' } }, serve: { port: 2 } }),
    });
    const manifest = await loadManifest({ cwd, env: {}, files: ['a.json', 'b.json'] });
    expect(manifest.servers.map((spec) => [spec.name, commandOf(spec).command])).toEqual([
      ['one', 'x'],
      ['two', 'y'],
    ]);
    expect(manifest.settings).toMatchObject({ port: 2, host: 'localhost' });
    expect(manifest.source).toBe('a.json, b.json');
  });

  test.each([
    ['missing.json', 'there is no such file'],
    ['.', 'it is a directory'],
    ['latin1.json', 'not UTF-8'],
  ])('%s cannot be read', async (file, detail) => {
    const cwd = await createWorkspace({ 'latin1.json': Buffer.from([0x7b, 0xe4, 0x7d]) });
    const error = await failureOf(loadManifest({ cwd, env: {}, files: [file] }));
    expect(error.code).toBe('MANIFEST_UNREADABLE');
    expect(error.message).toContain(detail);
  });
});

describe('the choice of servers', () => {
  const two = {
    mcpServers: { a: { command: 'x' }, b: { command: 'y', disabled: true }, c: { command: 'z' } },
  };

  test('takes the named ones, also disabled ones', async () => {
    const manifest = await load(two, { servers: ['b', 'a'] });
    expect(manifest.servers.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  test('lists what there is when a name is unknown', async () => {
    const error = await failureOf(load(two, { servers: ['d'] }));
    expect(error).toMatchObject({ code: 'SERVER_UNKNOWN', fields: { server: 'd', available: 'a, b, c' } });
  });

  test('over stdio needs a single one', async () => {
    const overrides = { transports: ['stdio'] as const };
    expect(await failureOf(load(two, { overrides }))).toMatchObject({
      code: 'SERVER_AMBIGUOUS',
      fields: { available: 'a, c', count: 2 },
    });
    await expect(load(two, { overrides, servers: ['c'] })).resolves.toBeDefined();
  });

  test('finds nothing when all are disabled', async () => {
    const error = await failureOf(load({ mcpServers: { a: { command: 'x', disabled: true } } }));
    expect(error.code).toBe('NO_SERVERS');
    expect((await failureOf(load({ mcpServers: {} }))).code).toBe('NO_SERVERS');
  });

  test('treats __proto__ and constructor as names like any other', async () => {
    const text =
      '{"mcpServers":{"__proto__":{"command":"x","env":{"__proto__":"1"}},"constructor":{"command":"y"}}}';
    const manifest = await loadText(text);
    expect(manifest.servers.map(({ name }) => name)).toEqual(['__proto__', 'constructor']);
    expect(({} as { command?: string }).command).toBeUndefined();
    expect((await failureOf(loadText(text, { servers: ['toString'] }))).code).toBe('SERVER_UNKNOWN');
  });
});

describe('the process of a server', () => {
  test('starts in the folder of the manifest, or in cwd relative to it', async () => {
    const cwd = await createWorkspace({
      'sub/mcp.json': JSON.stringify({
        mcpServers: { a: { command: 'x' }, b: { command: 'x', cwd: '../other' } },
      }),
    });
    const { servers } = await loadManifest({ files: ['sub/mcp.json'], cwd, env: {} });
    expect(servers.map((spec) => commandOf(spec).cwd)).toEqual([join(cwd, 'sub'), join(cwd, 'other')]);
  });

  test('has the variables of passEnv, envFile and env, in this order', async () => {
    const cwd = await createWorkspace({
      '.env': 'A=file\nB=file\n',
      'mcp.json': JSON.stringify({
        mcpServers: {
          a: { command: 'x', passEnv: ['A', 'D'], envFile: '.env', env: { B: 'env', C: 1, E: true } },
        },
      }),
    });
    const manifest = await loadManifest({
      files: ['mcp.json'],
      cwd,
      env: { A: 'ours', D: 'ours', SECRET: 's' },
    });
    expect({ ...commandOf(only(manifest)).env }).toEqual({
      A: 'file',
      B: 'env',
      C: '1',
      D: 'ours',
      E: 'true',
    });
  });

  test('takes what the command line adds over what the file says', async () => {
    const cwd = await createWorkspace({
      'extra.env': 'A=extra\nB=extra',
      'mcp.json': JSON.stringify({
        mcpServers: { a: { command: 'x', cwd: 'y', env: { A: 'file', B: 'file' } } },
      }),
    });
    const child = { cwd, env: { B: 'flag' }, envFiles: [join(cwd, 'extra.env')], passEnv: ['C'] };
    const target = commandOf(
      only(await loadManifest({ files: ['mcp.json'], cwd, env: { C: 'ours' }, child })),
    );
    expect(target.cwd).toBe(cwd);
    expect({ ...target.env }).toEqual({ A: 'extra', B: 'flag', C: 'ours' });
  });

  test('warns about what is probably not meant', async () => {
    const { warnings } = await load({
      mcpServers: { a: { command: 'npx -y x', timeout: 30, alwaysAllow: ['x'] } },
    });
    expect(warnings.map((line) => line.replace(/^mcp\.json:\d+:\d+: /, ''))).toEqual([
      'mcpServers.a.alwaysAllow: ignored: the client that is connected to mcp-run asks for approval',
      'mcpServers.a.command: has spaces; arguments go in "args", one string each',
      'mcpServers.a.timeout: is read as 30s; write "30s", or milliseconds from 1000 on',
    ]);
  });
});

describe('settings', () => {
  const server = { mcpServers: { a: { command: 'x' } } };

  test('come from overrides, then the file, then the defaults', async () => {
    const { settings } = await load(
      { ...server, serve: { port: 1, host: 'localhost' } },
      { overrides: { port: 2 } },
    );
    expect(settings).toMatchObject({
      port: 2,
      host: 'localhost',
      transports: ['http', 'sse'],
      maxSessions: 1000,
      maxConnections: 10_000,
    });
  });

  test('may hold variables, also for numbers', async () => {
    const { settings } = await load(
      { ...server, serve: { port: '${PORT_A:-4000}', baseUrl: '${BASE}' } },
      { env: { BASE: 'https://x.example/a/' } },
    );
    expect(settings).toMatchObject({ port: 4000, baseUrl: 'https://x.example/a' });
  });

  test.each(['0.0.0.0', '::', 'example.com', ''])('refuse to listen on %j', async (host) => {
    expect((await failureOf(load({ ...server, serve: { host } }))).code).toBe('BIND_REFUSED');
    await expect(load({ ...server, serve: { host, insecure: true } })).resolves.toBeDefined();
    await expect(load({ ...server, serve: { host, transports: ['stdio'] } })).resolves.toBeDefined();
  });

  test('refuse one path for two things', async () => {
    expect((await failureOf(load({ ...server, serve: { ssePath: '/mcp' } }))).message).toContain(
      '/mcp is used twice',
    );
    expect((await failureOf(load({ ...server, serve: { httpPath: '/healthz' } }))).code).toBe('USAGE');
  });
});
