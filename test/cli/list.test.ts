import { expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { run } from './terminal.ts';

const MANIFEST = `{
  "mcpServers": {
    "files": {
      "command": "npx", "args": ["-y", "files", "--api-key", "abc-secret", "--token=def-secret", "\${ROOT}"],
      "env": { "API_KEY": "ghi-secret", "LEVEL": "\${NOT_SET}" }, "envFile": ".env", "passEnv": ["HOME"]
    },
    "db": { "command": "server-db", "args": ["postgres://me:jkl-secret@host/db"], "disabled": true },
    "far": { "url": "https://example.com/mcp?key=pqr-secret", "headers": { "Authorization": "Bearer stu-secret" }, "headersFile": "h" }
  }
}`;

test('what a manifest holds is a table, without its secrets, and without a variable being set', async () => {
  const cwd = await createWorkspace({ 'mcp.json': MANIFEST });
  const { code, stdout, stderr } = await run(['list'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`SERVER  KIND             WHERE       VARIABLES                  WHAT
files   stdio            mcp.json:3  API_KEY LEVEL (.env) HOME  npx -y files --api-key *** --token=*** \${ROOT}
db      stdio, disabled  mcp.json:7  –                          server-db postgres://***@host/db
far     auto             mcp.json:8  Authorization: (h)         https://example.com/mcp?key=***
`);
});

test('--json is one document with everything', async () => {
  const cwd = await createWorkspace({ 'mcp.json': MANIFEST });
  const { code, stdout } = await run(['list', '--json', 'mcp.json', '--server', 'files', '--server', 'far'], {
    cwd,
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    exitCode: 0,
    source: 'mcp.json',
    warnings: [],
    servers: [
      {
        name: 'files',
        kind: 'stdio',
        disabled: false,
        command: 'npx',
        args: ['-y', 'files', '--api-key', '***', '--token=***', '${ROOT}'],
        env: ['API_KEY', 'LEVEL'],
        envFile: ['.env'],
        passEnv: ['HOME'],
        headers: [],
        file: 'mcp.json',
        line: 3,
      },
      {
        name: 'far',
        kind: 'auto',
        disabled: false,
        args: [],
        url: 'https://example.com/mcp?key=***',
        env: [],
        envFile: [],
        passEnv: [],
        headers: ['Authorization'],
        headersFile: 'h',
        file: 'mcp.json',
        line: 8,
      },
    ],
  });
  expect(stdout).not.toContain('secret');
});

test('several files are one list, and every server says where it is from', async () => {
  const cwd = await createWorkspace({
    'a.json': '{"mcpServers": {"one": {"command": "x"}, "two": {"command": "x"}}}',
    'b.yaml': 'mcpServers:\n  two:\n    command: y\n',
  });
  const { stdout } = await run(['list', '--json', '--config', 'a.json', '--config', 'b.yaml'], { cwd });
  expect(JSON.parse(stdout)).toMatchObject({
    source: 'a.json, b.yaml',
    servers: [
      { name: 'one', command: 'x', file: 'a.json', line: 1 },
      { name: 'two', command: 'y', file: 'b.yaml', line: 2 },
    ],
  });
});

test('an unknown server, a faulty manifest and no manifest are errors with exit code 2', async () => {
  const cwd = await createWorkspace({
    'mcp.json': '{"mcpServers": {"a": {"command": "x"}}}',
    'bad.json': '{"mcpServers": {"a": {"command": 3}}}',
  });
  const codeOf = async (...argv: string[]) => {
    const { code, stdout } = await run(['list', '--json', ...argv], { cwd });
    return [code, JSON.parse(stdout).error.code];
  };
  expect(await codeOf('--server', 'b')).toEqual([2, 'SERVER_UNKNOWN']);
  expect(await codeOf('bad.json')).toEqual([2, 'MANIFEST_INVALID']);
  expect(await codeOf('none.json')).toEqual([2, 'MANIFEST_UNREADABLE']);
  expect(await codeOf('--nope')).toEqual([2, 'USAGE']);
  expect(await codeOf('--', 'npx')).toEqual([2, 'USAGE']);
});

const FAULTY = `{"mcpServers": {
  "good": { "command": "x" },
  "ws": { "type": "teleport", "url": "https://example.com/" },
  "off": { "command": "\${X:?}", "env": { "KEY": "abc-secret" }, "disabled": true }
}}`;

test('a faulty entry is shown with its errors, and does not hide the others', async () => {
  const cwd = await createWorkspace({ 'mcp.json': FAULTY });
  const { code, stdout, stderr } = await run(['list'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^good +stdio +mcp\.json:2/m);
  expect(stdout).toMatch(/^ws +auto, invalid +mcp\.json:3/m);
  expect(stdout).toMatch(/^off +stdio, invalid, disabled +mcp\.json:4/m);
  expect(stdout).toMatch(
    /^✖ ws cannot be served:\n {2}mcpServers\.ws\.type: must be one of .*\n {4}at mcp\.json:3:/m,
  );
  expect(stdout).toMatch(/^✖ off could not be served:\n {2}mcpServers\.off\.command: .* write \$\{X\}/m);
  expect(stdout).not.toContain('secret');
});

test('--json holds the errors of each faulty entry; --strict and its name make them one error', async () => {
  const cwd = await createWorkspace({ 'mcp.json': FAULTY });
  const { code, stdout } = await run(['list', '--json'], { cwd });
  expect(code).toBe(0);
  const { servers } = JSON.parse(stdout);
  expect(servers.map(({ name, error }: { name: string; error?: object }) => [name, error])).toEqual([
    ['good', undefined],
    [
      'ws',
      expect.objectContaining({ code: 'MANIFEST_INVALID', problems: [expect.objectContaining({ line: 3 })] }),
    ],
    [
      'off',
      expect.objectContaining({ problems: [expect.objectContaining({ key: 'mcpServers.off.command' })] }),
    ],
  ]);
  expect(await run(['list', '--server', 'good'], { cwd })).toMatchObject({ code: 0, stderr: '' });
  expect(await run(['list', '--server', 'ws'], { cwd })).toMatchObject({ code: 2, stdout: '' });
  const strict = await run(['list', '--json'], { cwd, env: { MCP_RUN_STRICT: '1' } });
  expect(strict.code).toBe(2);
  expect(JSON.parse(strict.stdout).error.problems).toHaveLength(2);
});

test('control characters of a manifest do not reach the terminal', async () => {
  const cwd = await createWorkspace({
    'mcp.json': '{"mcpServers": {"a": {"command": "x\\u001b[2Jy\\u0007"}}}',
  });
  const { stdout } = await run(['list'], { cwd, stdoutIsTerminal: true, env: { NO_COLOR: '1' } });
  expect(stdout).toContain(String.raw`x\u001b[2Jy\u0007`);
  expect(stdout).not.toContain('\u001B');
});

test('a file in a format that is not known is an error, and one without servers is none', async () => {
  const cwd = await createWorkspace({
    'bare.json': '{"github": {"command": "npx"}}',
    'theme.json': '{"theme": "dark"}',
    'empty.json': '{"mcpServers": {}}',
  });
  const { code, stdout, stderr } = await run(['list', 'bare.json'], { cwd });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('github: looks like a server; the servers must be inside "mcpServers"');
  expect(await run(['list', 'theme.json'], { cwd })).toMatchObject({ code: 2, stdout: '' });
  expect(await run(['list', 'empty.json'], { cwd })).toMatchObject({
    code: 0,
    stdout: 'empty.json has no servers\n',
  });
});

test('servers of other clients are shown in the words of mcp-run', async () => {
  const cwd = await createWorkspace({
    'config.toml': `[mcp_servers.docs]
command = "npx"
args = ["--token", "abc-secret"]

[mcp_servers.far]
url = "https://example.com/mcp"
bearer_token_env_var = "FAR_TOKEN"
enabled = false
`,
    'opencode.json': `{ "mcp": {
  "local": { "type": "local", "command": ["npx", "--token", "def-secret"], "environment": { "A": "1" } } } }`,
  });
  const { code, stdout, stderr } = await run(
    ['list', '--config', 'config.toml', '--config', 'opencode.json'],
    { cwd },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`SERVER  KIND            WHERE            VARIABLES       WHAT
docs    stdio           config.toml:1    –               npx --token ***
far     auto, disabled  config.toml:5    Authorization:  https://example.com/mcp
local   stdio           opencode.json:2  A               npx --token ***
`);
});
