import { describe, expect, test } from 'vitest';
import { commandOf, failureOf, load, loadText, only, problemsOf, remoteOf } from './workspace.ts';

const COMMAND = { command: 'x' };
const URL_ENTRY = { url: 'https://example.com/' };

describe('null means absent', () => {
  test.each([
    'args',
    'env',
    'envFile',
    'passEnv',
    'cwd',
    'url',
    'headers',
    'headersFile',
    'type',
    'transport',
    'timeout',
    'disabled',
    'enabled',
    'isolation',
    'era',
    'protocolEra',
    'inputTtl',
    'attribution',
    'warm',
    'allow',
    'stdout',
    'oauth',
    'allowHttp',
    'ignoreTools',
    'caFile',
    'certFile',
    'keyFile',
    'unknown',
  ])('as "%s" of a command', async (key) => {
    const plain = await load({ mcpServers: { a: COMMAND } });
    const manifest = await load({ mcpServers: { a: { ...COMMAND, [key]: null } } });
    expect(manifest.warnings).toEqual([]);
    const { cwd: _, ...target } = commandOf(only(manifest));
    expect(commandOf(only(plain))).toMatchObject(target);
    expect({ ...only(manifest), target: 0 }).toEqual({ ...only(plain), target: 0 });
  });

  test.each([
    'command',
    'args',
    'env',
    'type',
    'headers',
    'headersFile',
    'oauth',
    'timeout',
    'allowHttp',
    'ignoreTools',
    'caFile',
    'certFile',
    'keyFile',
    'cwd',
    'passEnv',
    'warm',
    'stdout',
  ])('as "%s" of a URL', async (key) => {
    const plain = await load({ mcpServers: { a: URL_ENTRY } });
    const manifest = await load({ mcpServers: { a: { ...URL_ENTRY, [key]: null } } });
    expect(manifest.warnings).toEqual([]);
    expect(only(manifest)).toEqual(only(plain));
  });

  test('for single variables and headers', async () => {
    const a = { ...COMMAND, env: { A: null, B: '', C: 1 } };
    const b = { ...URL_ENTRY, headers: { A: null, B: 'x' } };
    const { servers } = await load({ mcpServers: { a, b } });
    expect(
      servers.map(({ target }) => (target.kind === 'stdio' ? { ...target.env } : { ...target.headers })),
    ).toEqual([{ B: '', C: '1' }, { b: 'x' }]);
  });

  test('for the members of oauth', async () => {
    const members = [
      'grant',
      'clientId',
      'clientSecret',
      'clientSecretFile',
      'privateKeyFile',
      'clientMetadataUrl',
      'scope',
      'resource',
      'browser',
      'callbackHost',
      'callbackPort',
      'timeout',
    ];
    const oauth = Object.fromEntries(members.map((key) => [key, null]));
    const empty = Object.fromEntries(members.map((key) => [key, '']));
    const plain = remoteOf(only(await load({ mcpServers: { a: URL_ENTRY } })));
    for (const value of [oauth, empty])
      expect(remoteOf(only(await load({ mcpServers: { a: { ...URL_ENTRY, oauth: value } } })))).toEqual(
        plain,
      );
  });

  test('for the parts of a file', async () => {
    const manifest = await load({
      mcpServers: { a: COMMAND },
      servers: null,
      inputs: null,
      serve: { port: null, host: null, transports: null, tokenFile: null, baseUrl: '', isolation: '' },
      other: null,
    });
    expect(manifest.settings).toMatchObject({ port: 3000, host: '127.0.0.1', transports: ['http', 'sse'] });
    expect((await load({ mcpServers: { a: COMMAND }, serve: null })).settings.port).toBe(3000);
    expect((await failureOf(load({ mcpServers: null }))).code).toBe('NO_SERVERS');
  });

  test('for the members of an input', async () => {
    const input = {
      id: 'a',
      type: 'promptString',
      description: null,
      default: null,
      password: null,
      options: null,
    };
    const manifest = await load(
      { inputs: [input], mcpServers: { a: { command: 'x', args: ['${input:a}'] } } },
      { ask: () => Promise.resolve('typed') },
    );
    expect(commandOf(only(manifest)).args).toEqual(['typed']);
  });

  test("as YAML's empty values", async () => {
    const text =
      'mcpServers:\n  a:\n    command: x\n    args:\n    env:\n      A:\n      B: ""\n    cwd: ~\nserve:\n  port:\n';
    const manifest = await loadText(text, {}, 'mcp.yaml');
    expect(commandOf(only(manifest))).toMatchObject({ args: [], env: { B: '' } });
    expect({ ...commandOf(only(manifest)).env }).toEqual({ B: '' });
  });

  test('but not among arguments', async () => {
    expect(
      await problemsOf(loadText('{"mcpServers": {"a": {"command": "x",\n"args": ["y", null]}}}')),
    ).toEqual(['mcp.json:2:15: mcpServers.a.args[1]: must be a string, not null']);
  });
});

describe('an empty string means absent', () => {
  test.each([
    'cwd',
    'url',
    'type',
    'envFile',
    'passEnv',
    'timeout',
    'isolation',
    'era',
    'stdout',
    'headersFile',
  ])('as "%s" of a command', async (key) => {
    const plain = await load({ mcpServers: { a: COMMAND } });
    const manifest = await load({ mcpServers: { a: { ...COMMAND, [key]: '' } } });
    expect({ ...only(manifest), target: 0 }).toEqual({ ...only(plain), target: 0 });
    expect(manifest.warnings).toEqual([]);
  });

  test.each(['command', 'type', 'headersFile', 'caFile', 'certFile', 'cwd'])(
    'as "%s" of a URL',
    async (key) => {
      const manifest = await load({ mcpServers: { a: { ...URL_ENTRY, [key]: '' } } });
      expect(only(manifest)).toEqual(only(await load({ mcpServers: { a: URL_ENTRY } })));
    },
  );

  test('if a variable expands to it', async () => {
    const a = { ...COMMAND, url: '${URL:-}', envFile: '${FILE:-}', cwd: '${DIR:-}' };
    expect(commandOf(only(await load({ mcpServers: { a } }))).command).toBe('x');
  });

  test('but not among arguments, variables and headers', async () => {
    const a = { ...COMMAND, args: ['', 'x'], env: { A: '' } };
    const b = { ...URL_ENTRY, headers: { A: '' } };
    const { servers } = await load({ mcpServers: { a, b } });
    expect(servers.map(({ target }) => target)).toMatchObject([
      { args: ['', 'x'], env: { A: '' } },
      { headers: { a: '' } },
    ]);
  });

  test.each([
    [{ command: '' }, 'mcpServers.a.command: is empty'],
    [{ url: '' }, 'mcpServers.a.url: is empty'],
    [{ command: '', url: '' }, 'is empty'],
    [{ type: 'stdio', command: '' }, 'mcpServers.a.command: is empty'],
  ])('but not in %j, which has nothing else', async (entry, message) => {
    expect((await problemsOf(load({ mcpServers: { a: entry } }))).join('\n')).toContain(message);
  });

  test.each(['host', 'tokenFile', 'httpPath'])(
    'but not as "%s", which would open more than is meant',
    async (key) => {
      await failureOf(load({ mcpServers: { a: COMMAND }, serve: { [key]: '' } }));
    },
  );
});
