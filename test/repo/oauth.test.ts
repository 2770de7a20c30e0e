/** docs/oauth.md: its commands run, and the settings that it names exist. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testDocument } from './support/document.ts';
import { root } from './support/places.ts';

testDocument('docs/oauth.md');

test('every setting and flag in its tables is one of ours', () => {
  const read = (file: string): string => readFileSync(join(root, file), 'utf8');
  const named = read('docs/oauth.md').match(/`(?:oauth\.\w+|--oauth-[a-z-]+)`/g) ?? [];
  const options = read('docs/options.md');
  expect(new Set(named).size).toBeGreaterThan(7);
  expect(named.filter((name) => !options.includes(name.slice(1, -1)))).toEqual([]);
});
