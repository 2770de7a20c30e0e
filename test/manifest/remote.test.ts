import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadManifest } from '../../src/manifest/load.ts';
import { createWorkspace, failureOf, load, loadText, only, problemsOf, remoteOf } from './workspace.ts';

const entry = (far: object): object => ({ mcpServers: { far } });

describe('a remote server of a manifest', () => {
  test('is spoken to as its type says, else as is found out', async () => {
    const rows = [
      [{}, 'auto'],
      [{ type: 'http' }, 'http'],
      [{ type: 'streamable-http' }, 'http'],
      [{ transport: 'streamableHttp' }, 'http'],
      [{ transportType: 'sse' }, 'sse'],
      [{ type: 'auto' }, 'auto'],
    ] as const;
    for (const [keys, transport] of rows) {
      const manifest = await load(entry({ url: 'https://example.com/mcp', ...keys }));
      expect(remoteOf(only(manifest))).toMatchObject({ url: 'https://example.com/mcp', transport });
    }
  });

  test('has everything in the target that is needed to reach it', async () => {
    const cwd = await createWorkspace({
      'sub/mcp.json': JSON.stringify(
        entry({
          url: 'https://example.com/mcp?key=${KEY}',
          headers: { 'X-Team': '${TEAM}', Accept: 'text/html' },
          headersFile: 'headers',
          caFile: 'ca.pem',
          certFile: '/abs/cert.pem',
          keyFile: '../key.pem',
          oauth: {
            grant: 'client-credentials',
            clientId: 'me',
            clientSecretFile: 'secret',
            scope: ['read', 'write'],
            resource: 'https://Example.com/api',
            callbackPort: '8080',
            timeout: '1m',
          },
        }),
      ),
      'sub/headers': '# Who we are\nX-Team: other\nX-Trace:  a:b \n',
      'sub/secret': 'hush\n',
    });
    const env = { KEY: 'k', TEAM: 'red', MCP_RUN_CONFIG_DIR: join(cwd, 'config') };
    const manifest = await loadManifest({ files: ['sub/mcp.json'], cwd, env });
    expect(remoteOf(only(manifest))).toEqual({
      kind: 'remote',
      url: 'https://example.com/mcp?key=k',
      transport: 'auto',
      headers: { 'x-team': 'red', 'x-trace': 'a:b' },
      tls: { caFile: join(cwd, 'sub/ca.pem'), certFile: '/abs/cert.pem', keyFile: join(cwd, 'key.pem') },
      oauth: {
        grant: 'client-credentials',
        clientId: 'me',
        clientSecret: 'hush',
        privateKey: undefined,
        clientMetadataUrl: undefined,
        scope: 'read write',
        resource: 'https://Example.com/api',
        browser: true,
        callbackHost: '127.0.0.1',
        callbackPort: 8080,
        timeoutMs: 60_000,
        storeDirectory: join(cwd, 'config/oauth'),
      },
      patienceMs: 0,
    });
    expect(manifest.warnings.join('\n')).toContain('headers.Accept: ignored');
  });

  test('asks for no authorization where there is a header for it, or where it shall not', async () => {
    const rows = [
      { headers: { authorization: 'Bearer x' } },
      { headers: { Authorization: 'Bearer x' }, oauth: { scope: 'x' } },
      { oauth: false },
    ];
    for (const keys of rows) {
      const { oauth } = remoteOf(only(await load(entry({ url: 'https://example.com/', ...keys }))));
      expect(oauth).toBeUndefined();
    }
  });

  test('has settings for authorization servers that differ', async () => {
    const issuer = 'https://login.example/{tenantid}/v2.0';
    const settings = { issuer, audience: 'api', assumePkce: true, resource: false };
    const { oauth } = remoteOf(only(await load(entry({ url: 'https://example.com/', oauth: settings }))));
    expect(oauth).toMatchObject(settings);
  });

  test('is waited for where a client over stdio would take a failure for the end', async () => {
    const far = { url: 'https://example.com/' };
    const patience = async (transports: readonly string[]): Promise<number> =>
      remoteOf(only(await load({ ...entry(far), serve: { transports } }))).patienceMs;
    expect(await patience(['stdio'])).toBe(10_000);
    expect(await patience(['stdio', 'http'])).toBe(0);
  });

  test.each([
    [{ url: 'ftp://example.com/' }, 'far.url: "ftp://example.com/" is not an http or https URL'],
    [{ url: 'https://me:hush@example.com/' }, 'far.url: must not hold a name or a password'],
    [{ url: 'https://x/#a' }, 'must not have a fragment'],
    [{ headers: { 'X Y': '1' } }, 'far.headers["X Y"]: "X Y" is not the name of an HTTP header'],
    [{ headers: { 'X-A': 'hush\n' } }, 'far.headers.X-A: the value of X-A has characters'],
    [{ headers: { Host: 'x' } }, 'Host is set by mcp-run itself'],
    [{ headers: { 'Mcp-Session-Id': 'x' } }, 'Mcp-Session-Id is set by mcp-run itself'],
    [{ oauth: true }, 'far.oauth: must be an object or false, not a boolean'],
    [{ oauth: { grant: 'client' } }, 'far.oauth.grant: must be one of'],
    [{ oauth: { clientSecret: 'hush' } }, 'far.oauth: a client secret needs the id of its client'],
    [{ oauth: { grant: 'client-credentials', clientId: 'x' } }, 'needs a client with a secret or a private'],
    [{ oauth: { clientMetadataUrl: 'https://x/' } }, 'far.oauth.clientMetadataUrl: "https://x/" is not an'],
    [{ oauth: { resource: 'x' } }, 'far.oauth.resource: "x" is not an absolute URI'],
    [{ oauth: { resource: true } }, 'far.oauth.resource: must be a string or false'],
    [{ oauth: { issuer: 'login' } }, 'far.oauth.issuer: "login" is not an http or https URL'],
    [{ oauth: { issuer: 'https://h/?a' } }, 'without a query'],
    [{ oauth: { assumePkce: 'yes' } }, 'far.oauth.assumePkce: must be true or false'],
    [{ oauth: { audience: 1 } }, 'far.oauth.audience: must be a string'],
    [{ oauth: { callbackHost: '0.0.0.0' } }, 'far.oauth.callbackHost: "0.0.0.0" is not 127.0.0.1'],
    [{ oauth: { callbackPort: 0 } }, 'far.oauth.callbackPort: must be a whole number from 1 to 65535'],
    [{ certFile: 'x' }, 'far.certFile: a certificate needs its key'],
    [{ headersFile: 'x' }, 'far.headersFile: Cannot read'],
    [{ passEnv: 'x' }, 'far.passEnv: means nothing here: the server is a URL'],
    [{ url: undefined, command: 'x', allowHttp: true }, 'far.allowHttp: means nothing here: the server is a'],
  ])('%j is refused', async (keys, message) => {
    const problems = await problemsOf(load(entry({ url: 'https://example.com/', ...keys })));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
    expect(problems[0]).toMatch(/^mcp\.json:\d+:\d+: /);
    expect(problems[0]).not.toContain('hush');
  });

  test('over plain HTTP must be this machine, or allowed', async () => {
    const error = await failureOf(loadText('{"mcpServers":{\n"far":{"url":"http://example.com/?a=hush"}}}'));
    expect(error).toMatchObject({ code: 'PLAIN_HTTP_REFUSED', culprits: [{ file: 'mcp.json', line: 2 }] });
    expect(error.message).toMatch(/ \(mcp\.json:2:14: mcpServers\.far\.url\)$/);
    expect(JSON.stringify([error.message, error.culprits])).not.toContain('hush');
    await load(entry({ url: 'http://example.com/', allowHttp: true }));
    await load(entry({ url: 'http://example.com/' }), { remote: { allowHttp: true } });
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      await load(entry({ url: `http://${host}:1/mcp` }));
  });
});
