import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadManifest } from '../../../src/manifest/load.ts';
import { commandOf, createWorkspace, loadText, only, remoteOf } from '../workspace.ts';

/** Files as their clients write them, each with what it comes to. */

interface Host {
  readonly file: string;
  readonly text: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is known of the targets, by name; {folder} is the folder of the project. */
  readonly servers: Readonly<Record<string, object>>;
  readonly warnings?: readonly string[];
}

const HOSTS: Readonly<Record<string, Host>> = {
  'Claude Desktop': {
    file: 'claude_desktop_config.json',
    text: `{ "globalShortcut": "", "mcpServers": { "notes": { "command": "npx", "args": ["-y", "notes-mcp"], "env": { "DIR": "/n" } } } }`,
    servers: { notes: { command: 'npx', args: ['-y', 'notes-mcp'], env: { DIR: '/n' } } },
  },
  'Claude Code': {
    file: '.mcp.json',
    text: `{ "mcpServers": {
      "api": { "type": "http", "url": "\${API_BASE:-https://api.example.com}/mcp", "headers": { "Authorization": "Bearer \${API_KEY}" } },
      "plug": { "command": "\${CLAUDE_PLUGIN_ROOT}/bin/serve", "args": ["--in", "\${CLAUDE_PROJECT_DIR:-.}"] } } }`,
    env: { API_KEY: 'k' },
    servers: {
      api: { url: 'https://api.example.com/mcp', transport: 'http', headers: { authorization: 'Bearer k' } },
      plug: { command: '{folder}/bin/serve', args: ['--in', '.'] },
    },
  },
  Cursor: {
    file: '.cursor/mcp.json',
    text: `{ "mcpServers": {
      "local": { "type": "stdio", "command": "\${workspaceFolder}/run", "args": ["\${userHome}"], "envFile": "\${workspaceFolder}/.env" },
      "far": { "url": "https://x.example/mcp", "auth": { "CLIENT_ID": "me", "CLIENT_SECRET": "\${env:SECRET}", "scopes": ["read", "write"] } } } }`,
    env: { SECRET: 's' },
    servers: {
      local: { command: '{folder}/run', env: { FROM_FILE: '1' } },
      far: { oauth: { clientId: 'me', clientSecret: 's', scope: 'read write' } },
    },
  },
  'VS Code, a file of its own': {
    file: '.vscode/mcp.json',
    text: `{ "inputs": [{ "type": "promptString", "id": "key", "password": true }], "servers": {
      "a": { "type": "stdio", "command": "a", "cwd": "\${cwd}", "env": { "K": "\${input:key}" }, "sandboxEnabled": true } } }`,
    env: { MCP_RUN_INPUT_KEY: 'k' },
    servers: { a: { command: 'a', env: { K: 'k' }, cwd: '{folder}' } },
    warnings: ['servers.a.sandboxEnabled: not applied: mcp-run starts the server without a sandbox'],
  },
  'VS Code, its settings': {
    file: 'settings.json',
    text: `{ "editor.fontSize": 12, "chat.mcp.access": "all",
      "mcp": { "inputs": [{ "type": "promptString", "id": "key" }], "servers": { "a": { "command": "a", "args": ["\${input:key}", "\${workspaceRoot}/x"] } } } }`,
    env: { MCP_RUN_INPUT_KEY: 'k' },
    servers: { a: { command: 'a', args: ['k', '{folder}/x'] } },
  },
  'VS Code, its settings in one line each': {
    file: 'settings.json',
    text: `{ "files.autoSave": "off", "mcp.servers": { "a": { "command": "a" } } }`,
    servers: { a: { command: 'a' } },
  },
  Windsurf: {
    file: 'mcp_config.json',
    text: `{ "mcpServers": { "far": { "serverUrl": "https://x.example/mcp", "headers": { "X-Key": "\${env:KEY}" } } } }`,
    env: { KEY: 'k' },
    servers: { far: { url: 'https://x.example/mcp', transport: 'auto', headers: { 'x-key': 'k' } } },
  },
  Cline: {
    file: 'cline_mcp_settings.json',
    text: `{ "mcpServers": {
      "a": { "autoApprove": ["read"], "disabled": false, "timeout": 60, "transportType": "stdio", "command": "node", "args": ["a.js"] },
      "b": { "autoApprove": [], "type": "streamableHttp", "url": "https://x.example/mcp", "disabled": false } } }`,
    servers: { a: { command: 'node' }, b: { transport: 'http' } },
    warnings: [
      'mcpServers.a.autoApprove: ignored: the client that is connected to mcp-run asks for approval',
      'mcpServers.a.timeout: is read as 1m; write "1m", or milliseconds from 1000 on',
    ],
  },
  'Roo Code': {
    file: '.roo/mcp.json',
    text: `{ "mcpServers": { "a": { "command": "a", "args": [], "alwaysAllow": [], "disabled": false, "timeout": 300 },
      "b": { "type": "streamable-http", "url": "https://x.example/mcp", "alwaysAllow": [] } } }`,
    servers: { a: { command: 'a', cwd: '{folder}' }, b: { transport: 'http' } },
    warnings: ['mcpServers.a.timeout: is read as 5m; write "5m", or milliseconds from 1000 on'],
  },
  Zed: {
    file: 'settings.json',
    text: `// Zed settings
{ "theme": "One Dark", "context_servers": {
      "new": { "source": "custom", "command": "npx", "args": ["-y", "x"], "env": { "A": "1" } },
      "old": { "command": { "path": "uvx", "args": ["y"], "env": null }, "settings": {} },
      "far": { "url": "https://x.example/mcp", "headers": {}, "enabled": false } }, }`,
    servers: {
      new: { command: 'npx', args: ['-y', 'x'], env: { A: '1' } },
      old: { command: 'uvx', args: ['y'] },
    },
    warnings: ['context_servers.old.settings: unknown key'],
  },
  OpenCode: {
    file: 'opencode.json',
    text: `{ "$schema": "https://opencode.ai/config.json", "server": { "port": 4096 }, "tools": { "a_*": false }, "mcp": {
      "a": { "type": "local", "command": ["bun", "x", "my-mcp", "--key={env:KEY}"], "environment": { "TOKEN": "{env:KEY}" }, "enabled": true, "timeout": 10000 },
      "b": { "type": "remote", "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer {env:KEY}" }, "oauth": false },
      "c": { "type": "local", "command": ["c"], "enabled": false } } }`,
    env: { KEY: 'k' },
    servers: {
      a: { command: 'bun', args: ['x', 'my-mcp', '--key=k'], env: { TOKEN: 'k' } },
      b: { transport: 'auto', headers: { authorization: 'Bearer k' } },
    },
    warnings: ['tools["a_*"]: not applied: name the tools in "excludeTools" of their server'],
  },
  Codex: {
    file: 'config.toml',
    text: `model = "gpt-5"
approval_policy = "on-request"

[mcp_servers.docs]
command = "npx"
args = ["-y", "docs-mcp"]
env_vars = ["LANG_HINT", { name = "OTHER" }]
cwd = "/srv"
startup_timeout_sec = 20
tool_timeout_sec = 30.5

[mcp_servers.docs.env]
MODE = "fast"

[mcp_servers."figma remote"]
url = "https://figma.example/mcp"
bearer_token_env_var = "FIGMA"
http_headers = { "X-Region" = "eu" }
env_http_headers = { "X-Team" = "TEAM" }
scopes = ["files"]

[mcp_servers.off]
enabled = false
command = "x"

[projects."/srv"]
trust_level = "trusted"
`,
    env: { FIGMA: 'f', TEAM: 't', LANG_HINT: 'l', OTHER: 'o' },
    servers: {
      docs: { command: 'npx', cwd: '/srv', env: { MODE: 'fast', LANG_HINT: 'l', OTHER: 'o' } },
      'figma remote': {
        url: 'https://figma.example/mcp',
        headers: { authorization: 'Bearer f', 'x-region': 'eu', 'x-team': 't' },
      },
    },
    warnings: [
      'mcp_servers.docs.startup_timeout_sec: ignored for one server; serve.initializeTimeout says it for all of them',
      'mcp_servers["figma remote"].scopes: not used: there is an Authorization header',
    ],
  },
  'Gemini CLI': {
    file: 'settings.json',
    text: `{ "mcp": { "excluded": ["c"] }, "mcpServers": {
      "a": { "httpUrl": "https://x.example/mcp", "url": "https://x.example/sse", "timeout": 600000, "trust": false },
      "b": { "command": "b", "env": { "KEY": "$KEY" }, "authProviderType": "google_credentials" },
      "c": { "url": "https://y.example/sse" } } }`,
    servers: { a: { url: 'https://x.example/mcp', transport: 'http' }, b: { env: { KEY: '$KEY' } } },
    warnings: [
      'mcpServers.a.url: not used: "httpUrl" says it',
      'mcpServers.a.trust: ignored: the client that is connected to mcp-run asks for approval',
      'mcpServers.b.authProviderType: not applied: mcp-run signs in with OAuth, or sends the header that "headers" holds',
      'mcpServers.b.env.KEY: $… is not expanded, and is passed on as it is written; a variable is written ${KEY}',
      'mcp.excluded: leaves the server "c" out',
    ],
  },
  'Qwen Code': {
    file: '.qwen/settings.json',
    text: `{ "mcpServers": { "a": { "httpUrl": "https://x.example/mcp", "headers": { "X": "1" }, "discoveryTimeout": 30000 } }, "mcp": { "allowed": ["a"] } }`,
    servers: { a: { transport: 'http', headers: { x: '1' } } },
    warnings: [
      'mcpServers.a.discoveryTimeout: ignored for one server; serve.initializeTimeout says it for all of them',
    ],
  },
  Continue: {
    file: 'config.yaml',
    text: `name: My assistant
version: 1.0.0
schema: v1
mcpServers:
  - name: sqlite
    command: uvx
    args: [mcp-sqlite, --db, "\${{ secrets.DB }}"]
    connectionTimeout: 20000
  - name: far
    type: streamable-http
    url: https://x.example/mcp
    apiKey: \${{ secrets.KEY }}
    requestOptions:
      timeout: 90
      headers:
        X-A: "1"
`,
    env: { DB: '/db', KEY: 'k' },
    servers: {
      sqlite: { command: 'uvx', args: ['mcp-sqlite', '--db', '/db'] },
      far: { transport: 'http', headers: { 'x-a': '1', authorization: 'Bearer k' } },
    },
    warnings: [
      'mcpServers[0].connectionTimeout: ignored for one server; serve.initializeTimeout says it for all of them',
      'mcpServers[1].apiKey: sent as "Authorization: Bearer …"; write another header into "headers"',
    ],
  },
  'Continue, the older file': {
    file: 'config.json',
    text: `{ "models": [], "experimental": { "modelContextProtocolServers": [
      { "name": "a", "transport": { "type": "stdio", "command": "uvx", "args": ["a"] } } ] } }`,
    servers: { a: { command: 'uvx', args: ['a'] } },
  },
  'Copilot CLI': {
    file: 'mcp-config.json',
    text: `{ "mcpServers": { "a": { "type": "local", "command": "npx", "args": ["a"], "env": {} },
      "b": { "type": "http", "url": "https://x.example/mcp", "headers": {} } } }`,
    servers: { a: { command: 'npx' }, b: { transport: 'http' } },
  },
  'LM Studio': {
    file: 'mcp.json',
    text: `{ "mcpServers": { "a": { "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer t" } } } }`,
    servers: { a: { headers: { authorization: 'Bearer t' } } },
  },
  Kiro: {
    file: '.kiro/settings/mcp.json',
    text: `{ "mcpServers": { "a": { "command": "uvx", "args": ["a"], "env": {}, "disabled": false, "autoApprove": ["x"], "timeout": 120000 } } }`,
    servers: { a: { command: 'uvx', cwd: '{folder}' } },
    warnings: [
      'mcpServers.a.autoApprove: ignored: the client that is connected to mcp-run asks for approval',
    ],
  },
  'JetBrains Junie': {
    file: '.junie/mcp/mcp.json',
    text: `{ "mcpServers": { "a": { "command": "npx", "args": ["a"], "enabled": true } } }`,
    servers: { a: { command: 'npx', cwd: '{folder}' } },
  },
  Goose: {
    file: 'config.yaml',
    text: `GOOSE_PROVIDER: x
extensions:
  fetch:
    type: stdio
    enabled: true
    cmd: uvx
    args: [mcp-server-fetch]
    envs: {A: '1'}
    env_keys: [FETCH_KEY]
    timeout: 300
    bundled: null
  far:
    type: streamable_http
    enabled: true
    uri: https://x.example/mcp
    headers: {}
    envs: {}
    available_tools: []
  older:
    enabled: true
    config: {type: stdio, cmd: npx, args: [older]}
`,
    env: { FETCH_KEY: 'k' },
    servers: {
      fetch: { command: 'uvx', args: ['mcp-server-fetch'], env: { A: '1', FETCH_KEY: 'k' } },
      far: { url: 'https://x.example/mcp', transport: 'http' },
      older: { command: 'npx', args: ['older'] },
    },
    warnings: ['extensions.fetch.timeout: is read as 5m; write "5m", or milliseconds from 1000 on'],
  },
  Amp: {
    file: 'settings.json',
    text: `{ "amp.notifications.enabled": true, "amp.mcpServers": { "a": { "command": "npx", "args": ["a"] }, "b": { "url": "https://x.example/sse" } } }`,
    servers: { a: { command: 'npx' }, b: { transport: 'auto' } },
  },
  Crush: {
    file: 'crush.json',
    text: `{ "$schema": "https://charm.land/crush.json", "lsp": { "go": { "command": "gopls" } }, "mcp": {
      "fs": { "type": "stdio", "command": "node", "args": ["fs.js"], "timeout": 120, "disabled": false, "env": { "A": "b" } },
      "gh": { "type": "http", "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer $GH_PAT" } } } }`,
    servers: { fs: { command: 'node' }, gh: { transport: 'http' } },
    warnings: [
      'mcp.fs.timeout: is read as 2m; write "2m", or milliseconds from 1000 on',
      'mcp.gh.headers.Authorization: $… is not expanded, and is passed on as it is written; a variable is written ${GH_PAT}',
    ],
  },
  LibreChat: {
    file: 'librechat.yaml',
    text: `version: 1.2.1
mcpSettings: {allowedDomains: [x.example]}
mcpServers:
  fs:
    type: stdio
    command: npx
    args: [-y, fs]
    timeout: 60000
    initTimeout: 30000
  api:
    type: streamable-http
    url: https://x.example/mcp
    headers: {X-User: "{{LIBRECHAT_USER_ID}}"}
    oauth: {client_id: me, scope: read}
`,
    servers: {
      fs: { command: 'npx' },
      api: { transport: 'http', oauth: { clientId: 'me', scope: 'read' } },
    },
    warnings: [
      'mcpServers.fs.initTimeout: ignored for one server; serve.initializeTimeout says it for all of them',
      'mcpServers.api.headers.X-User: {{…}} is not expanded, and is passed on as it is written; a variable is written ${LIBRECHAT_USER_ID}',
    ],
  },
  'Cherry Studio': {
    file: 'mcp.json',
    text: `{ "mcpServers": { "a": { "isActive": true, "type": "STDIO", "command": "x" }, "b": { "isActive": false, "command": "y" },
      "c": { "isActive": true, "type": "streamableHttp", "baseUrl": "https://x.example/mcp" } } }`,
    servers: { a: { command: 'x' }, c: { url: 'https://x.example/mcp', transport: 'http' } },
  },
  'Augment Code': {
    file: 'settings.json',
    text: `{ "augment.advanced": { "mcpServers": [{ "name": "a", "command": "npx", "args": ["a"] }] } }`,
    servers: { a: { command: 'npx', args: ['a'] } },
  },
  'the Agent Client Protocol': {
    file: 'session.json',
    text: `{ "cwd": "/", "mcpServers": [{ "name": "a", "command": "/bin/a", "args": [], "env": [{ "name": "K", "value": "v" }] },
      { "type": "http", "name": "b", "url": "https://x.example/mcp", "headers": [{ "name": "X-K", "value": "v" }] }] }`,
    servers: { a: { command: '/bin/a', env: { K: 'v' } }, b: { transport: 'http', headers: { 'x-k': 'v' } } },
  },
};

describe('the file of a client is served', () => {
  test.each(Object.entries(HOSTS))('%s', async (_, { file, text, env = {}, servers, warnings = [] }) => {
    const cwd = await createWorkspace({ [file]: text, '.env': 'FROM_FILE=1' });
    const manifest = await loadManifest({ files: [file], cwd, env });
    const targets = Object.fromEntries(manifest.servers.map(({ name, target }) => [name, target]));
    expect(Object.keys(targets)).toEqual(Object.keys(servers));
    expect(targets).toMatchObject(JSON.parse(JSON.stringify(servers).replaceAll('{folder}', cwd)));
    const told = manifest.warnings.map((line) => {
      expect(line).toMatch(/:\d+:\d+: /);
      return line.replace(`${file}:`, '').replace(/^\d+:\d+: /, '');
    });
    expect(told.toSorted()).toEqual([...warnings].toSorted());
  });
});

describe('Claude Code keeps the servers of projects in one file', () => {
  const file = (project: string): string =>
    JSON.stringify({
      numStartups: 3,
      mcpServers: { shared: { command: 'user' } },
      projects: {
        [project]: { mcpServers: { shared: { command: 'project' }, own: { command: 'own' } } },
        '/else/where': { mcpServers: { other: { command: 'x' } } },
        '/third': { mcpServers: { other: { command: 'x' } } },
      },
    });

  test('reads those of the folder it is started in, which win over the user’s', async () => {
    const cwd = await createWorkspace();
    const there = await createWorkspace({ '.claude.json': file(cwd) });
    const manifest = await loadManifest({ files: [join(there, '.claude.json')], cwd, env: {} });
    expect(manifest.servers.map((spec) => [spec.name, commandOf(spec).command])).toEqual([
      ['shared', 'project'],
      ['own', 'own'],
    ]);
    expect(manifest.warnings).toEqual([
      expect.stringContaining(
        `not read: these servers belong to /else/where, others to 1 more, and not to ${cwd}`,
      ),
    ]);
  });
});

test('reads the per-call timeout of Codex, and the plain number of other clients as seconds', async () => {
  const timeoutOf = async (line: string): Promise<number | undefined> =>
    only(await loadText(`[mcp_servers.a]\ncommand = "x"\n${line}\n`, {}, 'config.toml')).requestTimeoutMs;
  expect(await timeoutOf('tool_timeout_sec = 30.5')).toBe(30_500);
  expect(await timeoutOf('tool_timeout_sec = 1800')).toBe(1_800_000);
  expect(await timeoutOf('timeout_ms = 500')).toBe(500);
  expect(await timeoutOf('timeout = 999')).toBe(999_000);
  expect(await timeoutOf('timeout = 1000')).toBe(1000);
  expect(await timeoutOf('timeout = "45"')).toBe(45_000);
  expect(await timeoutOf('timeout = 0.5')).toBe(500);
  expect(await timeoutOf('timeout = "500ms"')).toBe(500);
  const listed = await loadText(
    'mcpServers: [{name: a, url: "https://x/", requestOptions: {timeout: 7200}}]',
    {},
    'a.yaml',
  );
  expect(only(listed)).toMatchObject({ requestTimeoutMs: 7_200_000 });
  expect(
    remoteOf(only(await loadText('mcp: {a: {type: remote, url: "https://x/"}}', {}, 'a.yml'))),
  ).toMatchObject({
    transport: 'auto',
  });
});
