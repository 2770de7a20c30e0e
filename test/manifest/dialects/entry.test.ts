import { describe, expect, test } from 'vitest';
import { commandOf, load, loadText, only, problemsOf, remoteOf } from '../workspace.ts';

const a = (entry: object): object => ({ mcpServers: { a: entry } });

async function warningsOf(value: unknown, env: Record<string, string> = {}): Promise<readonly string[]> {
  const { warnings } = await load(value, { env });
  return warnings.map((line) => line.replace(/^mcp\.json:\d+:\d+: /, ''));
}

describe('the type of a server', () => {
  test.each(['STDIO', 'Stdio', 'local', 'Local'])('%s is a command', async (type) => {
    expect(only(await load(a({ type, command: 'x' }))).target.kind).toBe('stdio');
  });

  test.each([
    ['HTTP', 'http'],
    ['Streamable_HTTP', 'http'],
    ['streamable http', 'http'],
    ['streamableHttp', 'http'],
    ['StreamableHTTP', 'http'],
    ['http-stream', 'http'],
    ['SSE', 'sse'],
    ['http+sse', 'sse'],
    ['remote', 'auto'],
    ['Auto', 'auto'],
  ])('%s is a URL', async (type, transport) => {
    for (const key of ['type', 'transport', 'transportType', 'transport_type', 'transport-type']) {
      const target = remoteOf(only(await load(a({ [key]: type, url: 'https://x.example/' }))));
      expect([key, target.transport]).toEqual([key, transport]);
    }
  });

  test.each(['ws', 'websocket', 'WebSocket', 'builtin', 'sdk', 'unix', 'docker'])(
    '%s is refused by name, with the types that are known',
    async (type) => {
      const [line, ...others] = await problemsOf(load(a({ type, url: 'https://x.example/' })));
      expect(others).toEqual([]);
      expect(line).toMatch(/^mcp\.json:1:\d+: mcpServers\.a\.type: /);
      expect(line).toContain(`"${type}"`);
      expect(line).toContain('"stdio"');
      expect(line).toContain('"sse"');
    },
  );

  test.each([{ url: 'ws://x.example/' }, { url: 'unix:///run/x.sock' }, { serverUrl: 'ftp://x/' }])(
    '%j is refused where it is written',
    async (entry) => {
      const [key = ''] = Object.keys(entry);
      const [line] = await problemsOf(load(a(entry)));
      expect(line).toMatch(
        new RegExp(`^mcp\\.json:1:\\d+: mcpServers\\.a\\.${key}: ".*" is not an http or https URL$`),
      );
    },
  );

  test('an object is a transport with all that belongs to it', async () => {
    const transport = { type: 'streamable_http', url: 'https://x.example/mcp', headers: { 'X-A': '1' } };
    expect(remoteOf(only(await load(a({ transport }))))).toMatchObject({
      transport: 'http',
      url: 'https://x.example/mcp',
      headers: { 'x-a': '1' },
    });
  });
});

describe('the words of other clients', () => {
  test('a command with its arguments is a list, an object or a text', async () => {
    const expected = { command: 'x', args: ['-y', 'z'] };
    for (const entry of [
      { command: ['x', '-y', 'z'] },
      { command: ['x', '-y'], args: ['z'] },
      { command: { path: 'x', args: ['-y', 'z'] } },
      { cmd: 'x', arguments: ['-y', 'z'] },
      { Command: 'x', Args: ['-y', 'z'] },
    ])
      expect(commandOf(only(await load(a(entry))))).toMatchObject(expected);
  });

  test('variables are an object, or a list', async () => {
    for (const env of [
      { env: { A: '1' } },
      { environment: { A: '1' } },
      { envs: { A: '1' } },
      { env: [{ name: 'A', value: '1' }] },
      { environment: ['A=1'] },
      { env: {}, envs: { A: '1' } },
    ])
      expect({ ...commandOf(only(await load(a({ command: 'x', ...env })))).env }).toEqual({ A: '1' });
    const passed = await load(a({ command: 'x', env_vars: ['A'], pass_env: ['B'] }), {
      env: { A: '1', B: '2' },
    });
    expect({ ...commandOf(only(passed)).env }).toEqual({ A: '1', B: '2' });
  });

  test.each(['httpUrl', 'http_url', 'serverUrl', 'server_url', 'uri', 'baseUrl', 'URL'])(
    '%s is a URL',
    async (key) => {
      const { url, transport } = remoteOf(only(await load(a({ [key]: 'https://x.example/mcp' }))));
      expect(url).toBe('https://x.example/mcp');
      expect(transport).toBe(key.startsWith('http') ? 'http' : 'auto');
    },
  );

  test('keys of mcp-run are known with underscores and hyphens', async () => {
    const spec = only(
      await load(
        a({
          url: 'https://x.example/',
          'request-timeout': '5s',
          http_headers: { A: '1' },
          ignore_tools: 'x',
        }),
      ),
    );
    expect(spec.requestTimeoutMs).toBe(5000);
    expect(remoteOf(spec).headers).toEqual({ a: '1' });
    expect(spec.tools).toEqual({ allow: [], deny: ['x'] });
  });

  test.each([{ isActive: false }, { active: false }, { is_enabled: false }, { Disabled: true }])(
    '%j leaves a server out',
    async (off) => {
      const { servers } = await load({ mcpServers: { a: { command: 'x', ...off }, b: { command: 'y' } } });
      expect(servers.map(({ name }) => name)).toEqual(['b']);
    },
  );

  test('a server of an editor’s extension is refused, since the file does not say how it is started', async () => {
    expect(await problemsOf(load({ context_servers: { a: { source: 'extension', settings: {} } } }))).toEqual(
      [
        expect.stringContaining(
          'context_servers.a.source: an extension of the editor starts this server; write',
        ),
      ],
    );
  });

  test.each([
    [{ command: [] }, 'a.command: is empty; the first item is the program to start'],
    [{ type: 'local', url: 'https://x/' }, 'a: needs a "command", because its type is stdio'],
    [{ type: 'remote', command: 'x' }, 'a: needs a "url", because its type is auto'],
    [{ command: 'x', timeout: 0 }, 'a.timeout: 0 is out of range: it must be more than 0'],
    [{ command: 'x', timeout: '-3' }, 'a.timeout: "-3" is out of range'],
    [{ command: 'x', tool_timeout_sec: 0 }, 'a.tool_timeout_sec: 0 is out of range'],
    [{ url: 'https://x/', bearer_token_env_var: 3 }, 'a.bearer_token_env_var: must be a string'],
  ])('%j is refused', async (entry, message) => {
    const [line, ...others] = await problemsOf(load(a(entry)));
    expect(others).toEqual([]);
    expect(line).toContain(`: mcpServers.${message}`);
  });

  test('two keys that say different things draw a warning, the same thing twice does not', async () => {
    const twice = { url: 'https://x.example/', serverUrl: 'https://x.example/' };
    expect(await warningsOf(a(twice))).toEqual([]);
    expect(await warningsOf(a({ ...twice, serverUrl: 'https://y.example/' }))).toEqual([
      'mcpServers.a.serverUrl: not used: "url" says it',
    ]);
  });

  test('what is wrong is told in the words and at the place of the file', async () => {
    const text = `[mcp_servers.x]
command = ["npx", []]
environment = { A = [] }
http_headers = 1
`;
    expect(await problemsOf(loadText(text, {}, 'config.toml'))).toEqual([
      'config.toml:2:19: mcp_servers.x.command[1]: must be a string, not an array',
      'config.toml:3:21: mcp_servers.x.environment.A: must be a string, not an array',
      'config.toml:4:16: mcp_servers.x.http_headers: must be an object, not a number',
    ]);
    expect(await problemsOf(load(a({ httpUrl: 'https://x/', env_http_headers: { 'X-A': 'NOPE' } })))).toEqual(
      [expect.stringMatching(/mcpServers\.a\.env_http_headers\.X-A: the variable NOPE is not set/)],
    );
  });
});

describe('authorization', () => {
  test.each([
    { bearer_token_env_var: 'T' },
    { bearerTokenEnvVar: 'T' },
    { auth: { type: 'bearer', token: '${T}' } },
    { type: 'url', authorization_token: '${T}' },
    { headers: { Authorization: 'Bearer ${T}' }, bearer_token: 'other' },
  ])('%j is a header', async (entry) => {
    const manifest = await load(a({ url: 'https://x.example/', ...entry }), { env: { T: 't' } });
    expect(remoteOf(only(manifest)).headers).toEqual({ authorization: 'Bearer t' });
  });

  test.each([
    { oauth: { client_id: 'me', scopes: ['a', 'b'] } },
    { auth: { type: 'oauth', clientId: 'me', scope: 'a b' } },
    { auth: { CLIENT_ID: 'me', scopes: ['a', 'b'] } },
    { oauth: { client_id: 'me', enabled: true }, oauth_scopes: ['a', 'b'] },
  ])('%j is OAuth', async (entry) => {
    const manifest = await load(a({ url: 'https://x.example/', ...entry }));
    expect(manifest.warnings).toEqual([]);
    expect(remoteOf(only(manifest)).oauth).toMatchObject({ clientId: 'me', scope: 'a b' });
  });

  test.each([{ auth: 'none' }, { auth: false }, { oauth: { enabled: false } }])(
    '%j is none',
    async (entry) => {
      expect(remoteOf(only(await load(a({ url: 'https://x.example/', ...entry })))).oauth).toBeUndefined();
    },
  );

  test.each([
    [{ auth: { type: 'basic', username: 'u' } }, 'auth: not applied'],
    [{ authProviderType: 'google_credentials' }, 'authProviderType: not applied'],
    [{ headersHelper: '/bin/x' }, 'headersHelper: not run'],
    [{ oauth: { redirectUri: 'http://localhost:1/x' } }, 'oauth.redirectUri: unknown key'],
  ])('%j draws a warning', async (entry, warning) => {
    const [line] = await warningsOf(a({ url: 'https://x.example/', ...entry }));
    expect(line).toContain(`mcpServers.a.${warning}`);
  });
});

describe('what a client restricts', () => {
  test.each([
    [{ sandbox: true }, 'sandbox: not applied: mcp-run starts the server without a sandbox'],
    [{ sandbox: { network: [] } }, 'sandbox: not applied'],
    [{ sandboxEnabled: true }, 'sandboxEnabled: not applied'],
    [{ permissions: { read: ['/x'] } }, 'permissions: not applied: mcp-run does not restrict'],
    [{ trust: false }, 'trust: ignored: the client'],
    [{ alwaysAllow: ['x'] }, 'alwaysAllow: ignored: the client'],
    [{ default_tools_approval_mode: 'prompt' }, 'default_tools_approval_mode: ignored'],
    [{ tools: { search: { approval_mode: 'approve' } } }, 'tools: ignored: the client'],
  ])('%j is not lost without a word', async (limit, warning) => {
    expect(await warningsOf(a({ command: 'x', ...limit }))).toEqual([
      expect.stringContaining(`mcpServers.a.${warning}`),
    ]);
  });

  test.each([{ sandbox: false }, { sandboxEnabled: false }, { alwaysAllow: [] }, { permissions: {} }])(
    '%j restricts nothing',
    async (limit) => {
      expect(await warningsOf(a({ command: 'x', ...limit }))).toEqual([]);
    },
  );

  test('a sandbox for the whole file is not lost either', async () => {
    expect(await warningsOf({ servers: { a: { command: 'x' } }, sandbox: { network: {} } })).toEqual([
      'sandbox: not applied: mcp-run starts the servers without a sandbox',
    ]);
  });
});
