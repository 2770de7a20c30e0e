import { expect, test } from 'vitest';
import { createWorkspace } from '../manifest/workspace.ts';
import { run } from './terminal.ts';

test.each(['--version', '-v', '-V'])('%s prints the version', async (flag) => {
  expect(await run([flag])).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: '',
  });
});

test('without arguments it shows what it can do', async () => {
  const { code, stdout, stderr } = await run([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('mcp-run serve --demo');
});

test('the help names every command', async () => {
  const { stdout } = await run(['--help']);
  for (const command of ['serve', 'check', 'list', 'init', 'schema', 'login', 'logout', 'tokens'])
    expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
});

test.each([
  ['check', ['Servers:', 'The server process:', 'Limits:', 'Output:']],
  ['list', ['Servers:', 'Output:']],
  ['init', ['Servers:', 'Output:']],
  ['schema', ['Output:']],
])('the help of %s has its options and examples, and none of serve', async (command, headings) => {
  const { code, stdout } = await run([command, '--help']);
  expect(code).toBe(0);
  for (const heading of headings) expect(stdout).toContain(`\n${heading}\n`);
  expect(stdout).toContain(`\nExamples:\n  mcp-run ${command}`);
  expect(stdout).toContain('--json');
  expect(stdout).not.toContain('--port');
});

test('the help of serve groups every option and ends with examples', async () => {
  const { code, stdout } = await run(['serve', '--help']);
  expect(code).toBe(0);
  const headings = [
    'What to serve:',
    'The server process:',
    'Listening:',
    'Access:',
    'Limits:',
    'Log:',
    'Examples:',
  ];
  expect(headings.map((heading) => stdout.indexOf(`\n${heading}\n`))).toEqual(
    headings.map((heading) => stdout.indexOf(`\n${heading}\n`)).toSorted((a, b) => a - b),
  );
  expect(stdout).toContain('\nListening:\n');
  expect(stdout).toMatch(/--port <number> .*default: 3000/s);
  expect(stdout).not.toContain('(default: )');
});

test.each([
  [['serv'], `error: unknown command 'serv' (Did you mean serve?)`],
  [['serve', '--prot', '3'], `error: unknown option '--prot' (Did you mean --port?)`],
  [['serve', '--port'], `error: option '--port <number>' argument missing`],
  [['serve', '--port', 'x'], 'error: --port: "x" is not a whole number from 0 to 65535'],
  [['check', '--timeout', '30'], 'error: --timeout: "30" needs a unit: "30s" or "30ms"'],
  [['check', 'a', 'b'], 'error: check takes one manifest or URL; put -- before a command to check'],
  [['list', 'a', 'b'], 'error: list takes one file'],
  [['init', '--', 'npx'], 'error: init takes no command after --'],
  [['serve', 'npx', 'server'], 'error: serve takes one manifest or URL; put -- before a command to serve'],
])('%j is told as a mistake, with a hint', async (argv, message) => {
  const { code, stdout, stderr } = await run(argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe(`${message}\nhint: Run \`mcp-run --help\`.\n`);
});

test('an error is one line of JSON where nobody is watching, and text on a terminal', async () => {
  const cwd = await createWorkspace();
  const json = await run(['serve', 'no.json'], { cwd });
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stderr)).toMatchObject({
    level: 'error',
    event: 'command.failed',
    code: 'MANIFEST_UNREADABLE',
    exitCode: 2,
    msg: 'Cannot read no.json: there is no such file',
  });
  const text = await run(['serve', 'no.json'], { cwd, stderrIsTerminal: true, env: { NO_COLOR: '1' } });
  expect(text.stderr).toBe('error: Cannot read no.json: there is no such file\n');
  const forced = await run(['serve', 'no.json', '--log-format', 'human'], { cwd });
  expect(forced.stderr).toBe(text.stderr);
});

test('colours depend on the terminal, NO_COLOR, FORCE_COLOR and --no-color', async () => {
  const isColoured = async (argv: string[], env: Record<string, string>, stderrIsTerminal: boolean) => {
    const { stderr } = await run(['serve', '--port', 'x', ...argv], { env, stderrIsTerminal });
    return stderr.includes('\u001B[');
  };
  expect(await isColoured([], {}, true)).toBe(true);
  expect(await isColoured([], {}, false)).toBe(false);
  expect(await isColoured([], { NO_COLOR: '1' }, true)).toBe(false);
  expect(await isColoured(['--no-color'], {}, true)).toBe(false);
  expect(await isColoured([], { FORCE_COLOR: '1' }, false)).toBe(true);
  expect(await isColoured([], { FORCE_COLOR: '0' }, true)).toBe(false);
});

test('a stack trace appears only for those who debug', async () => {
  const stackOf = async (...argv: string[]) =>
    (await run(['serve', '--port', 'x', ...argv])).stderr.includes('\n    at ');
  expect(await stackOf()).toBe(false);
  expect(await stackOf('--log-level', 'info')).toBe(false);
  expect(await stackOf('--log-level=debug')).toBe(true);
});

test('a listener that others can reach is refused', async () => {
  const { code, stderr } = await run(['serve', '--host', '0.0.0.0', '--log-format=human', '--', 'x']);
  expect(code).toBe(2);
  expect(stderr).toContain('error: Refusing to listen on 0.0.0.0');
  expect(stderr).toContain('hint: ');
});
