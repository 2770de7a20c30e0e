/** Servers that people use, over every transport. */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { callTool, type ClientOptions, type TestClient } from '../support/clients.ts';
import { at, textOf } from '../support/json.ts';
import { publishedServer } from '../support/paths.ts';
import { TRANSPORT_NAMES, routeTo, type TransportName } from '../support/routes.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('server-everything lists its tools, answers and reports progress', async () => {
    const client = await connect(transport, publishedServer('server-everything'));
    expect(at(client.initializeResult, 'serverInfo', 'name')).toContain('everything');
    expect(client.initializeResult['instructions']).toBeTypeOf('string');
    expect(await toolNames(client)).toContain('echo');
    expect(textOf(await callTool(client, 'echo', { message: 'hello' }))).toBe('Echo: hello');

    const steps = 3;
    const args = { duration: 0.3, steps };
    await callTool(client, 'trigger-long-running-operation', args, { onProgress: () => {} });
    expect(client.incoming.filter(({ method }) => method === 'notifications/progress')).toHaveLength(steps);
  });

  test('server-memory keeps a graph', async () => {
    const memory = join(await temporaryFolder(), 'memory.json');
    const gatewayArgs = ['--env', `MEMORY_FILE_PATH=${memory}`];
    const client = await connect(transport, publishedServer('server-memory'), {}, gatewayArgs);
    expect(await toolNames(client)).toContain('read_graph');
    const entities = [{ name: 'Ada', entityType: 'person', observations: ['writes programs'] }];
    await callTool(client, 'create_entities', { entities });
    expect(at(await callTool(client, 'read_graph'), 'structuredContent', 'entities')).toEqual(entities);
  });

  test('server-filesystem reads a file in the folder it was given', async () => {
    const { folder, file } = await folderWithFile('hello from a file');
    const client = await connect(transport, publishedServer('server-filesystem', folder));
    expect(at(client.initializeResult, 'serverInfo', 'name')).toContain('filesystem');
    expect(await toolNames(client)).toContain('read_text_file');
    expect(textOf(await callTool(client, 'read_text_file', { path: file }))).toBe('hello from a file');
  });
});

describe('server-filesystem, which replaces its folders by the roots of its client', () => {
  test.each(['sse', 'http'] as const)('keeps its own folders when the client is on %s', async (transport) => {
    const { allowed, client } = await connectWithRoots(transport);
    expect(await allowedFolders(client)).toEqual([allowed]);
    expect(client.incoming.filter(({ method }) => method === 'roots/list')).toEqual([]);
  });

  test.each(['sse', 'http'] as const)(
    "takes the client's roots over %s with --allow-roots",
    async (transport) => {
      const { rooted, client } = await connectWithRoots(transport, '--allow-roots');
      await expect.poll(() => allowedFolders(client)).toEqual([rooted]);
    },
  );

  test("takes the client's roots over stdio", async () => {
    const { rooted, client } = await connectWithRoots('stdio');
    await expect.poll(() => allowedFolders(client)).toEqual([rooted]);
  });
});

async function connectWithRoots(transport: TransportName, ...gatewayArgs: string[]) {
  const [allowed, rooted] = await Promise.all([temporaryFolder(), temporaryFolder()]);
  const client = await connect(
    transport,
    publishedServer('server-filesystem', allowed),
    {
      capabilities: { roots: {} },
      answer: () => ({ roots: [{ uri: pathToFileURL(rooted).href, name: 'mine' }] }),
    },
    gatewayArgs,
  );
  return { allowed, rooted, client };
}

async function allowedFolders(client: TestClient): Promise<string[]> {
  const [, ...folders] = textOf(await callTool(client, 'list_allowed_directories')).split('\n');
  return folders;
}

async function connect(
  transport: TransportName,
  server: readonly string[],
  options: ClientOptions = {},
  gatewayArgs: readonly string[] = [],
): Promise<TestClient> {
  return await connectSdkV1(await routeTo(transport, server, ...gatewayArgs), options);
}

async function toolNames(client: TestClient): Promise<unknown[]> {
  const { tools } = await client.request('tools/list');
  return Array.isArray(tools) ? tools.map((tool) => at(tool, 'name')) : [];
}

async function folderWithFile(content: string): Promise<{ folder: string; file: string }> {
  const folder = await temporaryFolder();
  const file = join(folder, 'file.txt');
  await writeFile(file, content);
  return { folder, file };
}

async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'mcp-run-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
