/** Clients of revision 2026-07-28 over HTTP, through the real binary. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { callTool, type RpcFailure } from '../support/clients.ts';
import { openSocket, post, postOpen, type Answer } from '../support/http.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import {
  mirroredHeaders,
  modernRequest,
  type ModernClient,
  type ModernClientFactory,
} from '../support/modern.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, orphans } from '../support/processes.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { PARENT } from './harness.ts';

const CLIENTS: Record<string, ModernClientFactory> = {
  'our own client': connectRawModern,
  'SDK v2': connectSdkV2Modern,
};
/** One for each way to the server: translated, shared as it is, and chosen. */
const SERVERS = [PARENT, fixtureServer('modern-behaviours'), fixtureServer('dual-behaviours')];
const QUESTION = {
  method: 'elicitation/create',
  params: { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
};

/** A gateway whose processes must all be gone when the test is over. */
async function start(server: readonly string[], ...more: string[]): Promise<ListeningMcpRun> {
  const run = await startMcpRun(serve(['--http'], server, ...more));
  onTestFinished(async () => {
    const pids = childrenOf(run.pid);
    await run.stop();
    expect(await orphans(pids)).toEqual([]);
  });
  return run;
}

function mcpOf({ url }: ListeningMcpRun): { kind: 'http'; url: string } {
  return { kind: 'http', url: `${url}/mcp` };
}

function postModern(run: ListeningMcpRun, message: Json): Promise<Answer> {
  return post(mcpOf(run).url, message, mirroredHeaders(message));
}

describe.each(
  Object.entries(CLIENTS).flatMap(([name, connect]) =>
    SERVERS.map((server) => ({ name, server: server[1]?.split('/').at(-1), connect, command: server })),
  ),
)('$name in front of $server', ({ connect, command }) => {
  test('finds a server that it can use, from discovery to a question for its user', async () => {
    const run = await start(command);
    const client = await connect(mcpOf(run), {
      capabilities: { elicitation: {} },
      answer: () => ({ action: 'accept', content: { name: 'Ada' } }),
    });
    expect(client.initializeResult).toMatchObject({
      supportedVersions: expect.arrayContaining(['2026-07-28']),
      instructions: expect.stringContaining('Zwölf'),
    });
    expect(at(await client.request('tools/list'), 'tools', 0, 'name')).toBe('echo');
    expect(textOf(await callTool(client, 'echo', { ü: 1 }))).toBe('{"ü":1}');
    const asked = await callTool(client, 'ask', QUESTION);
    expect(at(asked, 'structuredContent', 'result', 'content')).toEqual({ name: 'Ada' });
  });

  test('gets its own progress beside another client, in order', async () => {
    const run = await start(command);
    const clients = await Promise.all([connect(mcpOf(run)), connect(mcpOf(run))]);
    const counts = [300, 500];
    await Promise.all(
      clients.map((client, i) => callTool(client, 'burst', { count: counts[i] }, { onProgress: () => {} })),
    );
    for (const [i, { incoming }] of clients.entries()) {
      const progress = incoming.filter(({ method }) => method === 'notifications/progress');
      expect(progress.map(({ params }) => json(params)['progress'])).toEqual(
        Array.from({ length: counts[i] ?? 0 }, (_, index) => index + 1),
      );
    }
  });

  test('cancels by leaving, and the server is told', async () => {
    const run = await start(command);
    const client = await connect(mcpOf(run));
    const abort = new AbortController();
    const call = callTool(client, 'wait', {}, { signal: abort.signal, onProgress: () => abort.abort() });
    await expect(call).rejects.toBeInstanceOf(Error);
    await expect.poll(() => cancellations(client)).toHaveLength(1);
  });

  test('is told when the server dies in the middle of its call, and has a new one afterwards', async () => {
    const run = await start(command);
    const client = await connect(mcpOf(run));
    const failure = await callTool(client, 'kill').catch((error: RpcFailure) => error);
    expect(failure).toMatchObject({ code: -32_603, data: { reason: 'upstream_exited' } });
    expect(textOf(await callTool(client, 'echo', {}))).toBe('{}');
  });

  test('hears of changes until mcp-run ends', async () => {
    const run = await start(command, '--drain-timeout', '1h');
    const pids = childrenOf(run.pid);
    const client = await connect(mcpOf(run));
    const filter = { toolsListChanged: true, resourceSubscriptions: ['fixture://watched'] };
    const subscription = await client.listen(filter);
    expect(subscription.honoured).toEqual(filter);
    await callTool(client, 'update', { uri: 'fixture://watched' });
    await callTool(client, 'notify', { method: 'notifications/tools/list_changed', params: {} });
    await callTool(client, 'notify', { method: 'notifications/prompts/list_changed', params: {} });
    await expect.poll(() => pushedTo(client)).toEqual(['resources/updated', 'tools/list_changed']);

    // A subscription is no work to wait for.
    run.signal('SIGTERM');
    expect(await subscription.ended).toBeDefined();
    expect(await run.exited).toEqual({ code: 0, signal: null });
    expect(await orphans(pids)).toEqual([]);
  });
});

describe('statuses', () => {
  test.each<[title: string, message: Json, status: number, code: number | undefined]>([
    ['a method that there is not', modernRequest('example.com/not-there'), 404, -32_601],
    ['a method that this revision has removed: ping', modernRequest('ping'), 404, -32_601],
    ['initialize', modernRequest('initialize'), 404, -32_601],
    ['logging/setLevel', modernRequest('logging/setLevel', 1, { level: 'info' }), 404, -32_601],
    ['resources/subscribe', modernRequest('resources/subscribe', 1, { uri: 'a:b' }), 404, -32_601],
    ['a tool that there is not', modernRequest('tools/call', 1, { name: 'nope' }), 200, -32_602],
    ['a failure of its own', modernRequest('example.com/refuse'), 200, -31_999],
    ['server/discover', modernRequest('server/discover'), 200, undefined],
  ])('%s', async (_title, message, status, code) => {
    const run = await start(fixtureServer('behaviours'));
    const answer = await postModern(run, message);
    expect({ status: answer.status, code: at(JSON.parse(answer.text), 'error', 'code') }).toEqual({
      status,
      code,
    });
  });

  test('a server that cannot start is an error of the request, and then 503', async () => {
    const run = await start([process.execPath, '-e', 'process.exit(3)']);
    const answer = await postModern(run, modernRequest('tools/list'));
    expect(at(JSON.parse(answer.text), 'error', 'code')).toBe(-32_603);
    await expect
      .poll(async () => (await postModern(run, modernRequest('tools/list'))).status, { timeout: 60_000 })
      .toBe(503);
  });

  test('no room is 503 with Retry-After', async () => {
    const run = await start(fixtureServer('behaviours'), '--children-per-server', '1');
    const session = await connectRaw(mcpOf(run));
    const busy = callTool(session, 'wait', {});
    busy.catch(() => {});
    const answer = await postModern(run, modernRequest('tools/call', 1, { name: 'echo' }));
    expect({ status: answer.status, reason: at(JSON.parse(answer.text), 'error', 'data', 'reason') }).toEqual(
      {
        status: 503,
        reason: 'too_many_children',
      },
    );
    expect(answer.headers['retry-after']).toBeDefined();
  });
});

test('clients of both eras use one endpoint at the same time', async () => {
  const run = await start(fixtureServer('behaviours'));
  const [modern, legacy] = await Promise.all([connectRawModern(mcpOf(run)), connectRaw(mcpOf(run))]);
  const results = await Promise.all(
    [modern, legacy].flatMap((client) =>
      Array.from({ length: 20 }, (_, n) => callTool(client, 'echo', { n })),
    ),
  );
  expect(results.map(textOf)).toEqual([...Array(40).keys()].map((n) => `{"n":${n % 20}}`));
});

test('a reader that takes nothing holds up nobody else', async () => {
  const run = await start(fixtureServer('behaviours'));
  const large = modernRequest('tools/call', 1, { name: 'large', arguments: { bytes: 5_000_000 } });
  const stuck = await postOpen(mcpOf(run).url, large, mirroredHeaders(large));
  onTestFinished(() => void stuck.destroy());
  const client = await connectRawModern(mcpOf(run));
  expect(textOf(await callTool(client, 'echo', {}))).toBe('{}');
});

test('many clients that vanish leave nothing running but what they share', async () => {
  const run = await start(fixtureServer('behaviours'));
  const client = await connectRawModern(mcpOf(run));
  const wait = modernRequest('tools/call', 1, { name: 'never', arguments: {} });
  const body = JSON.stringify(wait);
  const head = Object.entries({ ...mirroredHeaders(wait), 'content-type': 'application/json' })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  for (let n = 0; n < 50; n += 1) {
    const socket = await openSocket(run.url);
    socket.write(
      `POST /mcp HTTP/1.1\r\nhost: localhost\r\n${head}content-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.resetAndDestroy();
  }
  const children = childrenOf(run.pid).length;
  expect(textOf(await callTool(client, 'echo', {}))).toBe('{}');
  expect(childrenOf(run.pid)).toHaveLength(children);
});

async function cancellations(client: ModernClient): Promise<unknown[]> {
  const result = await callTool(client, 'received', { containing: 'notifications/cancelled' });
  const lines = at(result, 'structuredContent', 'lines');
  return Array.isArray(lines) ? lines.filter((line) => !String(line).includes('"received"')) : [];
}

/** What came by itself, after the acknowledgement. */
function pushedTo({ incoming }: ModernClient): string[] {
  return incoming
    .map(({ method }) => String(method).replace('notifications/', ''))
    .filter((method) => /updated|list_changed/.test(method));
}
