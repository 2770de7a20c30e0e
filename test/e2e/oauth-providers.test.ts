/** Authorization servers as they are found in the wild, by the real command line. */
import { once } from 'node:events';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { start } from '../cli/binary.ts';
import { createWorkspace } from '../manifest/workspace.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
  type Rules,
} from '../support/authorization-server.ts';
import { initializeMessage } from '../support/bearer.ts';
import { at, type Json } from '../support/json.ts';
import { spawnMcpRun } from '../support/mcp-run.ts';

const CERTIFICATES = join(import.meta.dirname, '../upstream/http/certificates');
const PLACE = '/.well-known/oauth-protected-resource/mcp';

function startProtected(rules: Partial<Rules> = {}): Promise<AuthorizationServer> {
  return startAuthorizationServer({ mcp: answer, ...rules });
}

function answer({ method }: Json): Json {
  if (method === 'tools/list') return { result: { tools: [] } };
  if (method !== 'initialize') return { error: { code: -32601, message: 'Method not found' } };
  const serverInfo = { name: 'protected', version: '1' };
  return { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } };
}

/** A user with a browser that says yes to everything. */
async function createUser(files: Record<string, string> = {}) {
  const home = await createWorkspace({
    ...files,
    browser: `#!${process.execPath}\nfetch(process.argv[2]).then((it) => it.text());\n`,
  });
  const BROWSER = join(home, 'browser');
  await chmod(BROWSER, 0o700);
  return { cwd: home, env: { BROWSER, MCP_RUN_CONFIG_DIR: home } };
}

/** Speaks with a server through `mcp-run serve --stdio`. */
async function connect(args: readonly string[]) {
  const run = spawnMcpRun(['serve', '--stdio', ...args], await createUser());
  const lines = createInterface(run.stdout);
  let id = 0;
  const request = async (message: Json): Promise<Json> => {
    const line = once(lines, 'line');
    run.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message, id: (id += 1) })}\n`);
    return JSON.parse(String((await line)[0])) as Json;
  };
  return { ...run, request };
}

describe('a call is answered by a server', () => {
  it('whose authorization server writes unset members as null', async () => {
    const server = await startProtected({
      metadata: { scopes_supported: null, service_documentation: null, revocation_endpoint: null },
      resourceMetadata: { scopes_supported: null, resource_documentation: null },
      registration: {
        contacts: null,
        scope: '',
        client_secret: null,
        client_secret_expires_at: null,
        redirect_uris: null,
        jwks_uri: '',
        logo_uri: '',
        client_name: null,
      },
      token: { scope: null, expires_in: null, refresh_token: null, id_token: null },
    });
    const { request } = await connect([server.url]);

    expect(at(await request(initializeMessage()), 'result', 'serverInfo')).toMatchObject({
      name: 'protected',
    });
    for (let count = 0; count < 3; count += 1)
      expect(await request({ method: 'tools/list' })).toMatchObject({ result: { tools: [] } });
    expect(server.to('/token')).toHaveLength(1);
  });

  it('whose token is renewed again and again, though the answers name nothing that renews it', async () => {
    const server = await startProtected({ token: { expires_in: 0 }, keepsRefreshTokens: true });
    const { request } = await connect([server.url]);
    const initialize = request(initializeMessage());
    server.rules.encode = (token) => {
      // From the second answer on.
      server.rules.token = { refresh_token: null, scope: null, expires_in: 0.001 };
      return { type: 'application/json', body: JSON.stringify(token) };
    };
    await initialize;
    for (let count = 0; count < 3; count += 1)
      expect(await request({ method: 'tools/list' })).toMatchObject({ result: { tools: [] } });

    const grants = server.to('/token').map(({ params }) => params.get('grant_type'));
    expect(grants.slice(0, 3)).toEqual(['authorization_code', 'refresh_token', 'refresh_token']);
    expect(server.to('/authorize')).toHaveLength(1);
  });

  it('whose authorization server answers in form encoding', async () => {
    const server = await startProtected({
      encode: (token) => ({
        type: 'application/x-www-form-urlencoded; charset=utf-8',
        body: new URLSearchParams(token as Record<string, string>).toString(),
      }),
    });
    const { cwd, env } = await createUser();
    const { code, stdout } = await start(['check', server.url], { cwd, env }).ended;

    expect(code).toBe(0);
    expect(stdout).toContain('protected');
  });

  it.each([
    ['', '/'],
    ['/', ''],
  ])('whose URL ends in %j, while its metadata names it with %j', async (own, named) => {
    const server = await startProtected();
    server.rules.resourceMetadata = {
      resource: `${server.url}${named}`,
      authorization_servers: [`${server.origin}${own}`],
    };
    server.rules.metadata = { issuer: `${server.origin}${named}` };
    const { cwd, env } = await createUser();
    const { code, stderr } = await start(['login', `${server.url}${own}`], { cwd, env }).ended;

    expect([code, stderr]).toEqual([0, expect.stringContaining('/authorize?')]);
    expect(server.to('/token')[0]?.params.get('resource')).toBe(`${server.url}${named}`);
  });
});

describe('metadata of a resource', () => {
  it('that cannot be read is an error that names it, and no other authorization server is asked', async () => {
    const server = await startProtected({ answers: { [PLACE]: { status: 500, body: 'oops' } } });
    const { request } = await connect([server.url]);
    const { cwd, env } = await createUser();
    const login = await start(['login', server.url], { cwd, env }).ended;

    expect(await request(initializeMessage())).toMatchObject({
      error: { message: expect.stringContaining(`${server.origin}${PLACE} (HTTP status 500)`) },
    });
    expect(login).toMatchObject({ code: 3, stderr: expect.stringContaining(`${server.origin}${PLACE}`) });
    const paths = new Set(server.requests.map(({ path }) => path));
    expect([...paths].toSorted()).toEqual([PLACE, '/mcp']);
  });

  it('that is named over plain http by a server behind https is read by https', async () => {
    const [cert, key] = await Promise.all(
      ['server.pem', 'server.key'].map((name) => readFile(join(CERTIFICATES, name), 'utf8')),
    );
    const authority = join(CERTIFICATES, 'authority.pem');
    const server = await startAuthorizationServer({ mcp: answer }, { cert: cert ?? '', key: key ?? '' });
    server.rules.challenge = (pointer) => `Bearer ${pointer.replace('https:', 'http:')}`;
    const { cwd, env } = await createUser();
    const { code, stderr } = await start(['login', server.url, '--ca-file', authority], {
      cwd,
      // For the browser.
      env: { ...env, NODE_EXTRA_CA_CERTS: authority },
    }).ended;

    expect([code, stderr]).toEqual([0, expect.stringContaining('/authorize?')]);
    expect(stderr).toContain(`Using the metadata at ${server.origin}${PLACE}`);
  });
});

describe('Entra ID', () => {
  /** One like it: a template for an issuer, no word of PKCE, no registration, no resource indicators. */
  async function startEntra(): Promise<AuthorizationServer> {
    const server = await startProtected({
      paths: { metadata: '/tenant/v2.0/.well-known/openid-configuration', resourceMetadata: PLACE },
      rejectsResource: true,
    });
    server.rules.metadata = {
      issuer: `${server.origin}/{tenantid}/v2.0`,
      registration_endpoint: undefined,
      code_challenge_methods_supported: undefined,
    };
    server.rules.resourceMetadata = { authorization_servers: [`${server.origin}/tenant/v2.0`] };
    return server;
  }

  it('is refused, and each error names the setting that is missing', async () => {
    const server = await startEntra();
    const { cwd, env } = await createUser();
    const login = (...flags: string[]) =>
      start(['login', server.url, '--oauth-client-id', 'mine', ...flags], { cwd, env }).ended;

    expect(await login()).toMatchObject({ code: 3, stderr: expect.stringContaining('--oauth-issuer') });
    expect(await login('--oauth-issuer', `${server.origin}/tenant/v2.0`)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('--oauth-assume-pkce'),
    });
    expect(server.to('/authorize')).toEqual([]);
  });

  it('is used by the flags, which is logged', async () => {
    const server = await startEntra();
    const run = await connect([
      server.url,
      ...['--oauth-client-id', 'mine', '--oauth-issuer', `${server.origin}/tenant/v2.0`],
      ...['--oauth-assume-pkce', '--oauth-resource', 'none', '--oauth-audience', 'api://mcp'],
    ]);

    expect(await run.request(initializeMessage())).toHaveProperty('result');
    expect(server.to('/token')[0]?.params.get('audience')).toBe('api://mcp');
    const warnings = run.logs.filter(({ level }) => level === 'warn').map(({ event }) => event);
    expect(warnings).toEqual(
      expect.arrayContaining([
        'oauth.issuer-accepted',
        'oauth.pkce-assumed',
        'oauth.no-resource',
        'oauth.audience',
      ]),
    );
  });

  it('is used by the settings of an entry', async () => {
    const server = await startEntra();
    const oauth = {
      clientId: 'mine',
      issuer: `${server.origin}/{tenantid}/v2.0`,
      assumePkce: true,
      resource: false,
      audience: 'api://mcp',
    };
    const files = { 'mcp.json': JSON.stringify({ mcpServers: { far: { url: server.url, oauth } } }) };
    const { cwd, env } = await createUser(files);
    const { code, stdout } = await start(['login', '--json'], { cwd, env }).ended;

    expect(code).toBe(0);
    expect(at(JSON.parse(stdout), 'servers', 0)).toMatchObject({
      status: 'authorized',
      issuer: `${server.origin}/{tenantid}/v2.0`,
    });
    expect(await start(['logout', 'mcp.json'], { cwd, env }).ended).toMatchObject({ code: 0 });
  });
});
