/** The official 2.x client in the mode that finds out by itself which revisions a server speaks. */
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { expect, onTestFinished, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { inheritedEnvironment } from '../support/environment.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';

const SERVERS = ['behaviours', 'modern-behaviours', 'dual-behaviours'];

test.each(SERVERS)('falls back to initialize over HTTP+SSE, and uses the tools of %s', async (server) => {
  const { url } = await startMcpRun(serve(['--sse'], fixtureServer(server)));
  const client = await connect(new SSEClientTransport(new URL(`${url}/sse`)));
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
});

test.each(SERVERS)('uses the tools of %s over Streamable HTTP', async (server) => {
  const { url } = await startMcpRun(serve(['--http'], fixtureServer(server)));
  const client = await connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
});

test.each(SERVERS)('uses the tools of %s over stdio', async (server) => {
  const args = [MCP_RUN, 'serve', '--stdio', '--', ...fixtureServer(server)];
  const transport = new StdioClientTransport({
    command: NODE,
    args,
    env: inheritedEnvironment(),
    stderr: 'ignore',
  });
  const client = await connect(transport);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
});

async function connect(transport: Parameters<Client['connect']>[0]): Promise<Client> {
  const client = new Client(CLIENT_INFO, { versionNegotiation: { mode: 'auto' } });
  onTestFinished(() => client.close());
  await client.connect(transport);
  return client;
}
