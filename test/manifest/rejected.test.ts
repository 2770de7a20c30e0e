import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Question } from '../../src/manifest/resolve/inputs.ts';
import { loadManifest, readInventory, type LoadOptions } from '../../src/manifest/load.ts';
import type { Manifest } from '../../src/manifest/settings.ts';
import { commandOf, createWorkspace, failureOf, load, loadText, problemsOf } from './workspace.ts';

const GOOD = { command: 'x' };

function names({ servers }: Manifest): readonly string[] {
  return servers.map(({ name }) => name);
}

/** Name → the messages of its errors. */
function rejectedOf({ rejected = [] }: Manifest): Readonly<Record<string, string>> {
  return Object.fromEntries(rejected.map(({ name, error }) => [name, error.message]));
}

const FAULTY = [
  [
    'an unset variable',
    { command: 'x', env: { A: '${NOPE}' } },
    'env.A: the variable NOPE is not set; set it',
  ],
  ['an unset variable in args', { command: 'x', args: ['a', '${env:NOPE}'] }, 'args[1]: the variable NOPE'],
  [
    'an unset variable in a header',
    { url: 'https://x/', headers: { A: 'Bearer ${NOPE}' } },
    'headers.A: the',
  ],
  [
    'an unset variable in oauth',
    { url: 'https://x/', oauth: { clientId: '${NOPE}' } },
    'oauth.clientId: the',
  ],
  ['a reference without end', { command: 'x', args: ['${NOPE'] }, 'has no closing "}"'],
  ['a message for an unset variable', { command: '${X:?not set}' }, 'write ${X}: a variable that is not set'],
  ['an assignment', { command: 'x', cwd: '${X:=y}' }, 'write ${X:-default}'],
  ['a default without colon', { command: 'x', args: ['${X-y}'] }, 'write ${X:-default}'],
  ['an alternative', { command: 'x', args: ['${X:+y}'] }, 'write ${X}, or set another variable'],
  ['a suffix that is cut off', { command: 'x', args: ['${X%.*}'] }, 'variables are not edited'],
  ['a prefix that is cut off', { command: 'x', args: ['${X##*/}'] }, 'variables are not edited'],
  ['a replacement', { command: 'x', args: ['${X/a/b}'] }, 'variables are not edited'],
  ['a substring', { command: 'x', args: ['${X:0:3}'] }, 'variables are not edited'],
  ['a length', { command: 'x', args: ['${#X}'] }, 'variables are not edited'],
  ['a missing env file', { command: 'x', envFile: 'no.env' }, 'envFile: Cannot read'],
  ['a missing header file', { url: 'https://x/', headersFile: 'no' }, 'headersFile: Cannot read'],
  [
    'a missing secret file',
    { url: 'https://x/', oauth: { clientId: 'a', clientSecretFile: 'no' } },
    'oauth.clientSecretFile: Cannot read',
  ],
  ['an unknown type', { type: 'teleport', url: 'https://x/' }, 'type: must be one of'],
  [
    'a URL that is not http',
    { url: 'unix:///run/x.sock' },
    'url: "unix:///run/x.sock" is not an http or https',
  ],
  ['plain http to another machine', { url: 'http://example.com/' }, 'http://example.com/ is not encrypted'],
  ['a wrong type of a key', { command: 'x', timeout: true }, 'timeout: must be a duration'],
  ['null among the arguments', { command: 'x', args: ['a', null] }, 'args[1]: must be a string, not null'],
  ['a contradiction', { command: 'x', url: 'https://x/' }, 'has both "command" and "url"'],
  ['nothing to start', { args: [] }, 'needs a "command" or a "url"'],
  ['a string for an entry', 'npx x', 'must be an object, not a string'],
  ['null for an entry', null, 'must be an object, not null'],
  ['an array for an entry', [], 'must be an object, not an array'],
  ['a missing input', { command: 'x', args: ['${input:none}'] }, 'there is no input "none"'],
  ['a faulty input', { command: 'x', args: ['${input:bad}'] }, 'the input "bad" cannot be used: mcp.json:'],
] as const;

test.each(FAULTY)('an entry with %s is rejected, and its siblings are served', async (_, entry, message) => {
  const inputs = [{ id: 'bad', type: 'nope' }];
  const manifest = await load({ inputs, mcpServers: { before: GOOD, bad: entry, after: GOOD } });
  expect(names(manifest)).toEqual(['before', 'after']);
  expect(rejectedOf(manifest)).toEqual({ bad: expect.stringContaining(message) });
  const [rejected] = manifest.rejected ?? [];
  expect(rejected?.error.culprits[0]).toMatchObject({
    file: 'mcp.json',
    line: 1,
    key: expect.stringMatching(/^mcpServers\.bad/),
  });
  expect(rejected?.error.culprits[0]).not.toHaveProperty('path');
});

test.each(FAULTY)(
  'an entry with %s is an error if it is named, alone or checked strictly',
  async (_, bad) => {
    const inputs = [{ id: 'bad', type: 'nope' }];
    const both = { inputs, mcpServers: { bad, good: GOOD } };
    const codes = ['MANIFEST_INVALID', 'PLAIN_HTTP_REFUSED'];
    expect(codes).toContain((await failureOf(load({ mcpServers: { bad } }))).code);
    expect(codes).toContain((await failureOf(load(both, { servers: ['bad'] }))).code);
    expect(codes).toContain((await failureOf(load(both, { servers: ['good', 'bad'] }))).code);
    expect(codes).toContain((await failureOf(load(both, { strict: true }))).code);
  },
);

test.each(FAULTY)('an entry with %s is no obstacle if it is disabled or another is named', async (_, bad) => {
  const named = await load({ mcpServers: { bad, good: GOOD } }, { servers: ['good'] });
  expect(named).toMatchObject({ servers: [{ name: 'good' }], rejected: [], warnings: [] });
  if (typeof bad !== 'object' || bad === null || Array.isArray(bad)) return;
  const disabled = Object.fromEntries([...Object.entries(bad), ['disabled', true]]);
  const all = await load({ mcpServers: { bad: disabled, good: GOOD } });
  expect(all).toMatchObject({ servers: [{ name: 'good' }], rejected: [], warnings: [] });
});

test.each([
  ['an empty name', '', 'the name of a server is empty'],
  ['a name that is a way up', '..', 'cannot be part of a URL'],
  ['a name that leads up', 'a/../b', 'cannot be part of a URL'],
  ['a name with a segment that is resolved', 'a/.', 'cannot be part of a URL'],
  ['a name that leads up on Windows', 'a\\..\\b', 'cannot be part of a URL'],
  ['control characters in its name', 'a\nb', 'must not hold control characters'],
  ['half a character in its name', 'a\ud800', 'must not hold control characters'],
])('an entry with %s is rejected alone', async (_, name, message) => {
  const manifest = await load({ mcpServers: { [name]: GOOD, good: GOOD } });
  expect(names(manifest)).toEqual(['good']);
  expect(rejectedOf(manifest)).toEqual({ [name]: expect.stringContaining(message) });
});

describe('a key or a name that occurs twice', () => {
  test.each([
    ['mcp.json', '{"mcpServers": {"a": {"command": "x", "command": "y"}, "b": {"command": "x"}}}'],
    ['mcp.yaml', 'mcpServers:\n  a:\n    command: x\n    command: y\n  b: {command: x}\n'],
  ])('in one entry of %s concerns that entry', async (file, text) => {
    const manifest = await loadText(text, {}, file);
    expect(names(manifest)).toEqual(['b']);
    expect(rejectedOf(manifest)).toEqual({
      a: expect.stringContaining('a.command: this key is there twice'),
    });
  });

  test.each([
    ['mcp.json', '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}, "b": {"command": "x"}}}'],
    ['mcp.yaml', 'mcpServers:\n  a: {command: x}\n  a: {command: y}\n  b: {command: x}\n'],
  ])('in one block of %s leaves it open which is meant: neither is served', async (file, text) => {
    const manifest = await loadText(text, {}, file);
    expect(names(manifest)).toEqual(['b']);
    expect(rejectedOf(manifest)).toEqual({
      a: expect.stringContaining('mcpServers.a: this key is there twice'),
    });
  });

  test('in two blocks rejects the second entry', async () => {
    const manifest = await load({
      mcpServers: { a: GOOD, b: GOOD },
      servers: { a: { command: 'y' }, c: GOOD },
    });
    expect(manifest.servers.map((spec) => [spec.name, commandOf(spec).command])).toEqual([
      ['a', 'x'],
      ['b', 'x'],
      ['c', 'x'],
    ]);
    expect(rejectedOf(manifest)).toEqual({
      a: expect.stringContaining('servers.a: "a" is also under "mcpServers"'),
    });
  });

  test.each([
    [
      'the serve block',
      '{"serve": {"port": 1, "port": 2}, "mcpServers": {"a": {"command": "x"}, "b": {"command": "x"}}}',
    ],
    ['the root', '{"mcpServers": {"a": {"command": "x"}}, "mcpServers": {"b": {"command": "x"}}}'],
  ])('in %s is an error of the file', async (_, text) => {
    expect((await problemsOf(loadText(text)))[0]).toContain('this key is there twice');
  });
});

describe('the whole file', () => {
  test.each([
    [{ mcpServers: { a: GOOD, b: GOOD }, serve: { prot: 1 } }, 'serve.prot: unknown key'],
    [{ mcpServers: { a: GOOD, b: GOOD }, serve: { host: '${NOPE}' } }, 'serve.host: the variable NOPE'],
    [{ mcpServers: { a: GOOD, b: GOOD }, serve: [] }, 'serve: must be an object'],
    [{ mcpServers: 7, servers: { a: GOOD, b: GOOD } }, 'mcpServers: must be an object of servers'],
  ])('%j is an error', async (value, message) => {
    expect((await problemsOf(load(value))).join('\n')).toContain(message);
  });

  test('is an error if no server is left, with all that is wrong', async () => {
    const lines = await problemsOf(
      load({ mcpServers: { a: { comand: 'x' }, b: 1, c: { ...GOOD, disabled: true } } }),
    );
    expect(lines).toHaveLength(2);
  });

  test('with nothing but faulty disabled entries has no server', async () => {
    expect((await failureOf(load({ mcpServers: { a: { command: 1, disabled: true } } }))).code).toBe(
      'NO_SERVERS',
    );
  });
});

test('a faulty input that no server refers to is a warning', async () => {
  const value = { inputs: [{ id: 'a', type: 'nope' }, 3], mcpServers: { a: GOOD, b: GOOD } };
  const manifest = await load(value);
  expect(names(manifest)).toEqual(['a', 'b']);
  expect(manifest.warnings).toEqual([
    expect.stringContaining('inputs[0].type: must be one of'),
    expect.stringContaining('inputs[1]: must be an object'),
  ]);
  expect(await problemsOf(load(value, { strict: true }))).toHaveLength(2);
});

test('a faulty entry of the later file is rejected, and the one of the earlier file does not take its place', async () => {
  const cwd = await createWorkspace({
    'a.json': JSON.stringify({ mcpServers: { one: GOOD, two: GOOD } }),
    'b.json': JSON.stringify({ mcpServers: { two: { command: 3 } } }),
    'c.json': JSON.stringify({ mcpServers: { two: { command: 'c' } } }),
  });
  const loadFiles = (...files: string[]): Promise<Manifest> => loadManifest({ files, cwd, env: {} });
  const manifest = await loadFiles('a.json', 'b.json');
  expect(names(manifest)).toEqual(['one']);
  expect(rejectedOf(manifest)).toEqual({ two: expect.stringMatching(/^b\.json:/) });
  expect(names(await loadFiles('a.json', 'b.json', 'c.json'))).toEqual(['one', 'two']);
});

describe('over stdio', () => {
  const stdio: LoadOptions = { overrides: { transports: ['stdio'] } };
  const value = { mcpServers: { bad: { command: '${NOPE}' }, good: GOOD } };

  test('the only server without errors is not taken for the one that is meant', async () => {
    expect(await failureOf(load(value, stdio))).toMatchObject({
      code: 'SERVER_AMBIGUOUS',
      fields: { count: 2, available: 'bad, good' },
    });
  });

  test('it is served if it is named', async () => {
    expect(names(await load(value, { ...stdio, servers: ['good'] }))).toEqual(['good']);
  });
});

test('inputs are asked for servers that are served only', async () => {
  const asked: string[] = [];
  const ask = ({ id }: Question): Promise<string> => {
    asked.push(id);
    return Promise.resolve('typed');
  };
  const input = (id: string): object => ({ id, type: 'promptString' });
  const manifest = await load(
    {
      inputs: [input('a'), input('b'), input('c')],
      mcpServers: {
        good: { command: 'x', args: ['${input:a}'] },
        bad: { command: 'x', args: ['${input:b}', '${NOPE}'] },
        off: { command: 'x', args: ['${input:c}'], disabled: true },
      },
    },
    { ask },
  );
  expect(asked).toEqual(['a']);
  expect(manifest.servers.map((spec) => commandOf(spec).args)).toEqual([['typed']]);
  expect(Object.keys(rejectedOf(manifest))).toEqual(['bad']);
});

test('an answer that makes an entry faulty rejects that entry', async () => {
  const value = {
    inputs: [{ id: 'url', type: 'promptString' }],
    mcpServers: { far: { url: '${input:url}' }, good: GOOD },
  };
  const manifest = await load(value, { ask: () => Promise.resolve('ftp://x/') });
  expect(names(manifest)).toEqual(['good']);
  expect(rejectedOf(manifest)).toEqual({ far: expect.stringContaining('"ftp://x/" is not an http') });
});

test('a value that looks like a reference does not make an entry vanish', async () => {
  const value = { mcpServers: { far: { url: '${U}', timeout: '${T}' }, good: GOOD } };
  const manifest = await load(value, { env: { U: 'https://x/', T: '${X}' } });
  expect(names(manifest)).toEqual(['good']);
  expect(Object.keys(rejectedOf(manifest))).toEqual(['far']);
});

test('command substitutions are passed on literally, with a warning unless a shell runs them', async () => {
  const args = ['$(date)', '$5 (each)', 'a$'];
  const manifest = await load({ mcpServers: { a: { command: 'x', args }, b: { command: '/bin/sh', args } } });
  expect(manifest.servers.map((spec) => commandOf(spec).args)).toEqual([args, args]);
  expect(manifest.warnings).toEqual([expect.stringContaining('mcpServers.a.args[0]: no shell runs "$(…)"')]);
});

test('the warnings of a rejected entry are not repeated beside its errors', async () => {
  const { warnings } = await load({ mcpServers: { a: { comand: 'x' }, b: GOOD } });
  expect(warnings).toEqual([]);
});

test('the inventory shows faulty entries with their errors, as far as the file alone shows them', async () => {
  const cwd = await createWorkspace({
    'mcp.json': JSON.stringify({
      mcpServers: {
        a: GOOD,
        b: { command: 3 },
        c: { command: '${X:?}', disabled: true },
        d: { command: '${NOPE}' },
      },
      servers: { a: GOOD },
    }),
  });
  const { servers } = await readInventory({ cwd, files: [join(cwd, 'mcp.json')], env: {} });
  expect(servers.map(({ name, disabled, error }) => [name, disabled, error?.code])).toEqual([
    ['a', false, undefined],
    ['b', false, 'MANIFEST_INVALID'],
    ['c', true, 'MANIFEST_INVALID'],
    ['d', false, undefined],
    ['a', false, 'MANIFEST_INVALID'],
  ]);
});

describe('names whose URLs collide', () => {
  test.each([
    [['a/b', 'a//b'], {}, 'the path /a//b/mcp would lead to two endpoints of "a/b" and "a//b"'],
    [['\u00e9', 'e\u0301'], {}, 'would lead to two endpoints of "\u00e9" and "e\u0301"'],
    [['a', 'a/x'], { httpPath: '/x/mcp', ssePath: '/mcp' }, 'the path /a/x/mcp would lead to two endpoints'],
    [['a'], { ssePath: '/a/mcp' }, 'the path /a/mcp would lead to two endpoints of "a"'],
  ])('%j with %j are an error', async (both, serve, message) => {
    const mcpServers = Object.fromEntries(both.map((name) => [name, GOOD]));
    const [line] = await problemsOf(load({ mcpServers, serve }));
    expect(line).toContain(message);
    expect(line).toMatch(/^mcp\.json:1:\d+: mcpServers/);
    await load({ mcpServers, serve }, { servers: [both[0] ?? ''], overrides: { transports: ['stdio'] } });
  });

  test('are none if they only look alike', async () => {
    const both = ['a', 'a/mcp', 'mcp', '@scope', '@scope/pkg', '%40scope/pkg', 'A', 'healthz'];
    const manifest = await load({ mcpServers: Object.fromEntries(both.map((name) => [name, GOOD])) });
    expect(names(manifest)).toEqual(both);
  });
});
