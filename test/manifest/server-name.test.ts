import { expect, test } from 'vitest';
import { deriveName } from '../../src/manifest/resolve/server-name.ts';

test.each([
  ['npx -y @modelcontextprotocol/server-filesystem .', 'filesystem'],
  ['npx -y @modelcontextprotocol/server-everything@2026.8.31', 'everything'],
  ['npx --package foo-mcp foo-mcp --port 3', 'foo'],
  ['uvx mcp-server-time --utc', 'time'],
  ['uvx --from git+https://example.com/x.git weather-mcp', 'weather'],
  ['uv run --directory /srv/app server.py', 'server'],
  ['python3 -m mcp_server_git', 'git'],
  ['node dist/index.js', 'index'],
  ['node /srv/notes/dist/index.js', 'notes'],
  ['node -e code', 'node'],
  ['docker run -i --rm -e TOKEN ghcr.io/github/github-mcp-server:latest', 'github'],
  ['C:\\Tools\\my.server.exe', 'my.server'],
  ['./bin/Ünï server', 'n-server'],
  ['mcp', 'mcp'],
])('%s is called %s', (line, name) => {
  const [command = '', ...args] = line.startsWith('./') || line.startsWith('C:') ? [line] : line.split(' ');
  expect(deriveName(command, args)).toBe(name);
});
