/** `mcp-run serve --demo`: the bundled server, over every transport. */
import { describe, expect, test } from 'vitest';
import { callTool, type ClientOptions, type Endpoint, type TestClient } from '../support/clients.ts';
import { at, textOf } from '../support/json.ts';
import { startMcpRun } from '../support/mcp-run.ts';
import { MCP_RUN, NODE } from '../support/paths.ts';
import { TRANSPORT_NAMES, type TransportName } from '../support/routes.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('offers tools, a resource and a prompt', async () => {
    const client = await connect(transport);
    expect(client.initializeResult['instructions']).toContain('demo');
    const { tools } = await client.request('tools/list');
    expect(Array.isArray(tools) && tools.map((tool) => at(tool, 'name'))).toEqual([
      'echo',
      'progress',
      'ask',
      'large',
    ]);
    expect(textOf(await callTool(client, 'echo', { text: 'hello' }))).toBe('hello');
    expect(textOf(await callTool(client, 'large', { bytes: 100_000 }))).toHaveLength(100_000);
    const [resource] = await list(client, 'resources');
    const read = await client.request('resources/read', { uri: at(resource, 'uri') });
    expect(at(read, 'contents', 0, 'text')).toContain('mcp-run');
    const prompt = await client.request('prompts/get', { name: 'greet', arguments: { name: 'Ada' } });
    expect(at(prompt, 'messages', 0, 'content', 'text')).toContain('Ada');
  });

  test('reports progress and logs to who asked for it', async () => {
    const client = await connect(transport);
    await client.request('logging/setLevel', { level: 'info' });
    await callTool(client, 'progress', { steps: 5, pauseMs: 1 }, { onProgress: () => {} });
    const of = (method: string): number =>
      client.incoming.filter((message) => message['method'] === method).length;
    expect(of('notifications/progress')).toBe(5);
    expect(of('notifications/message')).toBe(1);
  });

  test('asks the user, and says so when the client cannot', async () => {
    const asked = await connect(transport, {
      capabilities: { elicitation: {} },
      answer: () => ({ action: 'accept', content: { answer: 'Ada' } }),
    });
    expect(textOf(await callTool(asked, 'ask'))).toBe('The user answered: Ada');
    const result = await callTool(await connect(transport), 'ask');
    expect(result['isError']).toBe(true);
    expect(textOf(result)).toContain('elicitation');
  });
});

async function connect(transport: TransportName, options?: ClientOptions): Promise<TestClient> {
  return await connectSdkV1(await demoOver(transport), options);
}

async function demoOver(transport: TransportName): Promise<Endpoint> {
  if (transport === 'stdio')
    return { kind: 'stdio', command: NODE, args: [MCP_RUN, 'serve', '--demo', '--stdio'] };
  const { url } = await startMcpRun(['serve', '--demo', `--${transport}`, '--port', '0']);
  return { kind: transport, url: `${url}${transport === 'sse' ? '/sse' : '/mcp'}` };
}

async function list(client: TestClient, kind: string): Promise<unknown[]> {
  const items = (await client.request(`${kind}/list`))[kind];
  return Array.isArray(items) ? items : [];
}
