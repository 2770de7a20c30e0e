import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readManifest } from '../../src/cli/manifest-source.ts';
import type { RemoteTarget } from '../../src/config/types.ts';
import { createWorkspace, failureOf, only, remoteOf } from '../manifest/workspace.ts';
import { createTerminal, run } from './terminal.ts';

const URL_ARGUMENT = 'https://example.com/mcp';

interface Given {
  readonly flags?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
  readonly manifest?: string;
}

/** As commander leaves the flags: what starts with --no- is true. */
async function read({ flags = {}, env = {}, files = {}, manifest = URL_ARGUMENT }: Given) {
  const cwd = await createWorkspace(files);
  const { context } = createTerminal({ cwd, env });
  const args = { manifest, command: undefined, flags: { browser: true, oauth: true, ...flags } };
  return { manifest: await readManifest(args, context) };
}

async function target(given: Given): Promise<RemoteTarget> {
  const { manifest } = await read(given);
  return remoteOf(only(manifest));
}

describe('a URL on the command line', () => {
  test('is a remote server, named after its host', async () => {
    const { manifest } = await read({ env: { MCP_RUN_CONFIG_DIR: '/config' } });
    expect(manifest).toMatchObject({ source: URL_ARGUMENT, warnings: [] });
    expect(only(manifest)).toMatchObject({ name: 'example.com', isolation: undefined, era: undefined });
    expect(remoteOf(only(manifest))).toEqual({
      kind: 'remote',
      url: URL_ARGUMENT,
      transport: 'auto',
      headers: {},
      tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
      oauth: {
        grant: 'authorization-code',
        clientId: undefined,
        clientSecret: undefined,
        privateKey: undefined,
        clientMetadataUrl: undefined,
        scope: undefined,
        resource: undefined,
        browser: true,
        callbackHost: '127.0.0.1',
        callbackPort: undefined,
        timeoutMs: 300_000,
        storeDirectory: '/config/oauth',
      },
      patienceMs: 0,
    });
    expect(only((await read({ flags: { name: 'far' } })).manifest).name).toBe('far');
  });

  test('takes what flags say, and where there is none, variables', async () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const flags = {
      stdio: true,
      transport: 'sse',
      header: ['X-A: ${TEAM}', 'x-b:1'],
      headerFile: ['headers'],
      certFile: 'cert.pem',
      keyFile: 'key.pem',
      oauthClientId: 'me',
      oauthPrivateKeyFile: 'key.pem',
      oauthScope: 'a b',
      callbackPort: '8080',
      authTimeout: '1m',
      browser: false,
    };
    const env = { TEAM: 'red', MCP_RUN_CALLBACK_HOST: 'localhost', MCP_RUN_CALLBACK_PORT: '1' };
    const files = { headers: 'X-A: file\nX-C: 2\n', 'key.pem': privateKey };
    const found = await target({ flags, env, files });
    expect(found).toMatchObject({
      transport: 'sse',
      headers: { 'x-a': 'red', 'x-b': '1', 'x-c': '2' },
      tls: { certFile: expect.stringMatching(/^\/.*\/cert\.pem$/) },
      oauth: {
        clientId: 'me',
        privateKey,
        scope: 'a b',
        callbackPort: 8080,
        callbackHost: 'localhost',
        timeoutMs: 60_000,
        browser: false,
      },
      patienceMs: 10_000,
    });
  });

  test('has settings for authorization servers that differ, as flags and as variables', async () => {
    const expected = { issuer: 'https://h/{t}', audience: 'api', assumePkce: true, resource: false };
    const flags = {
      oauthIssuer: 'https://h/{t}',
      oauthAudience: 'api',
      oauthAssumePkce: true,
      oauthResource: 'none',
    };
    const env = {
      MCP_RUN_OAUTH_ISSUER: 'https://h/{t}',
      MCP_RUN_OAUTH_AUDIENCE: 'api',
      MCP_RUN_OAUTH_ASSUME_PKCE: '1',
      MCP_RUN_OAUTH_RESOURCE: 'none',
    };
    expect((await target({ flags })).oauth).toMatchObject(expected);
    expect((await target({ env })).oauth).toMatchObject(expected);
  });

  test('takes the secret of a client from a variable or a file, and has no flag for it', async () => {
    const flags = { oauthClientId: 'me', oauthGrant: 'client-credentials' };
    const variable = await target({ flags, env: { MCP_RUN_OAUTH_CLIENT_SECRET: 'hush' } });
    expect(variable.oauth).toMatchObject({ grant: 'client-credentials', clientSecret: 'hush' });
    const { manifest } = await read({
      flags: { ...flags, oauthClientSecretFile: 'secret' },
      files: { secret: 'hush\n' },
    });
    expect(remoteOf(only(manifest)).oauth?.clientSecret).toBe('hush');
    expect((await run(['serve', URL_ARGUMENT, '--oauth-client-secret', 'hush'])).stderr).toContain(
      'unknown option',
    );
  });

  test('does without authorization if it is told to, or has a header for it', async () => {
    expect((await target({ flags: { oauth: false } })).oauth).toBeUndefined();
    expect((await target({ env: { MCP_RUN_NO_OAUTH: '1' } })).oauth).toBeUndefined();
    expect((await target({ flags: { header: ['authorization: Basic x'] } })).oauth).toBeUndefined();
    expect((await target({ env: { MCP_RUN_NO_BROWSER: '1' } })).oauth?.browser).toBe(false);
  });

  test.each([
    [{ manifest: 'ftp://example.com/' }, 'is not an http or https URL'],
    [{ manifest: 'https://me:hush@example.com/' }, 'must not hold a name or a password'],
    [{ flags: { header: ['hush'] } }, '--header: not a header such as "Name: value"'],
    [{ flags: { header: ['Mcp-Session-Id: hush'] } }, 'Mcp-Session-Id is set by mcp-run itself'],
    [{ flags: { header: ['X-A: ${NOT_SET}'] } }, '--header: the variable NOT_SET is not set'],
    [{ flags: { header: ['X-A: ${MCP_RUN_TOKEN}'] }, env: { MCP_RUN_TOKEN: 'hush' } }, 'never handed to'],
    [{ flags: { headerFile: ['h'] }, files: { h: 'X-A: b\nhush' } }, /h: line 2: not a header/],
    [{ flags: { transport: 'ws' } }, '--transport: "ws" is not one of auto, http, sse'],
    [{ flags: { callbackPort: '0' } }, '--callback-port: "0" is not a whole number'],
    [{ flags: { oauthIssuer: 'h' } }, '--oauth-issuer: "h" is not an http or https URL'],
    [{ flags: { certFile: 'x' } }, 'a certificate needs its key'],
    [{ env: { MCP_RUN_OAUTH_CLIENT_SECRET: 'hush' } }, 'a client secret needs the id of its client'],
    [{ flags: { oauthPrivateKeyFile: 'k' }, files: { k: 'hush' } }, 'it holds no private key in PEM'],
    [{ flags: { env: ['A=hush'] } }, '--env is about a process, and a URL has none'],
    [{ flags: { demo: true } }, 'Choose one: --demo, the URL https://example.com/mcp'],
    [{ flags: { config: ['a.json'] } }, 'Choose one: the URL https://example.com/mcp, --config'],
    [{ flags: { server: ['a'] } }, '--server chooses from a manifest'],
  ])('%j is refused', async (given: Given, message) => {
    const error = await failureOf(read(given));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('hush');
    expect(error.exitCode).toBe(2);
  });

  test('over plain HTTP must be this machine, or allowed', async () => {
    const manifest = 'http://example.com/?key=hush';
    const error = await failureOf(read({ manifest }));
    expect(error).toMatchObject({
      code: 'PLAIN_HTTP_REFUSED',
      fields: { url: 'http://example.com/?key=***' },
    });
    expect((await target({ manifest, flags: { allowHttp: true } })).url).toBe(manifest);
    expect((await target({ manifest, env: { MCP_RUN_ALLOW_HTTP: '1' } })).url).toBe(manifest);
  });

  test('goes without -- and without --config, and is nothing to list', async () => {
    const failure = async (...argv: string[]): Promise<string> => (await run(argv)).stderr;
    expect(await failure('serve', '--', URL_ARGUMENT)).toContain('A URL goes without the -- before it');
    expect(await failure('serve', '--config', URL_ARGUMENT)).toContain('a URL goes without --config');
    expect(await failure('list', URL_ARGUMENT)).toContain('mcp-run check asks a URL what it is');
  });
});

describe('flags about remote servers, with a manifest', () => {
  const far = { url: URL_ARGUMENT, headers: { 'X-A': 'file', 'X-B': 'file' }, oauth: { clientId: 'me' } };
  const files = (mcpServers: object): Record<string, string> => ({
    'mcp.json': JSON.stringify({ mcpServers }),
  });

  test('win over its entry', async () => {
    const given = { manifest: 'mcp.json', files: files({ far, near: { command: 'x', disabled: true } }) };
    const found = await target({
      ...given,
      flags: { header: ['x-b: flag'], oauthScope: 'a' },
      env: { MCP_RUN_OAUTH_CLIENT_SECRET: 'hush' },
    });
    expect(found).toMatchObject({
      headers: { 'x-a': 'file', 'x-b': 'flag' },
      oauth: { clientId: 'me', clientSecret: 'hush', scope: 'a' },
    });
    const { oauth } = await target({ ...given, flags: { oauthClientId: 'you' } });
    expect(oauth).toMatchObject({ clientId: 'you', clientSecret: undefined });
  });

  test('are refused where there is no such server, or where a secret would go to several', async () => {
    const commands = { manifest: 'mcp.json', files: files({ near: { command: 'x' } }) };
    const error = await failureOf(read({ ...commands, flags: { allowHttp: true } }));
    expect(error.message).toBe('--allow-http is about remote servers, and mcp.json has none to serve');
    // A variable may be meant for another manifest.
    await read({ ...commands, env: { MCP_RUN_ALLOW_HTTP: '1' } });

    const two = { manifest: 'mcp.json', files: files({ far, farther: far }) };
    expect((await failureOf(read({ ...two, flags: { header: ['X-Key: hush'] } }))).message).toContain(
      'would go to several (far, farther)',
    );
    await read({ ...two, flags: { header: ['X-Key: hush'], server: ['far'] } });
    await read({ ...two, flags: { transport: 'http' } });
  });
});
