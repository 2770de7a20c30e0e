import { describe, expect, test } from 'vitest';
import { readInventory } from '../../../src/manifest/load.ts';
import { commandOf, createWorkspace, load, loadText, problemsOf } from '../workspace.ts';

async function inventoryProblems(text: string, name: string): Promise<readonly string[]> {
  const cwd = await createWorkspace({ [name]: text });
  return await problemsOf(readInventory({ files: [name], cwd, env: {} }));
}

describe('servers', () => {
  test.each([
    'mcpServers',
    'servers',
    'context_servers',
    'mcp',
    'mcp_servers',
    'mcp-servers',
    'amp.mcpServers',
    'mcp.servers',
  ])('are found under %s, as an object and as a list', async (key) => {
    const { servers } = await load({ [key]: { a: { command: 'x' } } });
    expect(servers.map(({ name }) => name)).toEqual(['a']);
    if (key === 'mcp') return;
    const listed = await load({ [key]: [{ name: 'a', command: 'x' }] });
    expect(listed.servers.map(({ name }) => name)).toEqual(['a']);
  });

  test('of several keys are all read, and the second entry of a name is rejected', async () => {
    const both = { mcpServers: { a: { command: 'x' } }, mcp: { b: { command: ['y'] } } };
    expect((await load(both)).servers.map(({ name }) => name)).toEqual(['a', 'b']);
    const { servers, rejected } = await load({ ...both, context_servers: { b: { command: 'z' } } });
    expect(servers.map((spec) => [spec.name, commandOf(spec).command])).toEqual([
      ['a', 'x'],
      ['b', 'z'],
    ]);
    expect(rejected?.map(({ error }) => error.message)).toEqual([
      expect.stringContaining('mcp.b: "b" is also under "context_servers"'),
    ]);
  });

  test('stand beside settings of the client', async () => {
    const { servers, warnings } = await load({
      mcp: { timeout: 5000, a: { type: 'local', command: ['x'] } },
      server: { port: 1 },
    });
    expect(servers.map(({ name }) => name)).toEqual(['a']);
    expect(warnings).toEqual([expect.stringContaining('mcp.timeout: ignored: it is not a server')]);
  });
});

describe('a file in a format that is not known', () => {
  test.each([
    [
      'a bare map',
      'mcp.json',
      '{\n"github": {"command": "npx"}}',
      'mcp.json:2:1: github: looks like a server; ',
    ],
    [
      'a bare map in TOML',
      'a.toml',
      '\n[github]\ncommand = "x"',
      'a.toml:2:2: github: looks like a server; ',
    ],
    [
      'a bare map in YAML',
      'a.yaml',
      'github:\n  url: https://x/',
      'a.yaml:1:1: github: looks like a server; ',
    ],
    ['one server', 'mcp.json', '{"command": "npx"}', 'mcp.json:1:1: the servers must be inside "mcpServers"'],
    ['an array', 'mcp.json', '[{"command": "npx"}]', 'such as {"mcpServers": […]}, not an array'],
    [
      'another key',
      'mcp.json',
      '{"tools": {"hosts": {"a": {"cmd": "x"}}}}',
      'tools.hosts: looks like servers; ',
    ],
    [
      'a list under another key',
      'mcp.json',
      '{"remotes": [{"url": "https://x/"}]}',
      'remotes: looks like servers; ',
    ],
    [
      'a bundle',
      'manifest.json',
      '{"server": {"type": "node", "mcp_config": {"command": "node"}}}',
      'server.mcp_config: looks like a server; ',
    ],
    ['nothing of the kind', 'mcp.json', '{"theme": "dark"}', 'there is no "mcpServers"'],
  ])('is an error with the key that looks like servers: %s', async (_, name, text, expected) => {
    for (const lines of [await inventoryProblems(text, name), await problemsOf(loadText(text, {}, name))]) {
      expect(lines).toEqual([expect.stringContaining(expected)]);
    }
  });

  test('is not one that holds no servers', async () => {
    for (const text of [
      '{"mcpServers": {}}',
      '{"mcpServers": []}',
      '{"mcp": {}}',
      '{"context_servers": {}}',
    ]) {
      const cwd = await createWorkspace({ 'mcp.json': text });
      expect((await readInventory({ cwd, env: {} })).servers).toEqual([]);
    }
  });
});
