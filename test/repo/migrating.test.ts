/** docs/migrating.md: its commands run, and it promises no option that does not exist. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testDocument } from './support/document.ts';
import { root } from './support/places.ts';

testDocument('docs/migrating.md');

test('every option in the middle column of its tables is one of ours', () => {
  const help = execFileSync(process.execPath, [join(root, 'bin/mcp-run.js'), 'serve', '--help'], {
    encoding: 'utf8',
  });
  const rows = readFileSync(join(root, 'docs/migrating.md'), 'utf8').matchAll(/^\|[^|]+\|([^|]+)\|/gm);
  const named = [...rows].flatMap(([, ours = '']) => ours.match(/--[a-z][a-z-]+/g) ?? []);
  expect(new Set(named).size).toBeGreaterThan(15);
  expect(named.filter((option) => !new RegExp(`${option}\\b`).test(help))).toEqual([]);
});
