/** mcp-run behind nginx, whose only setting is `proxy_pass`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { callTool, type Endpoint, type TestClient } from '../support/clients.ts';
import { startNginx } from '../support/debian.ts';
import { at, json, textOf } from '../support/json.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { connectSdkV2 } from '../support/sdk-v2.ts';

const CLIENTS = [
  ['HTTP+SSE, SDK v1', 'sse', connectSdkV1],
  ['HTTP+SSE, raw', 'sse', connectRaw],
  ['Streamable HTTP, SDK v1', 'http', connectSdkV1],
  ['Streamable HTTP, SDK v2', 'http', connectSdkV2],
  ['Streamable HTTP, raw', 'http', connectRaw],
] as const;
const QUESTION = {
  method: 'elicitation/create',
  params: { message: 'Name?', requestedSchema: { type: 'object', properties: {} } },
};

async function startBoth(): Promise<{ gateway: ListeningMcpRun; url: string }> {
  const gateway = await startMcpRun(serve(['--http', '--sse'], fixtureServer('behaviours')));
  return { gateway, url: await startNginx(`location / { proxy_pass ${gateway.url}; }`) };
}

function endpointOf(kind: 'sse' | 'http', url: string): Endpoint {
  return { kind, url: `${url}${kind === 'sse' ? '/sse' : '/mcp'}` };
}

/** The call goes on until its progress arrives: behind a buffer it would never end. */
async function expectProgressAtOnce(client: TestClient): Promise<void> {
  const done = new AbortController();
  const call = callTool(client, 'wait', {}, { signal: done.signal, onProgress: () => done.abort() });
  await expect(call).rejects.toThrow();
  expect(done.signal.aborted).toBe(true);
}

test.each(CLIENTS)('%s: calls, large results, progress and questions pass', async (_title, kind, connect) => {
  const { url } = await startBoth();
  const client = await connect(endpointOf(kind, url), {
    capabilities: { elicitation: {} },
    answer: () => ({ action: 'accept', content: { name: 'Ada' } }),
  });
  expect(json(at(await callTool(client, 'echo', { a: 1 }), 'structuredContent'))['arguments']).toEqual({
    a: 1,
  });
  expect(textOf(await callTool(client, 'large', { bytes: 3_000_000 }))).toHaveLength(3_000_000);
  await expectProgressAtOnce(client);
  const asked = await callTool(client, 'ask', QUESTION);
  expect(at(asked, 'structuredContent', 'result', 'content')).toEqual({ name: 'Ada' });
});

test('2026-07-28: calls, large results, progress and subscriptions pass', async () => {
  const { url } = await startBoth();
  const client = await connectSdkV2Modern(endpointOf('http', url));
  expect(textOf(await callTool(client, 'large', { bytes: 3_000_000 }))).toHaveLength(3_000_000);
  await expectProgressAtOnce(client);
  await client.listen({ toolsListChanged: true });
  await callTool(client, 'notify', { method: 'notifications/tools/list_changed', params: {} });
  await expect
    .poll(() => client.incoming.map(({ method }) => method))
    .toContain('notifications/tools/list_changed');
});

test('a client that leaves nginx in the middle of a call has it cancelled', async () => {
  const { url } = await startBoth();
  const client = await connectSdkV2Modern(endpointOf('http', url));
  const leaving = new AbortController();
  const call = callTool(client, 'wait', {}, { signal: leaving.signal, onProgress: () => leaving.abort() });
  await expect(call).rejects.toThrow();
  await expect
    .poll(async () => {
      const received = await callTool(client, 'received', { containing: 'notifications/cancelled' });
      return JSON.stringify(at(received, 'structuredContent', 'lines'));
    })
    .toContain('the client is gone');
});

test('a name with slashes is reached although nginx decodes and normalises the path', async () => {
  const name = '@scope/my pkg';
  const { pathname } = new URL(`/gate/${encodeURIComponent(name)}`, 'http://localhost');
  const gateway = await startMcpRun([
    ...['serve', await manifestOf([name, 'other']), '--port', '0'],
    ...['--trust-proxy', '--log-format', 'json'],
  ]);
  const url = await startNginx(`location /gate/ {
    proxy_pass ${gateway.url}/;
    proxy_set_header x-forwarded-prefix /gate;
  }`);
  for (const path of [pathname, '/gate/@scope/my%20pkg', '/gate/%40scope/my%20pkg']) {
    for (const [, kind, connect] of CLIENTS) {
      const client = await connect(endpointOf(kind, url + path));
      expect(json(at(await callTool(client, 'echo', { a: 1 }), 'structuredContent'))['arguments']).toEqual({
        a: 1,
      });
    }
  }
});

async function manifestOf(names: readonly string[]): Promise<string> {
  const [command, ...args] = fixtureServer('behaviours');
  const mcpServers = Object.fromEntries(names.map((name) => [name, { command, args }]));
  return join(await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers }) }), 'mcp.json');
}
