/** The pages on the code name files that exist, and stay short. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './support/places.ts';

const PAGES = [
  'docs/architecture.md',
  'docs/decisions.md',
  'docs/embedding.md',
  'docs/oauth.md',
  'docs/processes.md',
  'docs/protocol.md',
  'docs/remote-servers.md',
  'docs/routing.md',
  'docs/supervision.md',
  'CONTRIBUTING.md',
];
const MAX_LINES = 200;

const FILES = ['src', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
);

describe.each(PAGES)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');

  it('names only source files and folders that exist', () => {
    const files = [...text.matchAll(/`([a-z0-9/.-]+\.ts)`/g)].map(([, file = '']) => file);
    expect(files.filter((file) => !FILES.some((known) => `/${known}`.endsWith(`/${file}`)))).toEqual([]);
    const folders = [...text.matchAll(/`((?:[a-z-]+\/)+)`/g)].map(([, folder = '']) => folder);
    const known = new Set(readdirSync(root, { encoding: 'utf8' }).map((entry) => `${entry}/`));
    const isFolder = (folder: string): boolean =>
      known.has(`${folder.split('/')[0]}/`) || FILES.some((file) => `/${file}`.includes(`/${folder}`));
    expect(folders.filter((folder) => !isFolder(folder))).toEqual([]);
  });
});

it('the page on the architecture has at most 200 lines', () => {
  const lines = readFileSync(join(root, 'docs/architecture.md'), 'utf8').split('\n');
  expect(lines.length).toBeLessThanOrEqual(MAX_LINES);
});
