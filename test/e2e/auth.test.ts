/** Bearer tokens, and sessions that belong to who opened them, through the real binary. */
import { chmod } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  ALICE,
  BOB,
  bearer,
  callIn,
  initializeMessage,
  openSession,
  ping,
  reasonOf,
} from '../support/bearer.ts';
import { eventsOf, MCP_HEADERS, open, openSocket, post, send } from '../support/http.ts';
import { at } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { createWorkspace } from '../manifest/workspace.ts';

async function tokenFile(text = `# Alice\n${ALICE}\n\n# Bob\n${BOB}\n`): Promise<string> {
  const file = join(await createWorkspace({ tokens: text }), 'tokens');
  await chmod(file, 0o600);
  return file;
}

async function start(...more: string[]): Promise<ListeningMcpRun> {
  const file = await tokenFile();
  return await startMcpRun(
    serve(['--http', '--sse'], fixtureServer('behaviours'), '--token-file', file, ...more),
  );
}

describe('with a token file', () => {
  test('a client is let in with a token of it, whatever the case of the scheme', async () => {
    const { url } = await start();
    for (const authorization of [
      `Bearer ${ALICE}`,
      `bearer ${BOB}`,
      `BEARER   ${ALICE}`,
      ` Bearer ${ALICE} `,
    ]) {
      const { status, headers } = await post(`${url}/mcp`, initializeMessage(), { authorization });
      expect({ authorization, status }).toEqual({ authorization, status: 200 });
      expect(headers['www-authenticate']).toBeUndefined();
    }
  });

  test.each([
    ['no token', undefined],
    ['another token', `Bearer ${ALICE}x`],
    ['the beginning of a token', `Bearer ${ALICE.slice(0, -1)}`],
    ['an empty token', 'Bearer '],
    ['two tokens', `Bearer ${ALICE} ${BOB}`],
    ['a list of tokens', `Bearer ${ALICE}, Bearer ${BOB}`],
    ['another scheme', `Basic ${Buffer.from(`x:${ALICE}`).toString('base64')}`],
    ['a comment of the file', 'Bearer # Alice'],
    ['the name of a property', 'Bearer __proto__'],
    ['the principal', 'Bearer token:000000000000'],
  ])('%s is a 401 with a JSON-RPC body that does not repeat it', async (_title, authorization) => {
    const run = await start();
    const headers = authorization === undefined ? {} : { authorization };
    for (const path of ['/mcp', '/messages?sessionId=x', '/behaviours/mcp', '/nowhere']) {
      const answer = await post(`${run.url}${path}`, initializeMessage(), headers);
      expect({ path, status: answer.status, reason: reasonOf(answer) }).toEqual({
        path,
        status: 401,
        reason: 'unauthorized',
      });
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="mcp-run"/);
      expect(answer.text).not.toContain(ALICE.slice(0, 10));
    }
    for (const path of ['/mcp', '/sse']) {
      const answer = await send(`${run.url}${path}`, {
        headers: { ...headers, accept: 'text/event-stream' },
      });
      expect(answer.status).toBe(401);
    }
    expect(JSON.stringify(run.logs)).not.toContain(ALICE.slice(0, 10));
  });

  test('a second Authorization header is refused, valid or not', async () => {
    const { url } = await start();
    for (const second of [ALICE, BOB, 'nonsense']) {
      const text = JSON.stringify(initializeMessage());
      const head = [
        'POST /mcp HTTP/1.1',
        'Host: 127.0.0.1',
        `Authorization: Bearer ${ALICE}`,
        `authorization: Bearer ${second}`,
        'Content-Type: application/json',
        'Accept: application/json, text/event-stream',
        `Content-Length: ${text.length}`,
        'Connection: close',
      ];
      expect(await talk(url, `${head.join('\r\n')}\r\n\r\n${text}`)).toMatch(/^HTTP\/1\.1 401 /);
    }
  });

  test('an Authorization header that is too long is a 431, one that is merely long a 401', async () => {
    const { url } = await start();
    expect((await ping(`${url}/mcp`, bearer('x'.repeat(15_000)))).status).toBe(401);
    const answer = await ping(`${url}/mcp`, bearer('x'.repeat(17_000)));
    expect({ status: answer.status, reason: reasonOf(answer) }).toEqual({
      status: 431,
      reason: 'invalid_request',
    });
  });

  test('it is asked for before the body is read, and after Host and Origin are', async () => {
    const { url } = await start();
    const head =
      'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/html\r\nContent-Length: 999999999\r\n\r\n';
    const socket = await openSocket(url);
    socket.write(head);
    expect(await firstOf(socket)).toMatch(/^HTTP\/1\.1 401 /);
    const foreign = await post(`${url}/mcp`, initializeMessage(), { origin: 'https://evil.example' });
    expect(foreign.status).toBe(403);
  });

  test('probes and the preflight of a page need none, and a page can read the refusal', async () => {
    const { url } = await start('--cors', 'https://app.example');
    expect((await send(`${url}/healthz`)).status).toBe(200);
    expect((await send(`${url}/readyz`)).status).toBe(200);
    expect((await send(`${url}/healthz/`)).status).toBe(401);
    expect((await send(`${url}/%68ealthz`)).status).toBe(401);
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    };
    const preflight = await send(`${url}/mcp`, { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-headers']).toMatch(/Authorization/);
    const refused = await post(`${url}/mcp`, initializeMessage(), { origin: 'https://app.example' });
    expect(refused.status).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(refused.headers['access-control-expose-headers']).toMatch(/WWW-Authenticate/);
  });

  test('what is pasted into a client has a place for the token, and nothing shows one', async () => {
    const run = await start();
    const text = JSON.stringify(run.ready);
    expect(at(run.ready, 'connect', 'mcpServers', 'behaviours', 'headers')).toEqual({
      Authorization: 'Bearer YOUR_TOKEN',
    });
    expect(String(run.ready['curl'])).toContain('-H "authorization: Bearer $MCP_RUN_TOKEN"');
    expect(text).not.toContain(ALICE);
  });
});

describe("another principal's session", () => {
  test('is not found over Streamable HTTP, whatever is done to it', async () => {
    const { url } = await start();
    const mcp = `${url}/mcp`;
    const alice = await openSession(mcp, bearer(ALICE));
    const asBob = { ...alice, ...bearer(BOB) };
    const stream = { ...asBob, accept: 'text/event-stream' };
    const answers = {
      post: await ping(mcp, asBob),
      initialize: await post(mcp, initializeMessage(), asBob),
      notification: await post(
        mcp,
        { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
        asBob,
      ),
      batch: await post(mcp, [{ jsonrpc: '2.0', id: 1, method: 'ping' }], asBob),
      get: await send(mcp, { headers: stream }),
      resume: await send(mcp, { headers: { ...stream, 'last-event-id': '0-0' } }),
      delete: await send(mcp, { method: 'DELETE', headers: asBob }),
    };
    for (const [name, answer] of Object.entries(answers)) {
      expect({ name, status: answer.status, reason: reasonOf(answer) }).toEqual({
        name,
        status: 404,
        reason: 'session_not_found',
      });
    }
    // As one that never was.
    expect(answers.get.text).toBe((await send(mcp, { headers: { ...stream, 'mcp-session-id': 'x' } })).text);
    expect((await ping(mcp, alice)).status).toBe(200);
    expect((await send(mcp, { method: 'DELETE', headers: alice })).status).toBe(204);
  });

  test('takes no message over HTTP+SSE', async () => {
    const { url } = await start();
    const stream = await open(`${url}/sse`, {
      headers: { ...MCP_HEADERS, accept: 'text/event-stream', ...bearer(ALICE) },
    });
    const { value } = await eventsOf(stream).next();
    const messages = new URL(String(value?.data), url).href;
    const refused = await post(messages, initializeMessage(), bearer(BOB));
    expect({ status: refused.status, reason: reasonOf(refused) }).toEqual({
      status: 404,
      reason: 'session_not_found',
    });
    expect((await post(messages, initializeMessage(), bearer(ALICE))).status).toBe(202);
    stream.destroy();
  });

  test('never ends to make room for a newcomer', async () => {
    const { url } = await start('--max-sessions', '2');
    const mcp = `${url}/mcp`;
    const first = await openSession(mcp, bearer(ALICE));
    const second = await openSession(mcp, bearer(ALICE));
    const bob = await post(mcp, initializeMessage('b'), bearer(BOB));
    expect({ status: bob.status, reason: reasonOf(bob), id: at(JSON.parse(bob.text), 'id') }).toEqual({
      status: 503,
      reason: 'too_many_sessions',
      id: 'b',
    });
    expect(bob.headers['retry-after']).toMatch(/^\d+$/);
    await ping(mcp, first);
    const third = await openSession(mcp, bearer(ALICE));
    expect((await ping(mcp, second)).status).toBe(404);
    expect((await ping(mcp, first)).status).toBe(200);
    expect((await ping(mcp, third)).status).toBe(200);
  });
});

describe('MCP_RUN_TOKEN', () => {
  test('is a token that neither ps, the log nor the server ever sees', async () => {
    const args = serve(
      ['--http'],
      fixtureServer('behaviours'),
      '--pass-env',
      '*',
      '--pass-env',
      'MCP_RUN_TOKEN',
    );
    const run = await startMcpRun([...args.slice(0, 1), '--log-level', 'trace', ...args.slice(1)], {
      env: { MCP_RUN_TOKEN: ALICE, OTHER_VARIABLE: 'passed' },
    });
    const mcp = `${run.url}/mcp`;
    expect((await post(mcp, initializeMessage())).status).toBe(401);
    const session = await openSession(mcp, bearer(ALICE));
    const seen = await callIn(mcp, session, 'process');
    expect(JSON.stringify(seen)).toContain('OTHER_VARIABLE');
    expect(JSON.stringify(seen)).not.toMatch(/MCP_RUN_|alice/);
    if (process.platform === 'linux') {
      const pid = Number(at(seen, 'structuredContent', 'pid'));
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(ALICE);
      expect(readFileSync(`/proc/${run.pid}/cmdline`, 'utf8')).not.toContain(ALICE);
    }
    expect(JSON.stringify(run.logs)).not.toContain(ALICE);
  });

  test('does not reach a server over stdio either', async () => {
    const run = spawnMcpRun(['serve', '--stdio', '--', ...fixtureServer('behaviours')], {
      env: { MCP_RUN_TOKEN: ALICE },
    });
    const answered = new Promise<string>((resolve) => {
      run.stdout.on('data', (chunk: Buffer) => {
        if (chunk.includes('"id":2')) resolve(chunk.toString());
      });
    });
    const call = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'process', arguments: {} } };
    run.stdin.write(`${JSON.stringify(initializeMessage())}\n${JSON.stringify(call)}\n`);
    expect(await answered).not.toMatch(/MCP_RUN_TOKEN|alice/);
  });
});

describe('what is refused at start', () => {
  test.each([
    ['an empty token file', '', /tokens holds no token/],
    ['a token file with comments only', '# a\r\n\r\n', /tokens holds no token/],
    ['a token with a space', `${ALICE}\r\nwith secret space\r\n`, /line 2 is not a token/],
  ])('%s ends with 2 and says why', async (_title, text, message) => {
    const run = spawnMcpRun(['serve', '--demo', '--port', '0', '--token-file', await tokenFile(text)]);
    expect(await run.exited).toEqual({ code: 2, signal: null });
    expect(run.logs).toHaveLength(1);
    expect(String(run.logs[0]?.['msg'])).toMatch(message);
    expect(JSON.stringify(run.logs)).not.toMatch(/secret|alice/);
  });

  test('there is no flag for a token, and one that is tried is not repeated', async () => {
    const run = spawnMcpRun(['serve', '--demo', `--token=${ALICE}`]);
    expect(await run.exited).toEqual({ code: 2, signal: null });
    expect(JSON.stringify(run.logs)).not.toContain(ALICE);
  });

  test('an open address without a token', async () => {
    const run = spawnMcpRun(['serve', '--demo', '--port', '0', '--host', '0.0.0.0']);
    expect(await run.exited).toEqual({ code: 2, signal: null });
    expect(run.logs[0]).toMatchObject({
      code: 'BIND_REFUSED',
      hint: expect.stringContaining('--token-file'),
    });
  });
});

async function talk(url: string, bytes: string): Promise<string> {
  const socket = await openSocket(url);
  socket.write(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

function firstOf(socket: Awaited<ReturnType<typeof openSocket>>): Promise<string> {
  return new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())));
}
