import { createHash } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mergeSettings, loadAccessTokens } from '../../src/manifest/resolve/layers.ts';
import { loadManifest } from '../../src/manifest/load.ts';
import { readTokens } from '../../src/manifest/resolve/tokens.ts';
import { commandOf, createWorkspace, only } from './workspace.ts';

const ALICE = 'alice-0123456789abcdef0123456789';
const BOB = 'bob:0123456789/+=abcdef0123456789';

async function tokenFile(text: string, mode = 0o600): Promise<string> {
  const file = join(await createWorkspace({ tokens: text }), 'tokens');
  await chmod(file, mode);
  return file;
}

function digests(...tokens: string[]): string[] {
  return tokens.map((token) => createHash('sha256').update(token).digest('hex'));
}

async function read(file: string | undefined, variable?: string) {
  const found = await readTokens({ file, variable });
  return {
    digests: found.digests.map((each) => Buffer.from(each).toString('hex')),
    warnings: found.warnings,
  };
}

test.each([
  ['one a line', `${ALICE}\n${BOB}`],
  ['Windows lines', `${ALICE}\r\n${BOB}\r\n`],
  ['old Mac lines', `${ALICE}\r${BOB}\r`],
  ['comments and blank lines', `# Alice\n${ALICE}\n\n  # Bob\n  ${BOB}  \n`],
  ['a byte order mark', `\uFEFF${ALICE}\n${BOB}\n`],
])('tokens are read with %s', async (_title, text) => {
  expect(await read(await tokenFile(text))).toEqual({ digests: digests(ALICE, BOB), warnings: [] });
});

test('the variable adds a token to those of the file, without the line break that a secret store leaves', async () => {
  expect(await read(await tokenFile(ALICE), `${BOB}\n`)).toEqual({
    digests: digests(ALICE, BOB),
    warnings: [],
  });
  expect(await read(undefined, '')).toEqual({ digests: [], warnings: [] });
});

test.each([
  ['holds nothing', '', /holds no token/],
  ['holds comments only', '# nothing\n\n', /holds no token/],
  ['holds a token with a space', `${ALICE}\nbob secret-word`, /line 2 is not a token/],
  ['holds a token that is not ASCII', 'pässword-pässword-pässword', /line 1 is not a token/],
])('a file that %s is refused, without saying what is in it', async (_title, text, message) => {
  const error: unknown = await read(await tokenFile(text)).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'TOKENS_INVALID',
    exitCode: 2,
    message: expect.stringMatching(message),
  });
  expect(String(error)).not.toMatch(/secret-word|pässword/);
});

test('a file that is not there is refused', async () => {
  await expect(read('/nowhere/tokens')).rejects.toMatchObject({ code: 'MANIFEST_UNREADABLE', exitCode: 2 });
});

test('a variable with white space only is refused', async () => {
  await expect(read(undefined, ' \n')).rejects.toMatchObject({ code: 'TOKENS_INVALID' });
});

test.runIf(process.platform !== 'win32')('a file that others may read draws a warning', async () => {
  expect((await read(await tokenFile(ALICE, 0o644))).warnings).toEqual([
    expect.stringContaining('chmod 600'),
  ]);
  expect((await read(await tokenFile(ALICE, 0o640))).warnings).toEqual([]);
});

test('a token that can be guessed draws a warning that does not show it', async () => {
  const { warnings } = await read(undefined, 'hunter2');
  expect(warnings).toEqual([expect.stringContaining('7 characters')]);
  expect(warnings.join()).not.toContain('hunter2');
});

test('an address that others reach needs a token, or --insecure', async () => {
  const open = mergeSettings([{ host: '0.0.0.0' }]);
  await expect(loadAccessTokens(open, {})).rejects.toMatchObject({ code: 'BIND_REFUSED', exitCode: 2 });
  expect((await loadAccessTokens(open, { MCP_RUN_TOKEN: ALICE })).digests).toHaveLength(1);
  expect((await loadAccessTokens({ ...open, insecure: true }, {})).digests).toEqual([]);
  expect((await loadAccessTokens(mergeSettings([{ host: '127.0.0.1' }]), {})).digests).toEqual([]);
});

test('over stdio alone nothing is asked for a token', async () => {
  const settings = mergeSettings([{ transports: ['stdio'], tokenFile: '/nowhere', host: '0.0.0.0' }]);
  expect((await loadAccessTokens(settings, { MCP_RUN_TOKEN: 'x y' })).digests).toEqual([]);
});

test('a manifest names its token file relative to itself, and a server never gets the token', async () => {
  const cwd = await createWorkspace({
    'etc/mcp.json': JSON.stringify({
      mcpServers: { a: { command: 'a', passEnv: ['*', 'MCP_RUN_TOKEN'] } },
      serve: { tokenFile: 'tokens' },
    }),
    'etc/tokens': ALICE,
  });
  const manifest = await loadManifest({
    files: ['etc/mcp.json'],
    cwd,
    env: { MCP_RUN_TOKEN: BOB, OTHER: '1' },
  });
  expect(manifest.tokens).toHaveLength(2);
  expect(commandOf(only(manifest)).env).toEqual({ OTHER: '1' });
  expect(JSON.stringify(manifest)).not.toMatch(/alice-0|bob:0/);
});

test('a manifest that would hand the token to a server is refused', async () => {
  const server = { command: 'a', env: { T: '${MCP_RUN_TOKEN}' }, args: ['--key=${env:MCP_RUN_TOKEN:-x}'] };
  const cwd = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers: { a: server } }) });
  const error: unknown = await loadManifest({ cwd, env: { MCP_RUN_TOKEN: ALICE } }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'MANIFEST_INVALID' });
  expect(String(error).match(/never handed to a server/g)).toHaveLength(2);
});
