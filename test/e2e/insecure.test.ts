/** An address that others can reach, without a token: allowed when asked for, and nobody's user is asked anything. */
import { expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { callIn, initializeMessage, openSession } from '../support/bearer.ts';
import { post } from '../support/http.ts';
import { at } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, NODE } from '../support/paths.ts';

/** Loopback in a form that is not taken for it, so that these tests open nothing. */
const OPEN = ['--host', '127.1'];
const CAPABILITIES = { roots: {}, sampling: {}, elicitation: {}, tasks: {}, experimental: { kept: {} } };
const QUESTIONS = ['sampling/createMessage', 'elicitation/create', 'roots/list'];

test('with --insecure servers cannot ask, which the log says once, and everything else works', async () => {
  const run = await startMcpRun(serve(['--http'], fixtureServer('behaviours'), ...OPEN, '--insecure'));
  const mcp = `${run.url}/mcp`;
  const session = await openSession(mcp, {}, CAPABILITIES);
  await openSession(mcp, {}, {});
  const { structuredContent } = await callIn(mcp, session, 'received', { containing: 'initialize' });
  const received: unknown = JSON.parse(String(at(structuredContent, 'lines', 0)));
  expect(at(received, 'params', 'capabilities')).toEqual({ experimental: { kept: {} } });
  for (const method of QUESTIONS) {
    const answer = await callIn(mcp, session, 'ask', { method, params: {} });
    expect(at(answer, 'structuredContent', 'error', 'code')).toBe(-32_601);
  }
  expect(run.logs.filter(({ event }) => event === 'gateway.open')).toHaveLength(1);
  expect(run.logs.filter(({ event }) => event === 'client.withheld')).toMatchObject([
    { level: 'info', capabilities: ['roots', 'sampling', 'elicitation', 'tasks'] },
  ]);
});

test('a server that is allowed to may ask', async () => {
  const [command, ...args] = fixtureServer('behaviours');
  const server = { command, args, allow: ['sampling', 'elicitation'] };
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers: { a: server } }) });
  const run = await startMcpRun(['serve', '--http', '--port', '0', ...OPEN, '--insecure'], { cwd });
  const mcp = `${run.url}/mcp`;
  const session = await openSession(mcp, {}, CAPABILITIES);
  const { structuredContent } = await callIn(mcp, session, 'received', { containing: 'initialize' });
  const received: unknown = JSON.parse(String(at(structuredContent, 'lines', 0)));
  const { roots: _withheld, ...allowed } = CAPABILITIES;
  expect(at(received, 'params', 'capabilities')).toEqual(allowed);
});

test('with a token the address is served, and servers may ask', async () => {
  const token = 'test-token-0123456789abcdef';
  const run = await startMcpRun(serve(['--http'], fixtureServer('behaviours'), ...OPEN), {
    env: { MCP_RUN_TOKEN: token },
  });
  const mcp = `${run.url}/mcp`;
  expect((await post(mcp, initializeMessage())).status).toBe(401);
  const session = await openSession(mcp, { authorization: `Bearer ${token}` }, CAPABILITIES);
  const { structuredContent } = await callIn(mcp, session, 'received', { containing: 'initialize' });
  const received: unknown = JSON.parse(String(at(structuredContent, 'lines', 0)));
  expect(Object.keys(Object(at(received, 'params', 'capabilities')))).toContain('elicitation');
  expect(run.logs.filter(({ event }) => event === 'gateway.open')).toEqual([]);
});

test('secrets that a server is started with are masked where it logs them, at every level', async () => {
  const secrets = ['secret-in-env-1', 'secret-in-args-2', 'secret-in-url-3'];
  const args = ['--api-key', 'secret-in-args-2', '--db', 'postgres://u:secret-in-url-3@db/x'];
  const run = await startMcpRun(
    serve(
      ['--http'],
      [...fixtureServer('behaviours'), ...args],
      '--env',
      'SERVICE_TOKEN=secret-in-env-1',
      '--log-level',
      'trace',
    ),
  );
  const mcp = `${run.url}/mcp`;
  const session = await openSession(mcp);
  await callIn(mcp, session, 'stderr', { line: `using ${secrets.join(' and ')}` });
  const { msg } = await run.waitForLog(({ event }) => event === 'server.stderr');
  expect(msg).toBe('using *** and *** and ***');
  await run.stop();
  for (const secret of secrets) expect(JSON.stringify(run.logs)).not.toContain(secret);
});

test.each(['check', 'serve'])(
  '%s does not repeat the secrets in the last words of a server',
  async (command) => {
    const dying = [NODE, '-e', 'console.error("cannot use " + process.env.SERVICE_TOKEN); process.exit(1)'];
    const env = ['--env', 'SERVICE_TOKEN=secret-in-env-1'];
    if (command === 'check') {
      const run = spawnMcpRun(['check', ...env, '--', ...dying]);
      let stdout = '';
      run.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      expect((await run.exited).code).toBe(4);
      const shown = stdout + JSON.stringify(run.logs);
      expect(shown).toContain('cannot use ***');
      expect(shown).not.toContain('secret-in-env-1');
      return;
    }
    const run = await startMcpRun(serve(['--http'], dying, ...env));
    const answer = await post(`${run.url}/mcp`, initializeMessage());
    expect(answer.text).not.toContain('secret-in-env-1');
    await run.stop();
    expect(JSON.stringify(run.logs)).toContain('cannot use ***');
    expect(JSON.stringify(run.logs)).not.toContain('secret-in-env-1');
  },
);
