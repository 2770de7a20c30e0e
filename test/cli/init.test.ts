import { execFileSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadManifest } from '../../src/manifest/load.ts';
import { createWorkspace } from '../manifest/workspace.ts';
import { start } from './binary.ts';
import { run } from './terminal.ts';

test.each(['mcp-run.jsonc', 'mcp-run.yaml', 'mcp-run.json'])(
  'the starter %s passes the check as it is',
  async (file) => {
    const cwd = await createWorkspace();
    const written = await run(['init', file], { cwd });
    expect(written).toMatchObject({ code: 0, stderr: '' });
    expect(written.stdout).toContain(`Wrote ${file} with 1 server: demo`);
    const { code, stdout } = await start(['check', '--json'], { cwd }).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      source: file,
      servers: [{ name: 'demo', status: 'ready', stderr: [] }],
    });
  },
);

test('the starter is mcp-run.jsonc with comments, and is not overwritten without --force', async () => {
  const cwd = await createWorkspace();
  await run(['init'], { cwd });
  const text = await readFile(join(cwd, 'mcp-run.jsonc'), 'utf8');
  expect(text).toContain('// Any other server that is a command:');
  const again = await run(['init', '--json'], { cwd });
  expect(again.code).toBe(2);
  expect(JSON.parse(again.stdout)).toMatchObject({ ok: false, error: { code: 'FILE_EXISTS' } });
  expect(await run(['init', '--force'], { cwd })).toMatchObject({ code: 0 });
});

test('--force writes over a file, and neither into a pipe nor into a device', async () => {
  const cwd = await createWorkspace();
  execFileSync('mkfifo', [join(cwd, 'pipe.json')]);
  for (const file of ['pipe.json', '/dev/null']) {
    const { code, stderr } = await run(['init', file, '--force'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(`Cannot write ${file}: it is a pipe, a device or a socket`);
  }
});

test('a folder that is not there is an error, not a stack trace', async () => {
  const cwd = await createWorkspace();
  const { code, stderr } = await run(['init', 'no/where.jsonc'], { cwd });
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'error: Cannot write no/where.jsonc: there is no such folder\n',
  });
});

const VSCODE = `{
  // VS Code asks for these once.
  "inputs": [{ "type": "promptString", "id": "key", "description": "Key", "password": true, "extra": 1 }],
  "servers": {
    "weather": {
      "type": "stdio", "command": "weather", "args": ["--big", 12345678901234567890], "cwd": "tools",
      "env": { "API_KEY": "\${input:key}", "VERSION": 1.0, "PASSWORD": "hunter2" },
      "dev": { "watch": "src/**" },
    },
    "far": { "url": "https://example.com/mcp", "gallery": true },
  },
  "other": {}
}`;

test('another client’s file is imported with all servers, and what is dropped is said', async () => {
  const cwd = await createWorkspace({ '.vscode/mcp.json': VSCODE });
  const { code, stdout } = await run(['init', 'sub.jsonc', '--from', '.vscode/mcp.json', '--json'], { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    exitCode: 0,
    file: 'sub.jsonc',
    from: '.vscode/mcp.json',
    servers: ['weather', 'far'],
    dropped: [
      '.vscode/mcp.json:3: inputs.0.extra',
      '.vscode/mcp.json:8: servers.weather.dev',
      '.vscode/mcp.json:10: servers.far.gallery',
      '.vscode/mcp.json:12: other',
    ],
    notes: [expect.stringContaining('secrets were copied as they are (weather)')],
  });
  const file = join(cwd, 'sub.jsonc');
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    inputs: [{ type: 'promptString', id: 'key', description: 'Key', password: true }],
    mcpServers: {
      weather: {
        type: 'stdio',
        command: 'weather',
        args: ['--big', '12345678901234567890'],
        cwd: 'tools',
        env: { API_KEY: '${input:key}', VERSION: '1.0', PASSWORD: 'hunter2' },
      },
      far: { url: 'https://example.com/mcp' },
    },
  });
  // It holds the secrets of the file it came from.
  expect((await stat(file)).mode & 0o077).toBe(0);
  expect(await run(['list', 'sub.jsonc'], { cwd })).toMatchObject({ code: 0, stderr: '' });
});

test('remote servers are taken over with what they need, and what is not known is dropped', async () => {
  const far = {
    url: 'https://example.com/mcp',
    headersFile: 'headers',
    oauth: {
      clientId: 'me',
      clientSecret: 'hush',
      privateKeyFile: '/abs/key.pem',
      authServerMetadataUrl: 'x',
    },
  };
  const cwd = await createWorkspace({
    'there/mcp.json': JSON.stringify({ mcpServers: { far } }),
    'here/x': '',
  });
  const { code, stdout } = await run(['init', 'here/a.json', '--from', 'there/mcp.json', '--json'], { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    dropped: ['there/mcp.json:1: mcpServers.far.oauth.authServerMetadataUrl'],
    notes: [expect.stringContaining('secrets were copied as they are (far)')],
  });
  expect(JSON.parse(await readFile(join(cwd, 'here/a.json'), 'utf8'))).toEqual({
    mcpServers: {
      far: {
        url: 'https://example.com/mcp',
        headersFile: '../there/headers',
        oauth: { clientId: 'me', clientSecret: 'hush', privateKeyFile: '/abs/key.pem' },
      },
    },
  });
});

test('a faulty entry is left out and reported, and the others are taken over', async () => {
  const source = {
    inputs: [
      { id: 'a', type: 'promptString' },
      { id: 'b', type: 'nope' },
    ],
    servers: {
      good: { command: 'x', args: ['${input:a}', '${NOPE}'], env: null, cwd: '' },
      bad: { command: 3 },
      worse: 'npx x',
      off: { timeout: 'soon', disabled: true },
    },
  };
  const cwd = await createWorkspace({
    'mcp.json': JSON.stringify(source),
    'bad.json': '{"servers":{"a":1,"b":2}}',
  });
  const shown = await run(['init', 'a.json', '--from', 'mcp.json'], { cwd });
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('Wrote a.json with 1 server') });
  expect(shown.stderr).toMatch(
    /^error: rejected server "bad"; .*\n {2}servers\.bad\.command: must be a string/m,
  );
  expect(JSON.parse(await readFile(join(cwd, 'a.json'), 'utf8'))).toEqual({
    inputs: [{ id: 'a', type: 'promptString' }],
    mcpServers: { good: { command: 'x', args: ['${input:a}', '${NOPE}'] } },
  });
  const { code, stdout } = await run(['init', 'b.json', '--from', 'mcp.json', '--json'], { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: true,
    servers: ['good'],
    dropped: ['mcp.json:1: inputs.1'],
    rejected: [
      { name: 'bad', error: { code: 'MANIFEST_INVALID', problems: [{ key: 'servers.bad.command' }] } },
      { name: 'worse' },
      { name: 'off' },
    ],
  });
  expect(await run(['init', 'c.json', '--from', 'bad.json'], { cwd })).toMatchObject({ code: 2, stdout: '' });
});

test('paths that were relative to the old file still lead to the same place', async () => {
  const cwd = await createWorkspace({
    'there/mcp.json': JSON.stringify({
      mcpServers: { a: { command: 'x', cwd: 'tools', envFile: ['.env', '/abs'] } },
    }),
    'there/.env': 'A=1',
    'here/x': '',
  });
  expect(await run(['init', 'here/mcp-run.yaml', '--from', 'there/mcp.json'], { cwd })).toMatchObject({
    code: 0,
  });
  const text = await readFile(join(cwd, 'here/mcp-run.yaml'), 'utf8');
  expect(text).toContain('cwd: ../there/tools');
  expect(text).toContain('- ../there/.env');
  expect(text).toContain('- /abs');
});

test.each([
  ['claude', '.mcp.json'],
  ['claude', 'config/Claude/claude_desktop_config.json'],
  ['claude', 'home/.claude.json'],
  ['cursor', '.cursor/mcp.json'],
  ['cursor', 'home/.cursor/mcp.json'],
  ['vscode', '.vscode/mcp.json'],
  ['vscode', 'config/Code/User/mcp.json'],
])('--from %s finds %s', async (client, place) => {
  const key = client === 'vscode' ? 'servers' : 'mcpServers';
  const cwd = await createWorkspace({
    [place]: JSON.stringify({ theme: 'dark', [key]: { a: { command: 'x' } } }),
  });
  const env = { HOME: join(cwd, 'home'), XDG_CONFIG_HOME: join(cwd, 'config') };
  const { code } = await run(['init', '--from', client], { cwd, env });
  expect(code).toBe(0);
  const { servers } = await loadManifest({ cwd, env: {} });
  expect(servers.map(({ name }) => name)).toEqual(['a']);
});

test('a client without servers is an error that says where they were looked for', async () => {
  const cwd = await createWorkspace({ 'config/Claude/claude_desktop_config.json': '{"theme": "dark"}' });
  const env = { HOME: join(cwd, 'home'), XDG_CONFIG_HOME: join(cwd, 'config') };
  const { code, stderr } = await run(['init', '--from', 'claude'], { cwd, env });
  expect(code).toBe(2);
  expect(stderr).toContain('error: No file of claude with servers found. Looked for: ');
  expect(stderr).toContain('claude_desktop_config.json');
});

test('settings that only look like servers do not hide the file that holds them', async () => {
  const cwd = await createWorkspace({
    '.vscode/settings.json': '{"json.schemas": [{"fileMatch": ["*"], "url": "https://example.com/x.json"}]}',
    'config/Code/User/settings.json': '{"mcp": {"servers": {"a": {"command": "x"}}}}',
  });
  const env = { HOME: join(cwd, 'home'), XDG_CONFIG_HOME: join(cwd, 'config') };
  expect(await run(['init', '--from', 'vscode'], { cwd, env })).toMatchObject({ code: 0, stderr: '' });
  expect((await loadManifest({ cwd, env: {} })).servers).toMatchObject([{ name: 'a' }]);
});

test('a TOML file is read, not written', async () => {
  const cwd = await createWorkspace({ 'x.toml': '[mcp_servers.a]\ncommand = "x"\n' });
  const { code, stderr } = await run(['init', 'y.toml', '--from', 'x.toml'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('mcp-run writes JSON or YAML; name a file that ends in .jsonc or .yaml');
});

test('a file that is faulty is not imported', async () => {
  const cwd = await createWorkspace({ 'x.json': '{"mcpServers": {"a": {"command": 3}}}', 'y.json': '{}' });
  expect(await run(['init', '--from', 'x.json'], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('must be a string'),
  });
  expect(await run(['init', '--from', 'y.json'], { cwd })).toMatchObject({ code: 2 });
});

const CODEX = `model = "gpt-5"

[mcp_servers.docs]
command = "docs"
args = ["--port", 1.0]
tool_timeout_sec = 30.5
startup_timeout_sec = 20
sandbox = true
required = true

[mcp_servers.docs.env]
MODE = "fast"

[mcp_servers.far]
url = "https://example.com/mcp"
bearer_token_env_var = "FAR_TOKEN"
`;

test('the words of another client become those of mcp-run, and what has no counterpart is said', async () => {
  const cwd = await createWorkspace({
    'config.toml': CODEX,
    'opencode.json': `{ "mcp": { "a": { "type": "local", "command": ["x", "--key={env:KEY}"], "environment": { "K": "{env:KEY}" }, "timeout": 60 } } }`,
    'settings.json': `{ "mcp": { "inputs": [{ "type": "promptString", "id": "k" }], "servers": { "v": { "command": "v", "args": ["\${input:k}"] } }, "other": {} } }`,
  });
  const convert = async (from: string) => {
    const { code, stdout } = await run(['init', 'out.json', '--force', '--from', from, '--json'], { cwd });
    expect(code).toBe(0);
    const { dropped } = JSON.parse(stdout);
    return { dropped, ...JSON.parse(await readFile(join(cwd, 'out.json'), 'utf8')) };
  };
  expect(await convert('config.toml')).toEqual({
    dropped: [
      'config.toml:1: model',
      'config.toml:7: mcp_servers.docs.startup_timeout_sec',
      'config.toml:8: mcp_servers.docs.sandbox',
      'config.toml:9: mcp_servers.docs.required',
    ],
    mcpServers: {
      docs: { command: 'docs', args: ['--port', '1.0'], timeout: '30500ms', env: { MODE: 'fast' } },
      far: { url: 'https://example.com/mcp', headers: { Authorization: 'Bearer ${FAR_TOKEN}' } },
    },
  });
  expect(await convert('opencode.json')).toEqual({
    dropped: [],
    mcpServers: {
      a: { type: 'stdio', command: 'x', args: ['--key=${KEY}'], env: { K: '${KEY}' }, timeout: '1m' },
    },
  });
  expect(await convert('settings.json')).toEqual({
    dropped: ['settings.json:1: mcp.other'],
    inputs: [{ type: 'promptString', id: 'k' }],
    mcpServers: { v: { command: 'v', args: ['${input:k}'] } },
  });
});

const SERVER = { command: 'x' };

test.each([
  ['codex', 'home/.codex/config.toml', '[mcp_servers.a]\ncommand = "x"\n'],
  ['gemini', '.gemini/settings.json', { mcpServers: { a: SERVER } }],
  ['qwen', 'home/.qwen/settings.json', { mcpServers: { a: SERVER } }],
  ['windsurf', 'home/.codeium/windsurf/mcp_config.json', { mcpServers: { a: SERVER } }],
  ['zed', 'config/zed/settings.json', { context_servers: { a: SERVER } }],
  ['opencode', 'config/opencode/opencode.json', { mcp: { a: { type: 'local', command: ['x'] } } }],
  ['crush', 'crush.json', { mcp: { a: { type: 'stdio', ...SERVER } } }],
  ['goose', 'config/goose/config.yaml', 'extensions: {a: {type: stdio, cmd: x, args: []}}\n'],
  ['continue', 'home/.continue/config.yaml', 'mcpServers: [{name: a, command: x}]\n'],
  ['copilot', 'home/.copilot/mcp-config.json', { mcpServers: { a: { type: 'local', ...SERVER } } }],
  ['amp', 'config/amp/settings.json', { 'amp.mcpServers': { a: SERVER } }],
  ['kiro', '.kiro/settings/mcp.json', { mcpServers: { a: SERVER } }],
  ['lmstudio', 'home/.lmstudio/mcp.json', { mcpServers: { a: SERVER } }],
  ['roo', '.roo/mcp.json', { mcpServers: { a: SERVER } }],
  ['vscode', '.vscode/settings.json', { 'mcp.servers': { a: SERVER } }],
])('--from %s finds %s and reads it', async (client, place, content) => {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const cwd = await createWorkspace({ [place]: text });
  const env = { HOME: join(cwd, 'home'), XDG_CONFIG_HOME: join(cwd, 'config') };
  const { code, stderr } = await run(['init', '--from', client], { cwd, env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { servers } = await loadManifest({ cwd, env: {} });
  expect(servers.map(({ name, target }) => [name, target])).toMatchObject([['a', { command: 'x' }]]);
});
