import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadManifest, type LoadOptions } from '../../src/manifest/load.ts';
import { createWorkspace, failureOf } from './workspace.ts';

/** A folder with a good server beside an entry, and with a pipe that no process writes into. */
async function folderWith(entry: object): Promise<string> {
  const manifest = { mcpServers: { good: { command: 'x' }, bad: entry } };
  const folder = await createWorkspace({ 'mcp.json': JSON.stringify(manifest) });
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  return folder;
}

function loadIn(cwd: string, options: LoadOptions = {}) {
  return loadManifest({ files: ['mcp.json'], cwd, env: {}, ...options });
}

const remote = { url: 'https://example.com/mcp' };

describe.each(['pipe', '/dev/zero', '/dev/tty'])('a file that is %s', (file) => {
  test.each([
    ['envFile', { command: 'x', envFile: file }],
    ['headersFile', { ...remote, headersFile: file }],
    ['oauth.clientSecretFile', { ...remote, oauth: { clientId: 'c', clientSecretFile: file } }],
    [
      'oauth.privateKeyFile',
      { ...remote, oauth: { clientId: 'c', privateKeyFile: file, grant: 'client-credentials' } },
    ],
  ])('is rejected as %s, and the other server is served', async (_key, entry) => {
    const { servers, rejected } = await loadIn(await folderWith(entry));
    expect(servers.map(({ name }) => name)).toEqual(['good']);
    expect(rejected?.map(({ name }) => name)).toEqual(['bad']);
    expect(JSON.stringify(rejected)).toContain('a pipe, a device or a socket');
  });

  test('is refused as a manifest, a token file and an env file of the command line', async () => {
    const folder = await folderWith({ command: 'y' });
    const error = await failureOf(loadManifest({ files: [file], cwd: folder, env: {} }));
    expect(error).toMatchObject({ code: 'MANIFEST_UNREADABLE' });
    const path = file.startsWith('/') ? file : join(folder, file);
    for (const options of [{ overrides: { tokenFile: path } }, { child: { envFiles: [path] } }])
      expect(await failureOf(loadIn(folder, options))).toMatchObject({ code: 'MANIFEST_UNREADABLE' });
  });
});
