import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { LAUNCH_OPTIONS, SETTING_OPTIONS } from '../../src/cli/options/options.generated.ts';
import { ERRORS } from '../../src/errors.ts';
import { DEFAULT_SETTINGS } from '../../src/manifest/schema/defaults.generated.ts';
import { manifestJsonSchema } from '../../src/manifest/schema/json-schema.ts';
import { serveSchema } from '../../src/manifest/schema/serve-schema.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('everything generated is up to date', async () => {
  const run = promisify(execFile)(process.execPath, ['scripts/generate.js', '--check'], { cwd: root });
  await expect(run).resolves.toMatchObject({ stdout: '' });
});

test('every setting has a key, a flag, a variable and a default', () => {
  const settings = SETTING_OPTIONS.filter(({ isAlias = false }) => !isAlias).map(({ setting }) => setting);
  expect(settings.toSorted()).toEqual(Object.keys(DEFAULT_SETTINGS).toSorted());
  expect(SETTING_OPTIONS.map(({ key }) => key)).toEqual(Object.keys(serveSchema.shape));
  for (const { flag, env } of SETTING_OPTIONS) {
    expect(flag).toMatch(/^--[a-z-]+( |$)/);
    expect(env).toMatch(/^MCP_RUN_[A-Z_]+$/);
  }
});

test('no two options share a flag or a variable', () => {
  const rows = [...SETTING_OPTIONS, ...LAUNCH_OPTIONS];
  const flags = rows.flatMap(({ flag }) => flag ?? []);
  expect(new Set(flags).size).toBe(flags.length);
  const variables = rows.flatMap(({ env }) => env ?? []);
  expect(new Set(variables).size).toBe(variables.length);
});

test('every code of the catalogue is in docs/errors.md, and no other', async () => {
  const text = await readFile(`${root}docs/errors.md`, 'utf8');
  expect([...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code)).toEqual(Object.keys(ERRORS));
});

test('the published schema is closed where mcp-run is, and open where others write', () => {
  expect(manifestJsonSchema()).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    additionalProperties: {},
    properties: {
      mcpServers: {
        additionalProperties: { additionalProperties: {}, properties: { command: { type: 'string' } } },
      },
      serve: { additionalProperties: false, properties: { port: { default: 3000 } } },
    },
  });
});
