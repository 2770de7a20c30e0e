import { expect, test } from 'vitest';
import { load, loadText, problemsOf } from './workspace.ts';

test('everything that is wrong is told at once, in the order of the file', async () => {
  const text = `{
  // a comment
  "mcpServers": {
    "a": { "comand": "x", "timeout": "soon" },
    "b": { "command": 3, "args": "x", "env": { "T": "\${NOPE}", "N": null } },
    "c": { "command": "x", "type": "stdoi" },
  },
  "serve": { "prot": 3000, "logLevel": "inof", "httpPath": "mcp", "insecure": "yes", "port": true }
}`;
  expect(await problemsOf(loadText(text))).toEqual([
    'mcp.json:4:5: mcpServers.a: needs a "command" or a "url" (did you mean that by "comand"?)',
    'mcp.json:4:38: mcpServers.a.timeout: "soon" is not a duration; write it like "30s", "5m" or "1h"',
    'mcp.json:5:23: mcpServers.b.command: must be a string, not a number',
    'mcp.json:5:34: mcpServers.b.args: must be an array of strings, not a string',
    'mcp.json:5:53: mcpServers.b.env.T: the variable NOPE is not set; set it, or write ${NOPE:-default}',
    expect.stringMatching(
      /^mcp\.json:6:36: mcpServers\.c\.type: must be one of .* \(did you mean "stdio"\?\)$/,
    ),
    'mcp.json:8:14: serve.prot: unknown key (did you mean "port"?)',
    expect.stringMatching(/^mcp\.json:8:40: serve\.logLevel: must be one of .* \(did you mean "info"\?\)$/),
    'mcp.json:8:60: serve.httpPath: "mcp" must start with "/"',
    'mcp.json:8:79: serve.insecure: must be true or false, not a string',
    'mcp.json:8:94: serve.port: must be a whole number from 0 to 65535, not a boolean',
  ]);
});

test('the files of a merge are all checked', async () => {
  const lines = await problemsOf(load({ mcpServers: { a: {} }, inputs: [{ id: 3 }] }));
  expect(lines).toHaveLength(3);
});

test.each([
  ['an empty file', '', 'mcp.json:1:1: the file is empty; write {"mcpServers": {}}'],
  ['only a comment', '// nothing\n', 'mcp.json:1:1: the file is empty'],
  ['an array', '[]', 'mcp.json:1:1: must be an object such as {"mcpServers": {}}, not an array'],
  ['a string', '"x"', 'not a string'],
  ['null', 'null', 'not null'],
  ['no servers', '{"a": 1}', 'there is no "mcpServers"'],
  ['bare servers', '{"a": {"command": "x"}}', 'the servers must be inside "mcpServers"'],
  [
    'a misspelt root key',
    '{\n "mcpservers": {"a": {"command": "x"}}}',
    'mcp.json:2:2: mcpservers: ignored; did you mean "mcpServers"?',
  ],
  [
    'servers as a string',
    '{"mcpServers": "x"}',
    '1:16: mcpServers: must be an object of servers by name, not a string',
  ],
  [
    'a server without a name in a list',
    '{"mcpServers": [{"command": "x"}]}',
    '1:17: mcpServers[0]: needs a "name", because the servers are a list',
  ],
  ['a server as a string', '{"mcpServers": {"a": "x"}}', 'mcpServers.a: must be an object, not a string'],
  ['an empty name', '{"mcpServers": {"": {"command": "x"}}}', 'the name of a server is empty'],
  ['a name that URLs cannot hold', '{"mcpServers": {"..": {"command": "x"}}}', 'cannot be part of a URL'],
  ['an empty command', '{"mcpServers": {"a": {"command": " "}}}', 'mcpServers.a.command: is empty'],
  ['no command', '{"mcpServers": {"a": {"args": []}}}', 'needs a "command" or a "url"'],
  ['both', '{"mcpServers": {"a": {"command": "x", "url": "y"}}}', 'say which with "type"'],
  [
    'stdio without command',
    '{"mcpServers": {"a": {"type": "stdio", "url": "y"}}}',
    'needs a "command", because its type is stdio',
  ],
  [
    'a key twice',
    '{"mcpServers": {"a": {"command": "x",\n"command": "y"}}}',
    'mcp.json:2:1: mcpServers.a.command: this key is there twice',
  ],
  [
    'a server twice',
    '{"mcpServers": {"a": {"command": "x"}}, "servers": {"a": {"command": "x"}}}',
    '"a" is also under "mcpServers"',
  ],
  [
    'a missing comma',
    '{"mcpServers": {"a": {"command": "x" "args": []}}}',
    '1:38: not JSON: a "," is missing',
  ],
  [
    'a backslash in a path',
    '{"mcpServers": {"a": {"command": "C:\\x"}}}',
    'a backslash in a path is written "\\\\"',
  ],
  ['single quotes', "{'mcpServers': {}}", 'strings need double quotes'],
  ['an open brace', '{"mcpServers": {', 'a "}" is missing'],
  [
    'a bad allow',
    '{"mcpServers": {"a": {"command": "x", "allow": ["root"]}}}',
    'must be one of "roots", "sampling", "elicitation" (did you mean "roots"?)',
  ],
  [
    'a missing env file',
    '{"mcpServers": {"a": {"command": "x", "envFile": ".env"}}}',
    'mcpServers.a.envFile: Cannot read',
  ],
  ['an unknown input', '{"mcpServers": {"a": {"command": "${input:x}"}}}', 'there is no input "x"'],
  [
    'an input twice',
    '{"inputs": [{"id":"a","type":"promptString"},{"id":"a","type":"promptString"}], "mcpServers": {"a": {"command": "x"}}}',
    'inputs[1].id: the input "a" is there twice',
  ],
])('%s is a clear error', async (_, text, expected) => {
  expect((await problemsOf(loadText(text))).join('\n')).toContain(expected);
});

test('two faults of the syntax are both told', async () => {
  const lines = await problemsOf(
    loadText('{"mcpServers": {\n"a": {"command" "x"},\n"b": {"command": "x" "args": []}\n}}'),
  );
  expect(lines.map((line) => line.split(': ', 1)[0])).toEqual(['mcp.json:2:17', 'mcp.json:3:22']);
});

test.each([
  [
    'a key twice',
    'mcpServers:\n  a: {command: x}\n  a: {command: y}\n',
    'mcp.yaml:3:3: mcpServers.a: this key is there twice',
  ],
  [
    'bad indentation',
    'mcpServers:\n  a:\n command: x\n',
    'mcp.yaml:2:5: not YAML: All mapping items must start at the same column',
  ],
  [
    'an alias without an anchor',
    'mcpServers: *none\n',
    'mcp.yaml:1:13: mcpServers: not YAML: there is no anchor &none',
  ],
  ['a scalar', 'hello', 'mcp.yaml:1:1: must be an object'],
  ['nothing', '# nothing\n', 'mcp.yaml:1:1: the file is empty'],
  [
    'a wrong type',
    'mcpServers:\n  a:\n    command: 3\n',
    'mcp.yaml:3:14: mcpServers.a.command: must be a string, not a number',
  ],
  [
    'aliases without end',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replaceAll(
      /./g,
      (key) =>
        `${key}: &${key} [${Array(9)
          .fill(`*${String.fromCharCode(key.charCodeAt(0) - 1)}`)
          .join(',')}]\n`,
    )}`,
    'expand without end',
  ],
  ['an alias to itself', 'a: &a [*a]\n', 'expand without end'],
])('YAML: %s is a clear error', async (_, text, expected) => {
  expect((await problemsOf(loadText(text, {}, 'mcp.yaml'))).join('\n')).toContain(expected);
});

test('a disabled server with errors is no obstacle unless the check is strict', async () => {
  const off = { command: '${NOPE}', timeout: '${NOPE}', disabled: true };
  const b = { command: 'x' };
  await expect(load({ mcpServers: { a: off, b } }, { strict: true })).resolves.toBeDefined();
  const faulty = { mcpServers: { a: { ...off, args: 1 }, b } };
  expect(await load(faulty)).toMatchObject({ servers: [{ name: 'b' }], rejected: [], warnings: [] });
  expect(await problemsOf(load(faulty, { strict: true }))).toHaveLength(1);
});
