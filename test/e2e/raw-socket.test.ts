/** HTTP as only a bare socket can send it. */
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { callTool, CLIENT_INFO } from '../support/clients.ts';
import { openSocket } from '../support/http.ts';
import { at, textOf } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO },
});
const HEAD = [
  'POST /mcp HTTP/1.1',
  'Host: 127.0.0.1',
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
].join('\r\n');

test('answers a request that comes byte by byte, in chunks', async () => {
  const { url } = await startMcpRun(serve(['--http'], fixtureServer('behaviours')));
  const socket = await openSocket(url);
  const chunks = INITIALIZE.split('')
    .map((character) => `1\r\n${character}\r\n`)
    .join('');
  const whole = `${HEAD}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}0\r\n\r\n`;
  for (const byte of Buffer.from(whole)) socket.write(Buffer.of(byte));
  const answer = await readAll(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain('"serverInfo"');
});

test('refuses what is not HTTP, and headers over 16 KiB, and goes on', async () => {
  const { url } = await startMcpRun(serve(['--http'], fixtureServer('behaviours')));
  const garbage = await openSocket(url);
  garbage.write('\u0016\u0003\u0001 this is not HTTP\r\n\r\n');
  expect(await readAll(garbage)).toMatch(/^HTTP\/1\.1 400 /);

  const large = await openSocket(url);
  large.write(`${HEAD}\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);
  expect(await readAll(large)).toMatch(/^HTTP\/1\.1 431 /);

  const client = await connectRaw({ kind: 'http', url: `${url}/mcp` });
  expect(await client.request('ping')).toEqual({});
});

test('outlives clients that vanish in the middle of a request or of an answer', async () => {
  const { url } = await startMcpRun(serve(['--http', '--sse'], fixtureServer('behaviours')));
  const client = await connectRaw({ kind: 'http', url: `${url}/mcp` });

  const half = await openSocket(url);
  half.write(`${HEAD}\r\nContent-Length: ${INITIALIZE.length}\r\n\r\n${INITIALIZE.slice(0, 20)}`);
  half.resetAndDestroy();

  const stream = await openSocket(url);
  stream.write('GET /sse HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n');
  await new Promise((resolve) => stream.once('data', resolve));
  stream.resetAndDestroy();

  const result = await callTool(client, 'large', { bytes: 1_000_000 });
  expect(textOf(result)).toHaveLength(1_000_000);
  expect(at(await callTool(client, 'echo', { still: 'here' }), 'structuredContent', 'arguments')).toEqual({
    still: 'here',
  });
});

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
