import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { takeEnvironment } from '../../../src/cli/options/environment.ts';
import { forgetSecrets } from '../../../src/cli/forget-secrets.ts';
import { inspectManifest } from '../../../src/manifest/load.ts';
import { createWorkspace } from '../../manifest/workspace.ts';
import { fixtureServer, MCP_RUN } from '../../support/paths.ts';
import { createTerminal } from '../terminal.ts';

test('our own variables are taken out of the environment, and the copy has them', () => {
  const env = { MCP_RUN_TOKEN: 'a', mcp_run_input_key: 'b', HOME: '/h', _MCPR_CHILD: 'c' };
  expect(takeEnvironment(env, 'linux')).toEqual({
    MCP_RUN_TOKEN: 'a',
    mcp_run_input_key: 'b',
    HOME: '/h',
    _MCPR_CHILD: 'c',
  });
  expect(env).toEqual({ HOME: '/h', _MCPR_CHILD: 'c' });
});

test('the copy of the environment of Windows is read in any case', () => {
  const env = takeEnvironment({ Path: 'x' }, 'win32');
  expect(env['PATH']).toBe('x');
  expect(Object.hasOwn(env, 'path')).toBe(true);
  expect(Object.keys(env)).toEqual(['Path']);
});

test('variables that servers are given as secrets are forgotten, and no others', async () => {
  const cwd = await createWorkspace({
    'mcp.json': JSON.stringify({
      mcpServers: {
        a: {
          command: 'does-not-exist',
          args: ['${POSITIONAL_TOKEN}', '${PLAIN}'],
          env: { API_KEY: '${NEUTRAL}', URL: 'postgres://u:${DB_PASSWORD}@h/x', HOME_TOKEN: '${HOME}' },
          passEnv: ['PASSED_SECRET', 'PASSED'],
        },
      },
    }),
  });
  const env = {
    POSITIONAL_TOKEN: 'positional-value',
    PLAIN: 'plain-value',
    NEUTRAL: 'neutral-value',
    DB_PASSWORD: 'database-value',
    HOME: '/home/me',
    PASSED_SECRET: 'passed-value',
    PASSED: 'other-value',
    UNUSED_TOKEN: 'unused-value',
  };
  const forgotten: string[] = [];
  const { manifest } = await inspectManifest({ files: ['mcp.json'], cwd, env });
  const { context } = createTerminal({ env, forgetVariables: (names) => forgotten.push(...names) });
  forgetSecrets(manifest, context);
  expect(forgotten.toSorted()).toEqual(['DB_PASSWORD', 'NEUTRAL', 'PASSED_SECRET', 'POSITIONAL_TOKEN']);
});

test('the process has none of them in its environment, and its server has what it is given', async () => {
  const [command, ...args] = fixtureServer('behaviours');
  const cwd = await createWorkspace({
    'mcp.json': JSON.stringify({
      mcpServers: { a: { command, args, env: { SERVER_KEY: '${SHELL_KEY}' } } },
    }),
    'dump.cjs': `process.on('exit', () => require('node:fs').writeFileSync('dump', JSON.stringify(process.env)));`,
  });
  const { code } = await promisify(execFile)(
    process.execPath,
    ['--require', join(cwd, 'dump.cjs'), MCP_RUN, 'check', 'mcp.json'],
    {
      cwd,
      env: {
        PATH: process.env['PATH'],
        SHELL_KEY: 'shell-value',
        MCP_RUN_TOKEN: 'token-value-token',
        SAFE: '1',
      },
    },
  ).then(
    () => ({ code: 0 }),
    (error: { code: number }) => error,
  );
  expect(code).toBe(0);
  const dumped = await readFile(join(cwd, 'dump'), 'utf8');
  expect(dumped).toContain('"SAFE":"1"');
  expect(dumped).not.toMatch(/shell-value|token-value/);
});
