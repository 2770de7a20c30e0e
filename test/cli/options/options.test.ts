import { describe, expect, test } from 'vitest';
import { readManifest } from '../../../src/cli/manifest-source.ts';
import { readLaunch, settingsFromFlags, settingsFromVariables } from '../../../src/cli/options/options.ts';
import { commandOf, createWorkspace, failureOf, only } from '../../manifest/workspace.ts';
import { createTerminal } from '../terminal.ts';

test('flags become settings in base units', () => {
  const flags = {
    http: true,
    port: '0',
    requestTimeout: '30s',
    bodyLimit: '1mb',
    cors: ['a', 'b'],
    quiet: true,
    logLevel: 'debug',
  };
  expect(settingsFromFlags(flags)).toEqual({
    transports: ['http'],
    port: 0,
    requestTimeoutMs: 30_000,
    bodyLimitBytes: 1_048_576,
    cors: ['a', 'b'],
    quiet: true,
    logLevel: 'debug',
  });
});

test('variables become the same settings', () => {
  const env = {
    MCP_RUN_TRANSPORTS: 'sse, stdio',
    MCP_RUN_KEEP_ALIVE: '5s',
    MCP_RUN_ALLOW_HOST: 'a.example,b.example',
    MCP_RUN_INSECURE: 'yes',
    MCP_RUN_QUIET: '0',
    MCP_RUN_HOST: '',
    PORT: '8080',
  };
  expect(settingsFromVariables(env)).toEqual({
    transports: ['sse', 'stdio'],
    keepAliveMs: 5_000,
    allowHost: ['a.example', 'b.example'],
    insecure: true,
    quiet: false,
    port: 8080,
  });
  expect(settingsFromVariables({ PORT: '8080', MCP_RUN_PORT: '9090' })).toEqual({ port: 9090 });
});

test('a former name of an option means the same, and the current one counts where both are given', () => {
  expect(settingsFromFlags({ maxParked: '7' })).toEqual({ maxSuspended: 7 });
  expect(settingsFromFlags({ maxParked: '7', maxSuspended: '8' })).toEqual({ maxSuspended: 8 });
  expect(settingsFromVariables({ MCP_RUN_MAX_PARKED: '7' })).toEqual({ maxSuspended: 7 });
  const both = { MCP_RUN_MAX_PARKED: '7', MCP_RUN_MAX_SUSPENDED: '8' };
  expect(settingsFromVariables(both)).toEqual({ maxSuspended: 8 });
  expect(() => settingsFromFlags({ maxParked: '0' })).toThrow('--max-parked: "0" is not a whole number');
});

test('a former key of the manifest means the same, and the current one counts where both are there', async () => {
  const mcpServers = { a: { command: 'x' } };
  const cwd = await createWorkspace({
    'former.json': JSON.stringify({ mcpServers, serve: { maxParked: 7 } }),
    'both.json': JSON.stringify({ mcpServers, serve: { maxParked: 7, maxSuspended: 8 } }),
  });
  const { context } = createTerminal({ cwd, env: {} });
  const settingsOf = async (manifest: string) =>
    (await readManifest({ manifest, command: undefined, flags: {} }, context)).settings;
  expect(await settingsOf('former.json')).toMatchObject({ maxSuspended: 7 });
  expect(await settingsOf('both.json')).toMatchObject({ maxSuspended: 8 });
  expect(await settingsOf('both.json')).not.toHaveProperty('maxParked');
});

test.each([
  [{ port: '70000' }, '--port: "70000" is not a whole number from 0 to 65535'],
  [{ requestTimeout: '30' }, '--request-timeout: "30" needs a unit'],
  [{ bodyLimit: 'big' }, '--body-limit: "big" is not a size'],
  [{ httpPath: 'mcp' }, '--http-path: "mcp" must start with "/"'],
  [{ baseUrl: 'x' }, '--base-url: "x" is not an http or https URL'],
  [
    { logLevel: 'inof' },
    '--log-level: "inof" is not one of trace, debug, info, warn, error, silent (did you mean "info"?)',
  ],
])('%j is refused', (flags, message) => {
  expect(() => settingsFromFlags(flags)).toThrow(message);
});

test.each([
  [{ MCP_RUN_PORT: 'x' }, 'MCP_RUN_PORT: "x" is not'],
  [{ PORT: 'x' }, 'PORT: "x" is not'],
  [{ MCP_RUN_TRANSPORTS: 'http,ws' }, 'MCP_RUN_TRANSPORTS: "ws" is not one of'],
  [{ MCP_RUN_QUIET: 'maybe' }, 'MCP_RUN_QUIET: "maybe" is neither true nor false'],
])('%j is refused', (env, message) => {
  expect(() => settingsFromVariables(env)).toThrow(message);
});

test('launch options come from flags, else from variables', () => {
  const env = { MCP_RUN_SERVER: 'a,b', MCP_RUN_ENV: 'X=1', MCP_RUN_CWD: '/v', MCP_RUN_DEMO: '1' };
  expect(readLaunch({ cwd: '/f', env: ['A=b=c', 'B='] }, env)).toMatchObject({
    server: ['a', 'b'],
    cwd: '/f',
    demo: true,
    env: { A: 'b=c', B: '' },
  });
  expect(() => readLaunch({ env: ['novalue'] }, {})).toThrow('--env takes NAME=VALUE');
});

describe('what is served', () => {
  const none = { manifest: undefined, command: undefined, flags: {} };

  test('flags win over variables, variables over the file, the file over defaults', async () => {
    const serve = { port: 1, host: 'localhost', maxSessions: 5, keepAlive: '1s' };
    const file = JSON.stringify({ mcpServers: { a: { command: 'x' } }, serve });
    const cwd = await createWorkspace({ 'mcp.json': file });
    const { context } = createTerminal({ cwd, env: { MCP_RUN_PORT: '2', MCP_RUN_MAX_SESSIONS: '6' } });
    const { settings, source } = await readManifest({ ...none, flags: { port: '3' } }, context);
    expect(source).toBe('mcp.json');
    expect(settings).toMatchObject({
      port: 3,
      maxSessions: 6,
      host: 'localhost',
      keepAliveMs: 1_000,
      ssePath: '/sse',
    });
  });

  test('a command is a server of its own, with a name from the command', async () => {
    const { context } = createTerminal({ env: { PATH: '/bin', SECRET: 's' } });
    const args = { ...none, command: ['npx', '-y', '@modelcontextprotocol/server-filesystem', '.'] };
    expect(await readManifest(args, context)).toMatchObject({
      source: 'command line',
      servers: [{ name: 'filesystem', target: { command: 'npx', cwd: undefined, env: { PATH: '/bin' } } }],
      settings: { transports: ['http', 'sse'] },
    });
    const named = await readManifest({ ...args, flags: { name: 'files' } }, context);
    expect(named.servers[0]).toMatchObject({
      name: 'files',
      target: { env: expect.not.objectContaining({ SECRET: 's' }) },
    });
  });

  test('a command over stdio alone sees everything but our own variables', async () => {
    const { context } = createTerminal({ env: { SECRET: 's', MCP_RUN_PORT: '1' } });
    const env = async (flags: Record<string, unknown>) => {
      const manifest = await readManifest({ ...none, command: ['x'], flags }, context);
      return { ...commandOf(only(manifest)).env };
    };
    expect(await env({ stdio: true, env: ['A=1'] })).toEqual({ SECRET: 's', A: '1' });
    expect(await env({ stdio: true, http: true })).toEqual({});
  });

  test('the demo is a server of ours', async () => {
    const { context } = createTerminal();
    expect(await readManifest({ ...none, flags: { demo: true } }, context)).toMatchObject({
      source: 'built-in demo',
      servers: [
        {
          name: 'demo',
          target: { command: process.execPath, args: [expect.stringMatching(/demo\/server\.js$/)] },
        },
      ],
    });
  });

  test.each([
    [{ command: ['x'], flags: { demo: true } }, 'Choose one: a command after --, --demo'],
    [{ command: ['x'], manifest: 'a.json' }, 'Choose one: a command after --, the manifest a.json'],
    [{ flags: { demo: true, config: ['a.json'] } }, 'Choose one: --demo, --config'],
    [{ command: ['x'], flags: { server: ['a'] } }, '--server chooses from a manifest'],
    [{ flags: { name: 'x' } }, '--name names the server of a command'],
    [{ command: [] }, 'There is no command after --'],
    [{ command: ['x'], flags: { envFile: ['missing.env'] } }, 'there is no such file'],
  ])('%j is refused', async (args, message) => {
    const { context } = createTerminal({ cwd: await createWorkspace() });
    const error = await failureOf(readManifest({ ...none, ...args }, context));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
  });

  test('a URL is a remote server', async () => {
    const { context } = createTerminal();
    const manifest = await readManifest({ ...none, manifest: 'https://example.com/mcp' }, context);
    expect(manifest).toMatchObject({ source: 'https://example.com/mcp', servers: [{ name: 'example.com' }] });
  });
});
