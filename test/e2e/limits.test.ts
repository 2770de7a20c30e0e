/** Every limit at its boundary, through the real binary: the answer is protocol-shaped, and others do not notice. */
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { callIn, initializeMessage, openSession, ping, reasonOf } from '../support/bearer.ts';
import { eventsOf, MCP_HEADERS, open, openSocket, post, send } from '../support/http.ts';
import { at, textOf } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, commandOf } from '../support/processes.ts';

const HEAD = [
  'POST /mcp HTTP/1.1',
  'Host: 127.0.0.1',
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
].join('\r\n');

function start(...more: string[]): Promise<ListeningMcpRun> {
  return startMcpRun(serve(['--http', '--sse'], fixtureServer('behaviours'), ...more));
}

describe('processes', () => {
  test('past the limit of a server, the session left idle longest ends for a newcomer', async () => {
    const run = await start('--children-per-server', '2');
    const mcp = `${run.url}/mcp`;
    const first = await openSession(mcp);
    const second = await openSession(mcp);
    await ping(mcp, first);
    const third = await openSession(mcp);
    expect((await ping(mcp, second)).status).toBe(404);
    expect((await ping(mcp, first)).status).toBe(200);
    expect((await ping(mcp, third)).status).toBe(200);
    if (process.platform === 'linux') expect(servers(run)).toHaveLength(2);
  });

  test('a session with a call or an open stream stays, and the newcomer is told to come back', async () => {
    const run = await start('--children-per-server', '2', '--drain-timeout', '0');
    const mcp = `${run.url}/mcp`;
    const busy = await openSession(mcp);
    const call = { jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'wait', arguments: {} } };
    const waiting = await open(
      mcp,
      { method: 'POST', headers: { ...MCP_HEADERS, ...busy } },
      JSON.stringify({
        ...call,
        params: { ...call.params, _meta: { progressToken: 1 } },
      }),
    );
    await eventsOf(waiting).next();
    const streaming = await openSession(mcp);
    const stream = await open(mcp, { headers: { ...streaming, accept: 'text/event-stream' } });
    expect(stream.statusCode).toBe(200);

    for (const id of ['one', 'two']) {
      const refused = await post(mcp, initializeMessage(id));
      expect({
        status: refused.status,
        reason: reasonOf(refused),
        id: at(JSON.parse(refused.text), 'id'),
      }).toEqual({
        status: 503,
        reason: 'too_many_children',
        id,
      });
      expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/);
      expect(refused.headers['mcp-session-id']).toBeUndefined();
    }
    stream.destroy();
    await expect.poll(async () => (await post(mcp, initializeMessage('three'))).status).toBe(200);
    expect((await ping(mcp, busy)).status).toBe(200);
    waiting.destroy();
  });

  test('over HTTP+SSE the limit concerns initialize, and streams alone take no place', async () => {
    const run = await start('--max-children', '1');
    const streams = await Promise.all(
      [1, 2, 3].map(() => open(`${run.url}/sse`, { headers: { accept: 'text/event-stream' } })),
    );
    const events = streams.map((stream) => eventsOf(stream));
    const posts: string[] = [];
    for (const stream of events) posts.push(new URL(String((await stream.next()).value?.data), run.url).href);
    const answerOf = async (index: number, id: number): Promise<unknown> => {
      expect((await post(String(posts[index]), initializeMessage(id))).status).toBe(202);
      return JSON.parse(String((await events[index]?.next())?.value?.data));
    };
    expect(await answerOf(0, 1)).toHaveProperty('result');
    expect(await answerOf(1, 7)).toMatchObject({ id: 7, error: { data: { reason: 'too_many_children' } } });
    // The stream of the first is its session, and its process goes with it.
    streams[0]?.destroy();
    let id = 8;
    await expect.poll(() => answerOf(1, id++)).toHaveProperty('result');
    streams.forEach((stream) => stream.destroy());
  });

  test.runIf(process.platform === 'linux')('a process that is slow to end still counts', async () => {
    const stubborn = [...fixtureServer('behaviours'), '--ignore-eof'];
    const run = await startMcpRun(serve(['--http'], stubborn, '--children-per-server', '1'));
    const mcp = `${run.url}/mcp`;
    await openSession(mcp);
    const [old] = servers(run);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, servers(run).length)), 20);
    await openSession(mcp);
    clearInterval(watch);
    expect(most).toBe(1);
    expect(servers(run)).not.toContain(old);
  });
});

describe('sizes', () => {
  test('a body of exactly the limit passes, one byte more is a 413, sent whole or in chunks', async () => {
    const { url } = await start('--body-limit', '1kb');
    const session = await openSession(`${url}/mcp`);
    const body = (bytes: number): string => {
      const bare = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping', params: { x: '' } });
      return bare.replace('""', `"${'x'.repeat(bytes - bare.length)}"`);
    };
    for (const extra of [{}, { 'transfer-encoding': 'chunked' }]) {
      const headers = { ...session, ...extra };
      expect((await post(`${url}/mcp`, body(1024), headers)).status).toBe(200);
      const refused = await post(`${url}/mcp`, body(1025), headers);
      expect({ status: refused.status, reason: reasonOf(refused) }).toEqual({
        status: 413,
        reason: 'body_too_large',
      });
    }
    expect((await ping(`${url}/mcp`, session)).status).toBe(200);
  });

  test('headers up to the limit pass, more are a 431, as is an address that long', async () => {
    const { url } = await start('--header-limit', '4kb');
    expect((await send(`${url}/healthz`, { headers: { 'x-large': 'x'.repeat(3500) } })).status).toBe(200);
    for (const answer of [
      await send(`${url}/healthz`, { headers: { 'x-large': 'x'.repeat(4096) } }),
      await send(`${url}/healthz?${'x'.repeat(5000)}`),
    ]) {
      expect({ status: answer.status, reason: reasonOf(answer) }).toEqual({
        status: 431,
        reason: 'invalid_request',
      });
    }
  });

  test('without a word about it, 16 KiB of headers are the limit', async () => {
    const { url } = await start();
    expect((await send(`${url}/healthz`, { headers: { 'x-large': 'x'.repeat(16_000) } })).status).toBe(200);
    expect((await send(`${url}/healthz`, { headers: { 'x-large': 'x'.repeat(16_384) } })).status).toBe(431);
  });

  test('a message of a server over the limit fails its own call only', async () => {
    const { url } = await start('--line-limit', '64kb');
    const mcp = `${url}/mcp`;
    const session = await openSession(mcp);
    expect(textOf(await callIn(mcp, session, 'large', { bytes: 60_000 }))).toHaveLength(60_000);
    const call = {
      jsonrpc: '2.0',
      id: 3,
      method: 'tools/call',
      params: { name: 'large', arguments: { bytes: 70_000 } },
    };
    const answer: unknown = JSON.parse((await post(mcp, call, session)).text);
    expect(at(answer, 'error', 'data', 'reason')).toBe('line_too_long');
    expect((await ping(mcp, session)).status).toBe(200);
  });
});

describe('time', () => {
  test('a session that is idle for longer than allowed is gone, also with a stream', async () => {
    const { url } = await start('--session-idle', '1s');
    const session = await openSession(`${url}/mcp`);
    const stream = await open(`${url}/mcp`, { headers: { ...session, accept: 'text/event-stream' } });
    stream.resume();
    await new Promise((resolve) => stream.once('close', resolve));
    const answer = await ping(`${url}/mcp`, session);
    expect({ status: answer.status, reason: reasonOf(answer) }).toEqual({
      status: 404,
      reason: 'session_not_found',
    });
  });

  test.each([
    ['nothing at all', ''],
    ['half of a head', HEAD],
    ['a head that never ends, byte by byte', `${HEAD}\r\nX-Slow: `],
    ['half of a body', `${HEAD}\r\nContent-Length: 1000\r\n\r\n{"jsonrpc":`],
    ['a chunk that does not come', `${HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"`],
  ])('a client that sends %s is dropped, with a 408', async (_title, bytes) => {
    const { url } = await start('--receive-timeout', '2s');
    const socket = await openSocket(url);
    socket.write(bytes);
    const drip = setInterval(() => (bytes.endsWith('X-Slow: ') ? socket.write('x') : undefined), 100);
    const text = await readAll(socket).finally(() => clearInterval(drip));
    expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({
      jsonrpc: '2.0',
      error: { code: -32_600 },
    });
    await openSession(`${url}/mcp`);
  });

  test('a stream that is open for longer than a request may take to come stays', async () => {
    const { url } = await start('--receive-timeout', '2s', '--keep-alive', '300ms');
    const session = await openSession(`${url}/mcp`);
    const stream = await open(`${url}/mcp`, { headers: { ...session, accept: 'text/event-stream' } });
    let comments = 0;
    for await (const chunk of stream) {
      comments += String(chunk).split(/^:/m).length - 1;
      if (comments >= 8) break;
    }
    expect(comments).toBeGreaterThanOrEqual(8);
  });
});

describe('what is no request', () => {
  test.each([
    ['another protocol', '\u0016\u0003\u0001\r\n\r\n', 400],
    ['a method that does not exist', 'BREW /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400],
    ['two lengths', `${HEAD}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
    [
      'a length and chunks',
      `${HEAD}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a line break in a header', `${HEAD}\r\nX-A: a\rb\r\n\r\n`, 400],
    ['no Host', 'POST /mcp HTTP/1.1\r\nConnection: close\r\n\r\n', 403],
    [
      'a path that is not encoded',
      'GET /%E0%A4%A HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a path with a null', 'GET /%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 404],
    ['a method of WebDAV', 'PROPFIND /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 405],
  ])('%s is answered with JSON-RPC', async (_title, bytes, status) => {
    const { url } = await start();
    const socket = await openSocket(url);
    socket.write(bytes);
    const text = await readAll(socket);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(/^content-type: application\/json\r$/im);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({
      jsonrpc: '2.0',
      error: { code: -32_600 },
    });
  });

  test('in the middle of an answer, it ends the connection and is never part of the answer', async () => {
    const { url } = await start();
    const { 'mcp-session-id': id } = await openSession(`${url}/mcp`);
    const socket = await openSocket(url);
    socket.write(
      `GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nMcp-Session-Id: ${id}\r\n\r\n`,
    );
    await new Promise((resolve) => socket.once('readable', resolve));
    socket.write('this is not HTTP\r\n\r\n');
    expect(await readAll(socket)).not.toContain('400 Bad Request');
  });
});

function servers(run: ListeningMcpRun): number[] {
  return childrenOf(run.pid).filter((pid) => commandOf(pid).includes('behaviours'));
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  } catch {
    // Cut off: what came before is what there is.
  }
  return Buffer.concat(chunks).toString();
}
