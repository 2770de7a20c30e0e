import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseEnvFile } from '../../src/manifest/resolve/env-file.ts';
import {
  childEnvironment,
  variableLookup,
  wholeEnvironment,
} from '../../src/manifest/resolve/environment.ts';
import { loadManifest } from '../../src/manifest/load.ts';
import { MARKER } from '../../src/process/marker.ts';
import { commandOf, createWorkspace } from './workspace.ts';

const OURS = {
  HOME: '/home/u',
  PATH: '/bin',
  SHELL: '/bin/sh',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'C',
  TZ: 'UTC',
  HTTPS_PROXY: 'http://proxy',
  no_proxy: 'localhost',
  NODE_EXTRA_CA_CERTS: '/ca.pem',
  SSL_CERT_FILE: '/ssl.pem',
  AWS_KEY: 'a',
  AWS_SECRET: 'b',
  NODE_OPTIONS: '--inspect',
  MCP_RUN_INPUT_TOKEN: 't',
  [MARKER]: 'a1:b2',
  MCP_RUN_TOKEN: 't',
  mcp_run_token: 't',
  TERM: '() { :; }',
};

function child(passEnv: string[], ...set: Record<string, string>[]): Record<string, string> {
  return { ...childEnvironment({ from: OURS, passEnv, set, platform: 'linux' }) };
}

describe('the environment of a server', () => {
  test('is the safe list, certificates, proxies and language', () => {
    expect(Object.keys(child([])).toSorted()).toEqual([
      'HOME',
      'HTTPS_PROXY',
      'LANG',
      'LC_ALL',
      'NODE_EXTRA_CA_CERTS',
      'PATH',
      'SHELL',
      'SSL_CERT_FILE',
      'TZ',
      'no_proxy',
    ]);
  });

  test('gets the variables that are passed by name or prefix', () => {
    expect(child(['AWS_*', 'NODE_OPTIONS'])).toMatchObject({
      AWS_KEY: 'a',
      AWS_SECRET: 'b',
      NODE_OPTIONS: '--inspect',
    });
  });

  test('never gets our own variables, from a wildcard or by name', () => {
    const env = child(['*', 'MCP_*', 'MCP_RUN_TOKEN', 'mcp_run_token', MARKER]);
    expect(Object.keys(env).filter((name) => /^MCP_RUN_|^_MCPR/i.test(name))).toEqual([]);
    expect(child(['*'])).toHaveProperty('NODE_OPTIONS');
  });

  test('has a marker that is no variable of a manifest', () => {
    const lookup = variableLookup({ [MARKER]: 'id', HOME: '/home/me' });
    expect([lookup(MARKER), lookup('HOME'), lookup('toString')]).toEqual([undefined, '/home/me', undefined]);
  });

  test('takes what is set last', () => {
    expect(child([], { PATH: '/file', A: '1' }, { PATH: '/env' })).toMatchObject({ PATH: '/env', A: '1' });
  });

  test('may hold a variable called __proto__', () => {
    const values: Record<string, string> = Object.create(null);
    values['__proto__'] = 'x';
    expect(Object.entries(childEnvironment({ from: {}, passEnv: [], set: [values] }))).toEqual([
      ['__proto__', 'x'],
    ]);
  });

  test('is looked up in any case on Windows, and holds each variable once', () => {
    const env = childEnvironment({
      from: { Path: 'C:\\', SystemRoot: 'C:\\Windows', HOME: 'no' },
      passEnv: [],
      set: [{ PATH: 'D:\\' }],
      platform: 'win32',
    });
    expect({ ...env }).toEqual({ SystemRoot: 'C:\\Windows', PATH: 'D:\\' });
  });

  test('behind a wrapper is everything but our own variables', () => {
    const env = wholeEnvironment(OURS, [{ A: '1' }], 'linux');
    expect(env).toMatchObject({ NODE_OPTIONS: '--inspect', TERM: '() { :; }', A: '1' });
    expect(Object.keys(env).filter((name) => /^MCP_RUN_|^_MCPR/i.test(name))).toEqual([]);
  });
});

test.each([
  ['A=1', { A: '1' }],
  ['export A = x y  # note', { A: 'x y' }],
  ['A="x # y" # note', { A: 'x # y' }],
  ["A='it\\n'", { A: 'it\\n' }],
  ['A="a\\nb\\"c\\q"', { A: 'a\nb"c\\q' }],
  ['A="first\nsecond"\nB=2', { A: 'first\nsecond', B: '2' }],
  ['\uFEFFA=1\r\nB=2\r\n', { A: '1', B: '2' }],
  ['A=\n\n# note\nB=a=b', { A: '', B: 'a=b' }],
  ['A=http://x/#frag', { A: 'http://x/#frag' }],
])('the env file %j is read', (text, values) => {
  const file = parseEnvFile(text);
  expect({ ...file.values }).toEqual(values);
  expect(file.badLines).toEqual([]);
});

test('variables of mcp-run in an env file are left out, in every spelling', () => {
  const text =
    'A=1\nMCP_RUN_TOKEN=t\nexport mcp_run_log_level="debug"\nMcp_Run_X=1\n_MCPR_CHILD=1\nXMCP_RUN_A=2';
  const { values, ownNames, badLines } = parseEnvFile(text);
  expect({ ...values }).toEqual({ A: '1', XMCP_RUN_A: '2' });
  expect(ownNames).toEqual(['MCP_RUN_TOKEN', 'mcp_run_log_level', 'Mcp_Run_X', '_MCPR_CHILD']);
  expect(badLines).toEqual([]);
});

test('variables of mcp-run in an env file reach no server, and a warning names them once', async () => {
  const cwd = await createWorkspace({
    'mcp.json': JSON.stringify({ mcpServers: { a: { command: 'x', envFile: '.env' }, b: { command: 'y' } } }),
    '.env': 'A=1\nMCP_RUN_TOKEN=t\n',
    'more.env': 'B=2\nMCP_RUN_LOG_LEVEL=debug\n',
  });
  const child = { envFiles: [join(cwd, 'more.env')] };
  const { servers, warnings } = await loadManifest({ files: ['mcp.json'], cwd, env: {}, child });
  for (const server of servers) expect(JSON.stringify(commandOf(server).env)).not.toMatch(/MCP_RUN/);
  expect(warnings).toEqual([
    expect.stringContaining('more.env: MCP_RUN_LOG_LEVEL ignored'),
    expect.stringContaining('.env: MCP_RUN_TOKEN ignored'),
  ]);
});

test('lines of an env file that are not assignments are told by number', () => {
  expect(parseEnvFile('A=1\nnot an assignment\n\n=x\nB=2').badLines).toEqual([2, 4]);
});
