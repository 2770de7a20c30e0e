import { describe, expect, test } from 'vitest';
import { commandOf, load, loadText, only, remoteOf } from '../workspace.ts';

async function warningsOf(entry: object): Promise<readonly string[]> {
  const { warnings } = await load({ mcpServers: { a: entry } });
  return warnings.map((line) => line.replace(/^mcp\.json:1:\d+: mcpServers\.a\./, ''));
}

describe('a reference that would reach a server literally', () => {
  test.each([
    ['$API_KEY', '${API_KEY}'],
    ['Bearer $API_KEY', '${API_KEY}'],
    ['postgres://me:$DB_PASS@host/db', '${DB_PASS}'],
    ['$env:API_KEY', '${API_KEY}'],
    ['Bearer $(pass show key)', '${NAME}'],
    ['{env:API_KEY}', '${API_KEY}'],
    ['{file:~/.key}', '${NAME}'],
    ['{{API_KEY}}', '${API_KEY}'],
    ['{{ secrets.API_KEY }}', '${API_KEY}'],
    ['%API_KEY%', '${API_KEY}'],
    ['%APPDATA%\\x', '${APPDATA}'],
    ['$apikey', '${NAME}'],
    ['<YOUR_API_KEY>', '${NAME}'],
    ['YOUR_API_KEY_HERE', '${NAME}'],
  ])('%s draws a warning that says how to write it', async (value, ours) => {
    const [line, ...others] = await warningsOf({ command: 'x', env: { KEY: value } });
    expect(others).toEqual([]);
    expect(line).toMatch(/^env\.KEY: /);
    expect(line).toContain(ours);
  });

  test('is found in arguments, headers and URLs too, at its place', async () => {
    expect(await warningsOf({ command: 'x', args: ['--key', '--token=$TOKEN', '$HOME/x'] })).toEqual([
      expect.stringMatching(/^args\[1\]: .*\$\{TOKEN\}$/),
      expect.stringMatching(/^args\[2\]: .*\$\{HOME\}$/),
    ]);
    expect(
      await warningsOf({ httpUrl: 'https://x.example/?key=$KEY', headers: { 'X-A': '{{KEY}}' } }),
    ).toEqual([
      expect.stringMatching(/^httpUrl: .*\$\{KEY\}$/),
      expect.stringMatching(/^headers\.X-A: .*\$\{KEY\}$/),
    ]);
    expect(await warningsOf({ command: ['x', '{env:KEY}'], environment: { A: '$A_B' } })).toEqual([
      expect.stringMatching(/^environment\.A: .*\$\{A_B\}$/),
      expect.stringMatching(/^command\[1\]: .*\$\{KEY\}$/),
    ]);
  });

  test('is not repeated: it may be a password', async () => {
    const [line] = await warningsOf({ command: 'x', env: { PASSWORD: '$hunter2' } });
    expect(line).toContain('${NAME}');
    expect(line).not.toContain('hunter2');
  });

  test.each([
    'pa$$word',
    'pa$sword',
    'pa$WORD1',
    '$$API_KEY',
    '$${API_KEY}',
    '$5.00',
    '100%',
    '50%off%',
    'a{b}c',
    '{"a": {"b": 1}}',
    'https://x/%E2%82%AC%20y',
    '^(a|b)$',
    '${OK:-x}',
    '${env:OK}',
    '',
  ])('%j is a text like any other', async (value) => {
    const { warnings } = await load(
      { mcpServers: { a: { command: 'x', args: [value], env: { KEY: value } } } },
      { env: { OK: '1' } },
    );
    expect(warnings).toEqual([]);
  });

  test.each(['sh', '/bin/bash', 'cmd.exe', 'powershell'])('%s expands its own', async (command) => {
    expect(await warningsOf({ command, args: ['-c', 'exec x $HOME %APPDATA%'] })).toEqual([]);
  });
});

describe('a reference that means one thing only', () => {
  test('is expanded in the files of OpenCode, and nowhere else', async () => {
    const env = { KEY: 'k' };
    const server = { type: 'local', command: ['x'], environment: { KEY: '{env:KEY}' } };
    const read = async (value: object): Promise<string | undefined> =>
      commandOf(only(await load(value, { env }))).env['KEY'];
    expect(await read({ mcp: { a: server } })).toBe('k');
    expect(await read({ mcpServers: { a: server } })).toBe('{env:KEY}');
  });

  test('is expanded where it is written as in a workflow', async () => {
    const text =
      'mcpServers:\n  - {name: a, url: "https://x.example/", headers: {X-A: "a-${{ secrets.KEY }}"}}\n';
    const manifest = await loadText(text, { env: { KEY: 'k' } }, 'config.yaml');
    expect(remoteOf(only(manifest)).headers).toEqual({ 'x-a': 'a-k' });
  });
});

describe('the variables of editors', () => {
  test.each([
    ['${workspaceFolder}', '{folder}'],
    ['${workspaceRoot}', '{folder}'],
    ['${cwd}', '{folder}'],
    ['${fileWorkspaceFolder}${/}x', '{folder}/x'],
    ['${extensionPath}', '{folder}'],
    ['${__dirname}', '{folder}'],
    ['${CLAUDE_PLUGIN_ROOT}', '{folder}'],
    ['${CLAUDE_PROJECT_DIR:-y}', 'y'],
    ['${CLAUDE_PROJECT_DIR}', '{folder}'],
  ])('%s is %s', async (written, expected) => {
    const { args, cwd } = commandOf(
      only(await load({ mcpServers: { a: { command: 'x', args: [written] } } })),
    );
    expect(args).toEqual([expected.replace('{folder}', String(cwd))]);
  });

  test('the home is known where no variable says it', async () => {
    const server = { mcpServers: { a: { command: 'x', args: ['${HOME}', '${userHome}', '${env:HOME}'] } } };
    const [first, second, third] = commandOf(only(await load(server))).args;
    expect(first).toBe(second);
    expect(third).toBe(second);
    expect(commandOf(only(await load(server, { env: { HOME: '/h' } }))).args[0]).toBe('/h');
  });
});
