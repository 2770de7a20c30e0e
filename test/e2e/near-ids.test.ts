/** Ids that differ, and that a double cannot tell apart: they are told apart in both directions, over every way. */
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../support/clients.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { modernRequest } from '../support/modern.ts';
import { fixtureServer, MCP_RUN } from '../support/paths.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';

const ONE = '1767000000123456789';
const TWO = '1767000000123456790';
const LAST = '1767000000123456791';

type Sender = Pick<RawClient, 'lines' | 'sendLine' | 'waitFor'>;

/** How a client reaches a server, and what that is. */
interface Way {
  readonly door: 'stdio' | 'http' | 'sse';
  readonly options?: readonly string[];
  readonly server: 'legacy' | 'modern';
  /** Behind another mcp-run, reached over this transport. */
  readonly far?: 'http' | 'sse';
}

const WAYS: readonly Way[] = [
  { door: 'stdio', server: 'legacy' },
  { door: 'http', server: 'legacy' },
  { door: 'sse', server: 'legacy' },
  { door: 'http', server: 'legacy', options: ['--isolation', 'shared'] },
  { door: 'stdio', server: 'modern' },
  { door: 'http', server: 'modern' },
  { door: 'http', server: 'legacy', far: 'http' },
  { door: 'http', server: 'legacy', far: 'sse' },
  { door: 'stdio', server: 'modern', far: 'http' },
];

const title = ({ door, options = [], server, far }: Way): string =>
  [door, ...options, `to a ${server} server`, ...(far === undefined ? [] : [`behind ${far}`])].join(' ');

describe('large ids of a legacy client', () => {
  it.for(WAYS.map((way) => [title(way), way] as const))('over %s', async ([, way]) => {
    const client = await connectRaw(await endpointOf(way));
    const write: Write = (id, method, params) =>
      JSON.stringify({ jsonrpc: '2.0', id: 0, method, params }).replace('"id":0', `"id":${id}`);
    await exchanges(client, write, true);
  });
});

describe('large ids of a modern client', () => {
  it.for(
    WAYS.filter(({ door, far }) => door !== 'sse' && far !== 'sse').map((way) => [title(way), way] as const),
  )('over %s', async ([, way]) => {
    const client = await connectRawModern(await endpointOf(way));
    const write: Write = (id, method, params) =>
      JSON.stringify(modernRequest(method, 0, params)).replace('"id":0', `"id":${id}`);
    await exchanges(client, write, way.door === 'stdio');
  });
});

it.each<Way>([
  { door: 'stdio', server: 'legacy' },
  { door: 'http', server: 'legacy' },
  { door: 'sse', server: 'legacy' },
])('questions of a server with large ids get each its own answer: $door', async (way) => {
  const names = new Map([
    [ONE, 'one'],
    [TWO, 'two'],
  ]);
  const client = await connectRaw(await endpointOf(way), {
    capabilities: { roots: {} },
    answer: () => ({ roots: [] }),
  });
  void client.sendLine(`{"jsonrpc":"2.0","id":"ask","method":"tools/call","params":{"name":"ask"}}`);
  for (const [id, name] of names) {
    await client.waitFor(({ method }, line) => method === 'sampling/createMessage' && line.includes(id));
    const result = { role: 'assistant', content: { type: 'text', text: '' }, model: name };
    await client.sendLine(`{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`);
  }
  const { result } = await client.waitFor(({ id }) => id === 'ask');
  expect(result).toMatchObject({ content: [{ text: 'one,two' }] });
});

type Write = (id: string, method: string, params: Record<string, unknown>) => string;

/** @param canCancel whether a client cancels by a message */
async function exchanges(client: Sender, write: Write, canCancel: boolean): Promise<void> {
  await hold(client, write, 1);
  await release(client, write, 1);
  expect(answersTo(client, ONE)).toMatchObject([{ result: { content: [{ text: 'a1' }] } }]);
  expect(answersTo(client, TWO)).toMatchObject([{ result: { content: [{ text: 'b1' }] } }]);
  if (canCancel) {
    await hold(client, write, 2);
    await client.sendLine(
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${TWO}}}`,
    );
    await release(client, write, 2);
    expect(answersTo(client, ONE)).toMatchObject([{}, { result: { content: [{ text: 'a2' }] } }]);
    expect(answersTo(client, TWO)).toHaveLength(1);
  }
  // The server ends at this one, and the error is of our own making.
  void client.sendLine(write(LAST, 'tools/call', { name: 'end', arguments: {} }));
  await client.waitFor((message, line) => isAnswer(line, LAST) && message['error'] !== undefined);
}

/** Two calls that wait, each with its id as progress token. */
async function hold(client: Sender, write: Write, round: number): Promise<void> {
  for (const [id, name] of [
    [ONE, 'a'],
    [TWO, 'b'],
  ] as const) {
    const tag = `${name}${round}`;
    const line = write(id, 'tools/call', { name: 'hold', arguments: { tag }, _meta: { progressToken: 0 } });
    void client.sendLine(line.replace('"progressToken":0', `"progressToken":${id}`));
    await client.waitFor((_message, text) => text.includes(`"progressToken":${id}`) && text.includes(tag));
  }
}

/** Has the server answer what waits, and waits for the last of these answers. */
async function release(client: Sender, write: Write, round: number): Promise<void> {
  const id = `release${round}`;
  void client.sendLine(write(`"${id}"`, 'tools/call', { name: 'release', arguments: {} }));
  await client.waitFor((message) => message['id'] === id);
  await client.waitFor(() => answersTo(client, ONE).length === round && answersTo(client, TWO).length > 0);
}

function answersTo({ lines }: Sender, id: string): unknown[] {
  return lines.filter((line) => isAnswer(line, id)).map((line): unknown => JSON.parse(line));
}

function isAnswer(line: string, id: string): boolean {
  return new RegExp(`"id": ?${id}[,}]`).test(line);
}

async function endpointOf({ door, options = [], server, far }: Way): Promise<Endpoint> {
  const command = fixtureServer('near-ids', server);
  const target = far === undefined ? ['--', ...command] : [await serveFar(far, command)];
  if (door === 'stdio')
    return {
      kind: 'stdio',
      command: process.execPath,
      args: [MCP_RUN, 'serve', '--stdio', ...options, ...target],
    };
  const { url } = await startMcpRun(['serve', `--${door}`, '--port', '0', ...options, ...target]);
  return { kind: door, url: `${url}/${door === 'sse' ? 'sse' : 'mcp'}` };
}

async function serveFar(transport: 'http' | 'sse', command: readonly string[]): Promise<string> {
  const { url } = await startMcpRun(serve([`--${transport}`], command));
  return `${url}/${transport === 'sse' ? 'sse' : 'mcp'}`;
}
