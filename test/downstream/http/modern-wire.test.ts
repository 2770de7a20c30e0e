/** Requests of revision 2026-07-28 as bytes on a connection. */
import { describe, expect, it } from 'vitest';
import { openSocket } from '../../support/http.ts';
import type { Json } from '../../support/json.ts';
import { mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { listen } from './listener.ts';

const SLOW = { jsonrpc: '2.0', method: 'slow', params: {} };

/** A request as it goes over a connection; headers come as they are given, and as often. */
function bytesOf(message: Json, headers = linesOf(mirroredHeaders(message))): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = [
    'POST /mcp HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    `content-length: ${body.length}`,
    ...headers,
    '\r\n',
  ];
  return Buffer.concat([Buffer.from(head.join('\r\n')), body]);
}

function linesOf(headers: Record<string, string>): string[] {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}

async function exchange(url: string, bytes: Buffer): Promise<string> {
  const socket = await openSocket(url);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += String(chunk)));
  socket.write(bytes);
  await expect.poll(() => text).toMatch(/\r\n\r\n\{[^]*\}$/);
  return text;
}

describe('a header that is there twice', () => {
  const call = modernRequest('tools/call', 7, { name: 'add' });
  const headers = linesOf(mirroredHeaders(call));

  it.each(['mcp-protocol-version', 'mcp-method', 'mcp-name'])('is refused: %s', async (name) => {
    const { url, accepted } = await listen();
    const again = headers.filter((line) => line.startsWith(name));
    const text = await exchange(url, bytesOf(call, [...headers, ...again]));
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('-32020');
    expect(accepted).toEqual([]);
  });
});

it('refuses a name that comes as raw UTF-8', async () => {
  const { url } = await listen();
  const call = modernRequest('tools/call', 7, { name: 'zwölf' });
  const headers = [...linesOf(mirroredHeaders(call)).filter((line) => !line.startsWith('mcp-name'))];
  const text = await exchange(url, bytesOf(call, [...headers, 'mcp-name: zwölf']));
  expect(text).toMatch(/^HTTP\/1\.1 400 [^]*-32020/);
});

it('answers requests of one connection in their order, streams among them', async () => {
  const harness = await listen({ silent: true });
  const socket = await openSocket(harness.url);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += String(chunk)));
  socket.write(Buffer.concat([1, 2, 3].map((id) => bytesOf(modernRequest('slow', id)))));
  await expect.poll(() => harness.accepted.length).toBe(3);
  const [one, two, three] = harness.accepted;
  void three?.send({ id: 3, result: {} });
  void two?.send({ method: 'notifications/x' });
  void two?.send({ id: 2, result: {} });
  void one?.send({ id: 1, result: {} });
  await expect.poll(() => text).toContain('"id":3');
  expect([...text.matchAll(/"id":(\d)/g)].map(([, id]) => id)).toEqual(['1', '2', '3']);
  expect([...text.matchAll(/content-type: (\S+)/g)].map(([, type]) => type)).toEqual([
    'application/json',
    'text/event-stream',
    'application/json',
  ]);
});

it.each([
  ['of this revision', false, (id: number) => bytesOf(modernRequest('slow', id))],
  ['of older ones without sessions', true, (id: number) => bytesOf({ ...SLOW, id }, [])],
])('cancels all requests %s that a connection has brought when it goes', async (_title, stateless, bytes) => {
  const harness = await listen({ silent: true, stateless });
  const socket = await openSocket(harness.url);
  // Answers wait for the ones before them, and have no connection before it is their turn.
  socket.write(Buffer.concat([1, 2, 3].map(bytes)));
  await expect.poll(() => harness.accepted.length).toBe(3);
  void harness.accepted[1]?.send({ method: 'notifications/x' });
  socket.destroy();
  await Promise.all(harness.accepted.map(({ closed }) => closed));
});

it('opens nothing for a request that never came whole', async () => {
  const harness = await listen();
  const socket = await openSocket(harness.url);
  const bytes = bytesOf(modernRequest('slow'));
  socket.write(bytes.subarray(0, bytes.length - 1));
  socket.destroy();
  expect(await exchange(harness.url, bytesOf(modernRequest('echo')))).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(harness.accepted).toHaveLength(1);
});
