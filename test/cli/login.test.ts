import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAuthorizationServer } from '../support/authorization-server.ts';
import { createWorkspace } from '../manifest/workspace.ts';
import { start } from './binary.ts';
import { run } from './terminal.ts';

/** A user with a browser that says yes to everything, and with a place for tokens. */
async function createUser() {
  const home = await createWorkspace({
    browser: `#!${process.execPath}\nfetch(process.argv[2]).then((it) => it.text());\n`,
  });
  const BROWSER = join(home, 'browser');
  await chmod(BROWSER, 0o700);
  const env = { BROWSER, MCP_RUN_CONFIG_DIR: home };
  const stored = async () => (await readdir(join(home, 'oauth'))).toSorted();
  return { home, env, run: (argv: readonly string[]) => start(argv, { env, cwd: home }).ended, stored };
}

describe('login', () => {
  it('stores tokens, tokens lists them, logout gives them back', async () => {
    const server = await startAuthorizationServer();
    server.rules.metadata = { revocation_endpoint: `${server.origin}/revoke`, scopes_supported: ['read'] };
    server.rules.resourceMetadata = { scopes_supported: ['read'] };
    const { home, run, stored } = await createUser();
    const login = await run(['login', server.url, '--json']);

    expect(login.code).toBe(0);
    const holding = {
      url: server.url,
      issuer: server.origin,
      clientId: expect.stringMatching(/^client-/),
      scope: 'read',
      expiresAt: expect.stringMatching(/^\d{4}-/),
      renewable: true,
    };
    expect(JSON.parse(login.stdout)).toEqual({
      ok: true,
      exitCode: 0,
      servers: [{ name: '127.0.0.1', status: 'authorized', ...holding }],
    });
    expect(login.stderr).toContain(`${server.origin}/authorize?`);

    const list = await run(['tokens', '--json']);
    expect(JSON.parse(list.stdout)).toEqual({
      ok: true,
      exitCode: 0,
      directory: join(home, 'oauth'),
      servers: [holding],
    });
    const table = await run(['tokens']);
    expect(table.stdout).toMatch(
      /^SERVER .*\nhttp:\/\/127\.0\.0\.1:\d+\/mcp .* read {3}for 60 min, then renewed\n$/,
    );
    const [file = ''] = await stored();
    const secrets = JSON.stringify(JSON.parse(await readFile(join(home, 'oauth', file), 'utf8'))).match(
      /(access|refresh)-[\da-f-]{36}/g,
    );
    expect(secrets).toHaveLength(2);
    for (const secret of secrets ?? []) {
      for (const { stdout, stderr } of [login, list, table]) expect(stdout + stderr).not.toContain(secret);
    }

    const logout = await run(['logout', server.url]);
    expect(logout).toMatchObject({ code: 0, stdout: `✓ ${server.url}: deleted and revoked\n` });
    expect(secrets).toContain(server.to('/revoke')[0]?.params.get('token'));
    expect(await stored()).toEqual([]);
    expect((await run(['tokens'])).stdout).toBe(`No tokens are stored in ${join(home, 'oauth')}\n`);
    expect((await run(['logout', '--all', '--json'])).stdout).toContain('"servers": []');
  });

  it('shows the issuer that a client secret is bound to, as tokens and logout do', async () => {
    const server = await startAuthorizationServer();
    const { home, env, run: runWithout } = await createUser();
    const client = ['--oauth-client-id', 'mine', '--oauth-grant', 'client-credentials'];
    const withSecret = { ...env, MCP_RUN_OAUTH_CLIENT_SECRET: 'hush-hush' };
    const run = (argv: readonly string[]) => start(argv, { env: withSecret, cwd: home }).ended;
    const login = await run(['login', server.url, ...client]);
    expect(login.code).toBe(0);
    expect(login.stderr).toContain(`The secret of the client mine is bound to ${server.origin}`);
    expect(login.stderr).toContain(`"oauth": {"issuer": "${server.origin}"}`);
    expect((await run(['login', server.url, ...client])).stderr).not.toContain('bound');

    const binding = {
      url: server.url,
      clientId: 'mine',
      issuer: server.origin,
      since: expect.stringMatching(/^\d{4}-/),
    };
    const tokens = await run(['tokens']);
    expect(tokens.stdout).toContain(`\nClient mine of ${server.url} is bound to ${server.origin} since 2`);
    const logout = await runWithout(['logout', server.url]);
    expect(logout.stdout).toBe(`✓ ${server.url}: deleted; client mine stays bound to ${server.origin}\n`);
    const document = JSON.parse((await run(['tokens', '--json'])).stdout);
    expect(document).toMatchObject({ servers: [], bindings: [binding] });
    for (const { stdout, stderr } of [login, tokens, logout])
      expect(stdout + stderr).not.toContain('hush-hush');
  });

  it('and logout report a faulty remote entry, and serve the others', async () => {
    const server = await startAuthorizationServer();
    const { home, run } = await createUser();
    const mcpServers = {
      bad: { url: 'https://example.com/', headers: { A: '${NOPE}' } },
      local: { command: '${NOPE}' },
      far: { url: server.url },
    };
    await writeFile(join(home, 'mcp.json'), JSON.stringify({ mcpServers }));
    const login = await run(['login', '--json']);
    expect(login.code).toBe(2);
    expect(JSON.parse(login.stdout)).toMatchObject({
      ok: false,
      servers: [
        { name: 'bad', status: 'failed', error: { code: 'MANIFEST_INVALID' } },
        { name: 'far', status: 'authorized' },
      ],
    });
    const logout = await run(['logout']);
    expect(logout).toMatchObject({ code: 2, stdout: expect.stringContaining(`${server.url}: deleted`) });
    expect(logout.stderr).toContain('mcpServers.bad.headers.A');
    expect(await run(['login', '--server', 'far'])).toMatchObject({ code: 0 });
    expect(await run(['logout', '--strict'])).toMatchObject({ code: 2, stdout: '' });
  });

  it('of many processes at once opens one browser', async () => {
    const server = await startAuthorizationServer();
    const { run, stored } = await createUser();
    const ended = await Promise.all([1, 2, 3, 4].map(() => run(['login', server.url])));

    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(server.to('/authorize')).toHaveLength(1);
    expect(await stored()).toHaveLength(1);
  });

  it('of a manifest is about its remote servers, and one that fails does not keep the others', async () => {
    const server = await startAuthorizationServer();
    const denying = await startAuthorizationServer({ callback: { code: '', error: 'access_denied' } });
    const open = await startOpenServer();
    const { home, run } = await createUser();
    const mcpServers = {
      local: { command: 'nowhere' },
      denying: { url: denying.url },
      tracker: { url: server.url },
      open: { url: open },
      missing: { url: `${new URL(open).origin}/missing` },
    };
    await writeFile(join(home, 'mcp.json'), JSON.stringify({ mcpServers }));
    const { code, stdout, stderr } = await run(['login']);

    expect(code).toBe(3);
    expect(stdout).toBe(
      `✓ tracker: authorized by ${server.origin}, for 60 min, then renewed\n– open: asks for no authorization\n`,
    );
    expect(stderr).toContain('access_denied');
    expect(stderr).toContain('"missing" answered with HTTP status 404');
    const document = JSON.parse((await run(['login', '--json', '--server', 'denying'])).stdout);
    expect(document).toMatchObject({
      ok: false,
      exitCode: 3,
      servers: [{ name: 'denying', status: 'failed', error: { code: 'AUTHORIZATION_FAILED' } }],
    });
  });

  it('that is interrupted leaves nothing behind', async () => {
    const server = await startAuthorizationServer();
    const { home, env, stored } = await createUser();
    const running = start(['login', server.url, '--no-browser'], { env, cwd: home });
    await running.stderrUntil(/authorize\?/);
    running.process.kill('SIGINT');

    expect(await running.ended).toMatchObject({ code: 130 });
    // Who it is registered as is known.
    expect(await stored()).toEqual([expect.stringMatching(/^[\da-f]{32}\.json$/)]);
  });

  it.each([
    [['login', 'MANIFEST'], 'has no remote server'],
    [['logout', 'MANIFEST'], 'has no remote server'],
    [['logout', '--all', 'MANIFEST'], '--all is about every server'],
    [['login', '--', 'command'], 'takes no command after --'],
    [['login', 'ftp://example.com'], 'ftp'],
  ])('%j is refused', async (argv, text) => {
    const cwd = await createWorkspace({ 'mcp.json': '{"mcpServers":{"local":{"command":"nowhere"}}}' });
    const { code, stderr } = await run(
      argv.map((arg) => arg.replace('MANIFEST', 'mcp.json')),
      { cwd },
    );

    expect(code).toBe(2);
    expect(stderr).toContain(text);
  });
});

/** One that lets everybody in, and is not there for OAuth. */
async function startOpenServer(): Promise<string> {
  const http = createServer((request, response) => {
    request.resume();
    response.writeHead(request.url === '/mcp' ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
}
