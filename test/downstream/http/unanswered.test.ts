/** Clients that send requests and do not wait for the answers. */
import { describe, expect, it } from 'vitest';
import { mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { MCP_HEADERS, open, openSocket, post } from '../../support/http.ts';
import { expectFault, initialize, listen, openSession, readStream, request } from './listener.ts';

const LIMIT = 1_000;

describe('a session of HTTP+SSE', () => {
  it('has an error on its stream for each request over the limit, and takes more once some are answered', async () => {
    const harness = await listen();
    const stream = readStream(await open(`${harness.url}/sse`));
    const endpoint = harness.url + (await stream.next()).data;
    expect((await post(endpoint, initialize())).status).toBe(202);
    await stream.next();
    const [accepted] = harness.accepted;
    for (let sent = 0; sent < LIMIT; sent += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => post(endpoint, request('wait', sent + index))),
      );
    expect(accepted?.frames.filter(({ method }) => method === 'wait')).toHaveLength(LIMIT);

    for (const id of ['a', 'b']) {
      expect((await post(endpoint, request('wait', id))).status).toBe(202);
      expect(await stream.nextMessage()).toMatchObject({
        id,
        error: { code: -32_603, data: { reason: 'too_many_requests' } },
      });
    }
    expect(accepted?.frames.filter(({ method }) => method === 'wait')).toHaveLength(LIMIT);
    // Notifications and answers go on, and another session is no worse for it.
    expect((await post(endpoint, { jsonrpc: '2.0', method: 'notifications/x' })).status).toBe(202);
    expect((await post(harness.mcp, initialize())).status).toBe(200);

    await accepted?.send({ id: 0, result: {} });
    expect(await stream.nextMessage()).toMatchObject({ id: 0, result: {} });
    expect((await post(endpoint, request('echo', 'c'))).status).toBe(202);
    expect(await stream.nextMessage()).toMatchObject({ id: 'c', result: {} });
    // One that was cancelled is not waited for.
    accepted?.link.abandonResponse(1);
    expect((await post(endpoint, request('echo', 'd'))).status).toBe(202);
    expect(await stream.nextMessage()).toMatchObject({ id: 'd', result: {} });
  });
});

describe('a session of Streamable HTTP', () => {
  it('refuses requests over the limit, whose clients have left the ones before', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-03-26');
    for (let sent = 0; sent < LIMIT; sent += 50) {
      const batch = Array.from({ length: 50 }, (_, index) => request('wait', sent + index));
      const socket = await openSocket(harness.url);
      const body = JSON.stringify(batch);
      const headers = {
        host: 'localhost',
        ...MCP_HEADERS,
        ...session.headers,
        'content-length': body.length,
      };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST /mcp HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
      await session.accepted.waitFor(({ id }) => id === sent + 49);
      socket.destroy();
    }
    const refused = await session.post(request('wait', 'a'));
    expectFault(refused, { status: 503, code: -32_603, id: 'a', reason: 'too_many_requests' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await session.post([request('echo', 'b')])).status).toBe(503);
    await session.accepted.send({ id: 0, result: {} });
    expect((await session.post(request('echo', 'c'))).status).toBe(200);
  });
});

describe('a client that sends one request after the other on a connection', () => {
  it.each([
    ['of 2026-07-28', false],
    ['without sessions', true],
  ])('%s has as many answered as there may be connections', async (_title, stateless) => {
    const harness = await listen({ stateless, maxConnections: 3 });
    const socket = await openSocket(harness.url);
    for (let id = 1; id <= 4; id += 1) {
      const message = stateless ? request('wait', id) : modernRequest('wait', id);
      const body = JSON.stringify(message);
      const headers = {
        host: 'localhost',
        ...MCP_HEADERS,
        ...(stateless ? {} : mirroredHeaders({ method: 'wait' })),
        'content-length': Buffer.byteLength(body),
      };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST /mcp HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
    }
    await expect.poll(() => harness.accepted.length).toBe(3);
    for (const [index, { send }] of harness.accepted.entries()) await send({ id: index + 1, result: {} });
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.includes('too_many_requests')) break;
    }
    expect(text.match(/"result"/g)).toHaveLength(3);
    expect(harness.accepted).toHaveLength(3);
  });
});
