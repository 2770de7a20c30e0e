import { describe, expect, test } from 'vitest';
import { loadManifest, readInventory } from '../../src/manifest/load.ts';
import { parseTomlText } from '../../src/manifest/read/parse-toml.ts';
import { offsetAt, toPlain } from '../../src/manifest/read/node.ts';
import { commandOf, createWorkspace, failureOf, loadText, only, problemsOf } from './workspace.ts';

/** The line of a key, counted from 1. */
function lineOf(text: string, path: readonly (string | number)[], at: 'key' | 'value' = 'key'): number {
  const { root } = parseTomlText(text);
  if (root === undefined) throw new Error('not parsed');
  return text.slice(0, offsetAt(root, path, at)).split('\n').length;
}

describe('an entry of a TOML file is at the line of its table', () => {
  test.each([
    ['a header', '\n[mcp_servers.x]\ncommand = "y"', 2],
    ['a quoted name', '# [mcp_servers.x]\n\n[mcp_servers."x"]\ncommand = "y"', 3],
    ['a literal name', "[mcp_servers.'x'] # c\ncommand = 'y'", 1],
    ['spaces around dots', 'a = 1\n[ mcp_servers . x ]\ncommand = "y"', 2],
    ['its sub-table first', '[mcp_servers.x.env]\nA = "1"\n[mcp_servers.x]\ncommand = "y"', 3],
    ['its sub-table only', '[a]\n[mcp_servers.x.env]\nA = "1"', 2],
    ['an inline table', '[mcp_servers]\na = {}\nx = { command = "y", env = { A = "1" } }', 3],
    ['dotted keys', '[mcp_servers]\nx.command = "y"\nx.env.A = "1"', 2],
    ['a header in a string', 'a = """\n[mcp_servers.x]\n"""\n[mcp_servers.x]\ncommand = "y"', 4],
    ['a header in an array', 'a = [\n "[mcp_servers.x]", # ]\n]\n[mcp_servers.x]\ncommand = "y"', 4],
    ['Windows line ends', 'a = 1\r\n\r\n[mcp_servers.x]\r\ncommand = "y"\r\n', 3],
  ])('%s', (_, text, line) => {
    expect(lineOf(text, ['mcp_servers', 'x'])).toBe(line);
  });

  test('its keys and values are where they are written', () => {
    const text = `[mcp_servers.x]
command = "y"
args = [
  "a",  # first
  'b',
  """c
d""",
  { e = 1 },
]
[mcp_servers.x.env]
"A B" = "1"
[[list]]
a = 1
[[list]]
a = 2
[list.sub]
b = 3
`;
    const at = (...path: (string | number)[]): number => lineOf(text, path, 'value');
    expect(at('mcp_servers', 'x', 'command')).toBe(2);
    expect([0, 1, 2].map((index) => at('mcp_servers', 'x', 'args', index))).toEqual([4, 5, 6]);
    expect(at('mcp_servers', 'x', 'args', 3, 'e')).toBe(8);
    expect(at('mcp_servers', 'x', 'env', 'A B')).toBe(11);
    expect([at('list', 0, 'a'), at('list', 1, 'a'), at('list', 1, 'sub', 'b')]).toEqual([13, 15, 17]);
  });
});

test('values of TOML are those of a manifest, numbers as they are written', async () => {
  const text = `[mcp_servers.a]
command = 'C:\\tools\\x'
args = [1.0, 12345678901234567890, 1_000, true, 1979-05-27, "é\\u00e9", '''it's''']
`;
  const inventory = parseTomlText(text.replace('12345678901234567890', '9007199254740993'));
  expect(inventory.faults).toEqual([]);
  const cwd = await createWorkspace({
    'config.toml': text.replace('12345678901234567890', '9007199254740993'),
  });
  const manifest = await loadManifest({ files: ['config.toml'], cwd, env: {} });
  expect(commandOf(only(manifest))).toMatchObject({
    command: 'C:\\tools\\x',
    args: ['1.0', '9007199254740993', '1000', 'true', '1979-05-27', 'éé', "it's"],
  });
});

test('names that objects have already are names like any other', () => {
  const { root } = parseTomlText(
    '[mcp_servers.__proto__]\ncommand = "x"\n[mcp_servers.constructor]\ncommand = "y"',
  );
  expect(JSON.stringify(root && toPlain(root))).toContain(
    '"__proto__":{"command":"x"},"constructor":{"command":"y"}',
  );
});

describe('the syntax of a file without an extension', () => {
  test.each([
    ['a table', '[mcp_servers.x]\ncommand = "y"\n'],
    ['a table after comments', '# Codex\n\n  [mcp_servers."x"]  # c\ncommand = "y"\n'],
    ['an assignment', 'model = "m"\n[mcp_servers.x]\ncommand = "y"\n'],
    ['JSON', '{"mcpServers": {"x": {"command": "y"}}}'],
    ['YAML', 'mcpServers:\n  x: {command: y}\n'],
    ['YAML with an equals sign', 'mcpServers:\n  x: {command: y, args: ["a=b"]}\n'],
  ])('is found out: %s', async (_, text) => {
    expect(commandOf(only(await loadText(text, {}, 'config'))).command).toBe('y');
  });
});

describe('a TOML file that does not parse', () => {
  test.each([
    ['a missing value', 'a = 1\nb = \n', 'a.toml:2:5: not TOML: invalid value'],
    ['a table twice', '[a]\nb = 1\n[a]\n', 'a.toml:3:2: this key is there twice; remove one'],
    ['an open string', '[a]\nb = "hunter2', 'a.toml:2:5: not TOML: unfinished string'],
    ['an open table', '[a\nb = 1', 'a.toml:1:3: not TOML: '],
    ['nothing', '# nothing\n\n', 'a.toml:1:1: the file is empty'],
  ])('says where and why: %s', async (_, text, expected) => {
    const [line = ''] = await problemsOf(loadText(text, {}, 'a.toml'));
    expect(line).toContain(expected);
    expect(line).not.toContain('hunter2');
  });
});

describe('the lines of a TOML file are shown without its secrets', () => {
  test.each([
    ['a string', 'TOKEN = "hunter2", B = 3'],
    ['a literal string', "TOKEN = 'hunter2', B = 3"],
    ['a long string', 'TOKEN = """hunter2"x"hunter2""", B = 3'],
    ['a long literal string', "TOKEN = '''hunter2'x'hunter2''', B = 3"],
    ['a bare key of capitals', 'HUNTER = "hunter2", B = 3'],
  ])('%s', async (_, env) => {
    const good = `[mcp_servers.x]\ncommand = "y"\nenv = { ${env.replace('B = 3', 'B = []')} }\n`;
    const broken = `[mcp_servers.x]\ncommand = "y"\nenv = { ${env.replace('B = 3', 'B = ]')} }\n`;
    for (const text of [good, broken]) {
      const { culprits } = await failureOf(loadText(text, {}, 'a.toml'));
      expect(culprits.map(({ line }) => line)).toEqual([3]);
      expect(culprits[0]?.sourceLine).toContain('env = {');
      expect(culprits[0]?.sourceLine).not.toContain('hunter2');
    }
  });

  test('arguments, headers and tokens included', async () => {
    const text =
      'mcp_servers = { x = { command = ["y", "--token", "s1-secret"], bearer_token = "s2-secret", http_headers = { A = "s3-secret" }, timeout = "soon" } }';
    const { culprits } = await failureOf(loadText(text, {}, 'a.toml'));
    expect(culprits.length).toBeGreaterThan(0);
    for (const { sourceLine } of culprits) expect(sourceLine).not.toContain('secret');
  });
});

test('a TOML file is listed with the lines of its tables', async () => {
  const cwd = await createWorkspace({
    'config.toml':
      'model = "x"\n\n[mcp_servers.a]\ncommand = "x"\n\n[mcp_servers.a.env]\nK = "v"\n\n[mcp_servers.b]\nurl = "https://x/"\n',
  });
  const { servers } = await readInventory({ files: ['config.toml'], cwd, env: {} });
  expect(servers.map(({ name, line, env, kind }) => [name, line, env, kind])).toEqual([
    ['a', 3, ['K'], 'stdio'],
    ['b', 9, [], 'auto'],
  ]);
});
