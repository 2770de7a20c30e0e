/** Clients that do not read, do not write, or are suddenly not there. */
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { eventsOf, MCP_HEADERS, open, openSocket, send, type SseEvent } from '../support/http.ts';
import { measurable } from '../support/memory.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf } from '../support/processes.ts';
import type { Peer } from '../support/peer.ts';
import { call, inTime, NETWORK, setUpHarness, settled, type Network } from './harness.ts';

const MB = 1024 * 1024;
/** What one client may make the gateway hold: much less than what is offered to it below. */
const BOUND_MB = 100;
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO },
};

const memory = measurable();
const world = setUpHarness(
  { silent: fixtureServer('at-initialize', 'silent') },
  {
    isIdleShort: true,
    args: [
      '--session-idle',
      '4s',
      '--request-timeout',
      '12s',
      '--max-request-time',
      '12s',
      '--keep-alive',
      '250ms',
    ],
    env: { ...memory.env, MCP_RUN_RECEIVE_TIMEOUT: '5s' },
  },
);

describe.each(NETWORK)('over %s', (kind) => {
  test('a client that never reads makes the server wait, and not our memory grow', async () => {
    await world.survives(async () => {
      const { peer, grown } = await connectWatched(kind);
      peer.pause();
      // 50 bytes each at least, and 50 MB at most of them are read by nobody.
      call(peer, 'burst', { count: 10_000_000 }).catch(() => {});
      expect(await grown()).toBeLessThan(BOUND_MB);
      peer.drop();
    });
  });

  test('so does one that takes no large answers', async () => {
    await world.survives(async () => {
      const { peer, grown } = await connectWatched(kind);
      peer.pause();
      for (let n = 0; n < 64; n++) call(peer, 'large', { bytes: 8 * MB }, n).catch(() => {});
      expect(await grown()).toBeLessThan(BOUND_MB);
      peer.drop();
    });
  });

  test('a client that vanishes in mid-stream takes its server with it', async () => {
    await world.survives(async () => {
      const peer = await world.connect(kind);
      let arrived = (): void => {};
      const first = new Promise<void>((resolve) => (arrived = resolve));
      const other = await world.connect(kind, 'steady', { onNotification: () => arrived() });
      call(other, 'burst', { count: 1_000_000 }).catch(() => {});
      call(peer, 'never').catch(() => {});
      await inTime(first, 'the stream');
      other.drop();
      peer.drop();
    });
  });

  test('a client that vanishes before its initialize is answered takes its server with it', async () => {
    await world.survives(async () => {
      const known = childrenOf(world.gateway.pid);
      if (kind === 'http') {
        const outgoing = request(world.url('http', 'silent'), {
          method: 'POST',
          agent: false,
          headers: MCP_HEADERS,
        });
        outgoing.on('error', () => {});
        outgoing.end(JSON.stringify(INITIALIZE));
        await expect.poll(() => childrenOf(world.gateway.pid).length).toBeGreaterThan(known.length);
        outgoing.destroy();
      } else {
        const stream = await open(world.url('sse', 'silent'));
        const path = await firstOf(eventsOf(stream));
        const messages = new URL(path, world.gateway.url).href;
        const accepted = await send(
          messages,
          { method: 'POST', headers: MCP_HEADERS },
          JSON.stringify(INITIALIZE),
        );
        expect(accepted.status).toBe(202);
        stream.destroy();
      }
      const isNew = (pid: number): boolean => !known.includes(pid);
      // Not the time-out of initialize: that is a minute.
      expect(await settled(() => childrenOf(world.gateway.pid).filter(isNew))).toEqual([]);
    });
  });
});

test('a client that asks for much on one connection and never reads is bounded, too', async () => {
  await world.survives(async () => {
    const { peer, grown } = await connectWatched('http');
    const socket = await openSocket(world.gateway.url);
    socket.pause();
    const { pathname } = new URL(peer.postUrl);
    const headers = { host: '127.0.0.1', ...MCP_HEADERS, ...peer.headers };
    for (let id = 0; id < 300; id++) {
      const params = { name: 'large', arguments: { bytes: 2 * MB } };
      const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
      const head = Object.entries({ ...headers, 'content-length': body.length }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      socket.write(`POST ${pathname} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`);
    }
    expect(await grown()).toBeLessThan(BOUND_MB);
    socket.resetAndDestroy();
  });
});

test.each([
  ['its headers', 'POST /steady/mcp HTTP/1.1\r\nhost: localhost\r\nx-slow: '],
  [
    'its body',
    'POST /steady/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{',
  ],
])('a client that sends %s byte by byte is cut off, with an answer', async (_what, start) => {
  await world.survives(async () => {
    const socket = await openSocket(world.gateway.url);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(start);
    const drip = setInterval(() => void socket.write('x'), 100);
    await inTime(new Promise((resolve) => socket.once('close', resolve)), 'the end').finally(() =>
      clearInterval(drip),
    );
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"jsonrpc":"2\.0"/);
  });
});

test('200 connections that say nothing keep nobody else waiting', async () => {
  await world.survives(async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(world.gateway.url)));
    expect((await send(`${world.gateway.url}/healthz`)).status).toBe(200);
    sockets.forEach((socket) => socket.resetAndDestroy());
  });
});

/** What the first event says; the stream stays open. */
async function firstOf(events: AsyncGenerator<SseEvent>): Promise<string> {
  const { value } = await events.next();
  return value?.data ?? '';
}

/** A client, and by how many MB the gateway has grown since when its server has nothing more to do. */
async function connectWatched(kind: Network): Promise<{ peer: Peer; grown: () => Promise<number> }> {
  const { pid } = world.gateway;
  const others = childrenOf(pid);
  const before = await memory.heldMb(pid, []);
  const peer = await world.connect(kind);
  const own = childrenOf(pid).filter((child) => !others.includes(child));
  return { peer, grown: async () => (await memory.heldMb(pid, own)) - before };
}
