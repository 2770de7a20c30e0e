import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const MCP_RUN = join(ROOT, 'bin/mcp-run.js');

/** The Node that runs mcp-run; another one than the tests' own with `MCP_RUN_TEST_NODE=path`. */
export const NODE = process.env['MCP_RUN_TEST_NODE'] ?? process.execPath;

/** The command line of one of our fixture servers. */
export function fixtureServer(name: string, ...args: string[]): string[] {
  return [process.execPath, join(ROOT, 'fixtures/servers', `${name}.js`), ...args];
}

/** The command line of a published server, such as `server-everything`. */
export function publishedServer(name: string, ...args: string[]): string[] {
  const manifest = require.resolve(`@modelcontextprotocol/${name}/package.json`);
  return [process.execPath, join(dirname(manifest), 'dist/index.js'), ...args];
}
