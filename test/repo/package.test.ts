/** The tarball as npm would publish it, installed into an empty folder and used from there. */
import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanEnvironment, installPacked, root, type Installed } from './support/places.ts';
import { readyUrl, startShell, type Running } from './support/shell.ts';

/** An application in TypeScript, with a mistake that the compiler has to find. */
const CONSUMER = `
import { fastify, type FastifyRequest } from 'fastify';
import { loadManifest } from 'mcp-run';
import mcpRun, { type McpRunOptions } from 'mcp-run/fastify';

declare module 'fastify' {
  interface FastifyRequest {
    user: { readonly name: string } | null;
  }
}

const options: McpRunOptions = {
  manifest: await loadManifest({ files: ['mcp.json'] }),
  principal: ({ user }: FastifyRequest) => user?.name,
};
const app = fastify({ logger: true });
await app.register(mcpRun, { ...options, prefix: '/tools', health: true });
await app.register(mcpRun, { manifest: 'mcp.json', principal: async ({ user }) => user && { id: user.name, claims: { team: 'red' } } });
// @ts-expect-error The manifest is missing.
await app.register(mcpRun, { prefix: '/tools' });
// @ts-expect-error A number is no identity.
await app.register(mcpRun, { manifest: 'mcp.json', principal: () => 7 });
`;

let installed: Installed;
let gateway: Running | undefined;

beforeAll(async () => {
  installed = await installPacked();
}, 180_000);

afterAll(async () => {
  await gateway?.stop();
  for (const folder of [installed.folder, dirname(installed.tarball)])
    rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('npx mcp-run --version says the version of package.json', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(await output('npx mcp-run --version')).toBe(`${version}\n`);
});

test('a client initializes and calls a tool through npx mcp-run serve --demo', async () => {
  gateway = start('npx mcp-run serve --demo --http --port 0 --log-format json');
  const client = new Client({ name: 'package-test', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(await readyUrl(gateway)));
  const answer = await client.callTool({ name: 'echo', arguments: { text: 'from the tarball' } });
  expect(JSON.stringify(answer)).toContain('from the tarball');
  await client.close();
});

test('the library and the schema are importable by name', async () => {
  const script = [
    `import { createGateway } from 'mcp-run';`,
    `import schema from 'mcp-run/schema.json' with { type: 'json' };`,
    `console.log(typeof createGateway, typeof schema.properties);`,
  ].join(' ');
  expect(await output(`node --no-warnings --input-type=module -e "${script}"`)).toBe('function object\n');
});

test('the plugin for Fastify is importable by name and has types', async () => {
  const script = [
    `import { fastify } from 'fastify';`,
    `import mcpRun from 'mcp-run/fastify';`,
    `const app = fastify().register(mcpRun, { manifest: 'none.json' });`,
    `await app.ready().then(undefined, ({ code }) => console.log(code));`,
  ].join(' ');
  expect(await output(`node --input-type=module -e "${script}"`)).toBe('MANIFEST_UNREADABLE\n');

  await writeFile(join(installed.folder, 'consumer.mts'), CONSUMER);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const types = `--types node --typeRoots ${join(root, 'node_modules/@types')}`;
  const flags = `--noEmit --strict --module nodenext --target es2023 --exactOptionalPropertyTypes ${types}`;
  expect(await output(`node ${compiler} ${flags} consumer.mts`)).toBe('');
});

test('the tarball holds what the program needs and nothing of its development', async () => {
  const files = (await output(`tar -tzf ${installed.tarball}`)).trimEnd().split('\n');
  const folders = new Set(files.map((file) => file.split('/').slice(1, -1)[0] ?? file.split('/').at(-1)));
  expect([...folders].toSorted()).toEqual(
    ['bin', 'CHANGELOG.md', 'dist', 'LICENSE', 'package.json', 'README.md', 'schema'].toSorted(),
  );
  expect(files.filter((file) => /\.map$|\.test\.|\.inputs$/.test(file))).toEqual([]);
});

function start(commands: string): Running {
  return startShell(commands, { cwd: installed.folder, env: cleanEnvironment() });
}

/** The standard output of commands that must succeed. */
async function output(commands: string): Promise<string> {
  // npm says on stderr what it thinks of the machine's settings.
  const running = start(`{ ${commands}; } 2>/dev/null`);
  expect(await running.ended).toBe(0);
  return running.output();
}
