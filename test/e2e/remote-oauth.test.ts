import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { startAuthorizationServer, type AuthorizationServer } from '../support/authorization-server.ts';
import { ALICE, bearer, BOB, initializeMessage } from '../support/bearer.ts';
import { post } from '../support/http.ts';
import { at, type Json } from '../support/json.ts';
import { spawnMcpRun, startMcpRun } from '../support/mcp-run.ts';

/** A server of 2025-11-25 that wants authorization. */
function startProtected(
  rules: Parameters<typeof startAuthorizationServer>[0] = {},
): Promise<AuthorizationServer> {
  return startAuthorizationServer({ mcp: answer, ...rules });
}

function answer({ method }: Json): Json {
  if (method !== 'initialize') return { error: { code: -32601, message: 'Method not found' } };
  const serverInfo = { name: 'protected', version: '1' };
  return { result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo } };
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

it('what clients prove themselves with goes to no remote server, and nothing of its authorization to them', async () => {
  const server = await startProtected();
  const user = await createUser({ tokens: `${ALICE}\n${BOB}\n` });
  await chmod(join(user.cwd, 'tokens'), 0o600);
  const run = await startMcpRun(['serve', server.url, '--port', '0', '--token-file', 'tokens'], user);
  const answers = await Promise.all(
    [ALICE, BOB].map((token) => post(`${run.url}/mcp`, initializeMessage(), bearer(token))),
  );

  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(server.to('/authorize')).toHaveLength(1);
  const seen = JSON.stringify(
    server.requests.map(({ headers, params, body }) => [headers, [...params], body]),
  );
  for (const token of [ALICE, BOB]) expect(seen).not.toContain(token);
  const shown = JSON.stringify([answers, run.logs]);
  expect(seen).toMatch(/access-[\da-f]/);
  expect(shown).not.toMatch(/access-[\da-f]|refresh-[\da-f]/);
});

it('a client learns why it is not let in, and what to do', async () => {
  const server = await startProtected({ callback: { code: '', error: 'access_denied' } });
  const run = spawnMcpRun(['serve', '--stdio', server.url], await createUser());
  run.stdin.end(`${JSON.stringify(initializeMessage())}\n`);
  const [line = ''] = await once(createInterface(run.stdout), 'line');

  expect(at(JSON.parse(String(line)), 'error')).toMatchObject({
    code: -32603,
    message: expect.stringMatching(/authorization failed: access_denied\. Sign in with `mcp-run login`/),
    data: { reason: 'authorization_failed' },
  });
});
