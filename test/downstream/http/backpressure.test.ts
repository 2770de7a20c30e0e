import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import { fastify, type FastifyServerOptions } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { openSseResponse } from '../../../src/downstream/http/responses/sse-response.ts';
import { MCP_HEADERS, openSocket } from '../../support/http.ts';
import {
  listen,
  openSession,
  openStream,
  request,
  type Accepted,
  type Harness,
  type Session,
} from './listener.ts';
import { aliveMb } from '../../support/garbage.ts';

const FLOOD = { method: 'notifications/message', params: { data: 'x'.repeat(32 * 1024) } };

/** Sends until it has to wait. @returns what it waits for, and how many bytes were taken before */
function flood(accepted: Accepted, relatedRequestId?: number): { wait: Promise<void>; bytes: number } {
  for (let count = 1; count <= 10_000; count += 1) {
    const wait = accepted.send(FLOOD, relatedRequestId);
    if (wait !== undefined) return { wait, bytes: count * FLOOD.params.data.length };
  }
  throw new Error('the sender was never asked to wait');
}

/** Keeps sending as long as the reader takes it, until the sender waits for one that does not. */
async function floodUntilStuck(
  accepted: Accepted,
  relatedRequestId?: number,
): Promise<{ wait: Promise<void> }> {
  for (;;) {
    const { wait } = flood(accepted, relatedRequestId);
    const isStuck = await Promise.race([
      wait.then(() => false),
      new Promise<true>((resolve) => setTimeout(resolve, 150, true)),
    ]);
    if (isStuck) return { wait };
  }
}

/** Opens a stream and never reads from it. */
async function openUnread(harness: Harness, session: Session): Promise<Socket> {
  const socket = await openSocket(harness.url);
  socket.pause();
  const headers = Object.entries({ ...session.headers, accept: 'text/event-stream' }).map(
    (pair) => `${pair.join(': ')}\r\n`,
  );
  socket.write(`GET /mcp HTTP/1.1\r\nhost: localhost\r\n${headers.join('')}\r\n`);
  return socket;
}

describe('a client that never reads its stream', () => {
  it('makes the sender wait, and nobody else', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const other = await openSession(harness);
    await openUnread(harness, session);
    await untilAttached(session);
    const { bytes } = flood(session.accepted);
    // What may pile up is bounded by the high-water mark and by what the kernel takes.
    expect(bytes).toBeLessThan(16 * 1024 * 1024);
    await floodUntilStuck(session.accepted);
    expect((await other.post(request('echo'))).status).toBe(200);
    expect((await session.post(request('echo'))).status).toBe(200);
  });

  it('lets the sender go on when it reads', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const socket = await openUnread(harness, session);
    await untilAttached(session);
    const { wait } = await floodUntilStuck(session.accepted);
    socket.resume();
    await wait;
  });

  it('lets the sender go on when it leaves', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const socket = await openUnread(harness, session);
    await untilAttached(session);
    const { wait } = await floodUntilStuck(session.accepted);
    socket.destroy();
    await wait;
  });

  it('lets the sender go on when it comes back over another connection', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    await openUnread(harness, session);
    await untilAttached(session);
    const { wait } = await floodUntilStuck(session.accepted);
    const stream = await openStream(harness.mcp, session.headers);
    await wait;
    void session.accepted.send({ method: 'after/all' });
    expect(await stream.nextMessage()).toMatchObject({ method: 'after/all' });
  });

  it('lets the sender go on when the session ends', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    await openUnread(harness, session);
    await untilAttached(session);
    const { wait } = await floodUntilStuck(session.accepted);
    await session.accepted.link.close();
    await wait;
  });

  it('makes the sender wait over HTTP+SSE as well', async () => {
    const harness = await listen();
    const socket = await openSocket(harness.url);
    socket.write('GET /sse HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const [accepted] = harness.accepted;
    if (accepted === undefined) throw new Error('nothing was accepted');
    const { wait } = await floodUntilStuck(accepted);
    await accepted.link.close();
    await wait;
  });

  it('makes the sender wait on the stream of a POST', async () => {
    const harness = await listen();
    const session = await openSession(harness);
    const socket = await openSocket(harness.url);
    socket.pause();
    const body = JSON.stringify(request('slow'));
    const fields = {
      host: 'localhost',
      'content-length': String(body.length),
      ...MCP_HEADERS,
      ...session.headers,
    };
    const head = Object.entries(fields).map((pair) => `${pair.join(': ')}\r\n`);
    socket.write(`POST /mcp HTTP/1.1\r\n${head.join('')}\r\n${body}`);
    await session.accepted.waitFor(({ method }) => method === 'slow');
    const { wait } = await floodUntilStuck(session.accepted, 1);
    void session.accepted.send({ id: 1, result: {} });
    socket.resume();
    await wait;
  });
});

it('keeps at most its limit for a client that has no stream', async () => {
  const session = await openSession(await listen({ resumeLimitBytes: 100_000 }));
  const before = aliveMb();
  for (let count = 0; count < 3_000; count += 1) expect(session.accepted.send(FLOOD)).toBeUndefined();
  // All of them would be 96 MB.
  expect(aliveMb() - before).toBeLessThan(48);
});

/** Resolves when the session's GET stream is there: a POST sent after it has been answered. */
async function untilAttached(session: Session): Promise<void> {
  for (let count = 0; count < 3; count += 1) await session.post(request('echo', `attached-${count}`));
}

it('a client of HTTP/2 that never reads its stream makes the sender wait', async () => {
  const app = fastify({ http2: true } as FastifyServerOptions);
  const sent = new Promise<number>((resolve) => {
    app.get('/', (_request, reply) => {
      const stream = openSseResponse(reply, {}, systemClock);
      let count = 1;
      while (count < 1_000 && stream.message(Buffer.alloc(32 * 1024, 'x')) === undefined) count += 1;
      resolve(count);
    });
  });
  onTestFinished(() => app.close());
  const client = connect(await app.listen({ host: '127.0.0.1', port: 0 }));
  onTestFinished(() => client.destroy());
  client.request({ ':path': '/' }).end();
  expect(await sent).toBeLessThan(100);
});
