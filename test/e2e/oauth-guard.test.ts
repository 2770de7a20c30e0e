/** What a remote server may name, where its name servers say that it is on this machine. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { start } from '../cli/binary.ts';
import { createWorkspace } from '../manifest/workspace.ts';
import { startAuthorizationServer } from '../support/authorization-server.ts';

/** In place of the system's: each name has the addresses that the environment gives it, and others are not known. */
const NAME_SERVER = `
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
const names = JSON.parse(process.env.TEST_NAMES);
const lookUp = dns.lookup;
dns.lookup = (hostname, ...others) => {
  if (isIP(hostname) !== 0) return lookUp(hostname, ...others);
  const [options, callback] = others;
  const addresses = names[hostname];
  if (addresses === undefined) return callback(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }));
  const found = addresses.map((address) => ({ address, family: 4 }));
  return options.all ? callback(null, found) : callback(null, found[0].address, 4);
};
dns.promises.lookup = promisify(dns.lookup);
syncBuiltinESMExports();
`;

async function openUser(names: Record<string, readonly string[]>) {
  const home = await createWorkspace({
    'names.mjs': NAME_SERVER,
    browser: `#!${process.execPath}\nfetch(process.argv[2]).then((it) => it.text());\n`,
  });
  const BROWSER = join(home, 'browser');
  await chmod(BROWSER, 0o700);
  const env = { BROWSER, MCP_RUN_CONFIG_DIR: home, TEST_NAMES: JSON.stringify(names) };
  const node = ['--import', pathToFileURL(join(home, 'names.mjs')).href];
  return (argv: readonly string[]) => start(argv, { env, cwd: home, node }).ended;
}

/** A server that is reached by a name, and whose authorization server is at an address of this machine. */
async function startServer() {
  const issuer = await startAuthorizationServer();
  const server = await startAuthorizationServer({
    resourceMetadata: { authorization_servers: [issuer.origin] },
    accepts: (token) => issuer.isValid(token),
  });
  const url = server.url.replace('127.0.0.1', 'mcp.example');
  server.rules.resourceMetadata = { ...server.rules.resourceMetadata, resource: url };
  server.rules.challenge = () => 'Bearer';
  return { issuer, url };
}

it('signs in at this machine for a server whose name leads to this machine only', async () => {
  const { issuer, url } = await startServer();
  const run = await openUser({ 'mcp.example': ['127.0.0.1'] });
  const { code, stderr } = await run(['login', url, '--allow-http']);
  expect(stderr).toContain(`${issuer.origin}/authorize`);
  expect(code).toBe(0);
});

it.each(['login', 'check'])(
  '%s sends nothing to this machine for a server whose name leads elsewhere as well',
  async (command) => {
    const { issuer, url } = await startServer();
    const run = await openUser({ 'mcp.example': ['127.0.0.1', '8.8.8.8'] });
    const { code, stderr, stdout } = await run([command, url, '--allow-http']);
    expect(stdout + stderr).toContain(issuer.origin);
    expect(code).not.toBe(0);
    expect(issuer.requests).toEqual([]);
  },
);
