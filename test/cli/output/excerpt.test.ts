/** How a manifest's mistakes look to a person. */
import { expect, test } from 'vitest';
import { createWorkspace } from '../../manifest/workspace.ts';
import { run } from '../terminal.ts';

const onTerminal = { stderrIsTerminal: true, env: { NO_COLOR: '1' } };

/** What a person sees of this manifest. */
async function show(text: string, name = 'mcp.json', command = 'serve'): Promise<string> {
  const cwd = await createWorkspace({ [name]: text });
  const { code, stdout, stderr } = await run([command, name], { cwd, ...onTerminal });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  return stderr;
}

test.each(['serve', 'check', 'list'])('%s shows the place, the line and a caret', async (command) => {
  const text = '{\n  "mcpServers": {\n    "files": { "command": "x", "args": "-y" }\n  }\n}';
  expect(await show(text, 'mcp.json', command))
    .toBe(`error: mcpServers.files.args: must be an array of strings, not a string
  at mcp.json:3:40
  3 |     "files": { "command": "x", "args": "-y" }
    |                                        ^
hint: \`mcp-run schema\` prints what a manifest may hold.
`);
});

test('several mistakes are counted, and each has its own line', async () => {
  const shown = await show('mcpServers:\n  a:\n    command: 3\n  b:\n    comand: x\n', 'mcp.yaml');
  expect(shown).toBe(`error: 2 things are wrong with the manifest

mcpServers.a.command: must be a string, not a number
  at mcp.yaml:3:14
  3 |     command: 3
    |              ^

mcpServers.b: needs a "command" or a "url" (did you mean that by "comand"?)
  at mcp.yaml:4:3
  4 |   b:
    |   ^

hint: \`mcp-run schema\` prints what a manifest may hold.
`);
});

test('secrets in a line are blotted out, and the caret stays where it belongs', async () => {
  const shown = await show(
    `{"mcpServers": {"a": {"env": {"K": "s1-secret", "R": "\${OK:-x}"}, "apiKey": "s2-secret", "args": ["--token", "s3-secret"], "timeout": "soon", "command": "x"}}}`,
  );
  expect(shown).not.toContain('secret"');
  expect(shown).not.toMatch(/s[123]-/);
  const [, line = '', caret = ''] = /\n {2}1 \| (.*)\n {4}\| (.*)\n/.exec(shown) ?? [];
  expect(line.slice(caret.length - 1)).toMatch(/^"soon"/);
});

test.each([
  [
    'mcp.json',
    '{"mcpServers": {"a": {"command": "x" "args": ["--token", "s1-secret"], "env": {"KEY": "s2-secret"}}}}',
  ],
  ['mcp.yaml', 'mcpServers: { a: { env: { KEY: s1-secret, password: "s2-secret" } }'],
])('also in a file that does not parse (%s)', async (name, text) => {
  const shown = await show(text, name);
  expect(shown).toContain('^');
  expect(shown).not.toContain('secret');
});

test('secrets that a problem repeats are masked, on the screen and in the document', async () => {
  const text = '{"mcpServers": {"a": {"command": "x"}}, "serve": {"baseUrl": "ftp://me:hunter2@host"}}';
  expect(await show(text)).toContain('"ftp://***@host" is not an http or https URL');
  expect(await show(text)).not.toContain('hunter2');
  const cwd = await createWorkspace({ 'mcp.json': text });
  const { stdout } = await run(['check', '--json'], { cwd });
  expect(JSON.parse(stdout).error.problems).toMatchObject([
    { detail: expect.stringContaining('ftp://***@host') },
  ]);
  expect(stdout).not.toContain('hunter2');
});

test('a long line is cut around the caret', async () => {
  const shown = await show(
    `{"mcpServers": {"a": {"command": "${'x'.repeat(500)}", "args": 1, "cwd": "${'y'.repeat(500)}"}}}`,
  );
  const [, line = '', caret = ''] = /\n {2}1 \| (.*)\n {4}\| (.*)\n/.exec(shown) ?? [];
  expect(line.length).toBeLessThan(110);
  expect(line[caret.length - 1]).toBe('1');
});

test('control characters of a manifest do not reach the terminal', async () => {
  expect(await show('{"mcpServers": {"a": {"command": 3, "x": "\u001B[2J"}}}')).not.toContain('\u001B');
});

test('characters that turn the order around are escaped, and the caret stays under its place', async () => {
  const shown = await show('{"mcpServers": {"\u202Ea\u{E0041}": {"cwd": "\u009B你好", "command": 3}}}');
  expect(shown).not.toMatch(/[\u202E\u009B]|\u{E0041}/u);
  expect(shown).toContain(String.raw`"\u202ea\udb40\udc41": {"cwd": "\u009b你好", "command": 3`);
  const [, line = '', caret = ''] = /\n {2}1 \| (.*)\n {4}\| (.*)\n/.exec(shown) ?? [];
  // Two characters are two columns wide each.
  expect(line[caret.length - 3]).toBe('3');
});

test('a log line holds neither the line nor the caret', async () => {
  const cwd = await createWorkspace({ 'mcp.json': '{"mcpServers": {"a": {"command": 3}}}' });
  const { stderr } = await run(['serve'], { cwd });
  expect(JSON.parse(stderr)).toMatchObject({
    code: 'MANIFEST_INVALID',
    msg: 'mcp.json:1:34: mcpServers.a.command: must be a string, not a number',
  });
  expect(stderr).not.toContain('^');
});
