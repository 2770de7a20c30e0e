import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/paths.ts';
import { start } from './binary.ts';
import { run } from './terminal.ts';

test.each([[], ['--json']])('schema prints the file that the package ships (%j)', async (...argv) => {
  const { code, stdout, stderr } = await start(['schema', ...argv]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(await readFile(join(ROOT, 'schema/mcp-run.schema.json'), 'utf8'));
});

test('schema takes no file', async () => {
  expect(await run(['schema', 'x.json'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('schema takes no file'),
  });
});
