import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseEnvFile } from '../../src/manifest/resolve/env-file.ts';
import { parseJsonText } from '../../src/manifest/read/parse-json.ts';
import { readManifestFile } from '../../src/manifest/read/read.ts';
import { redactSource, maskUrl } from '../../src/manifest/read/secrets.ts';
import { secretsOf } from '../../src/observe/known-secrets.ts';

const LENGTH = 1_000_000;

test('masks a URL of question marks in linear time', () => {
  const url = `https://host/${'?'.repeat(LENGTH)}token=abcdefgh`;
  expect(maskUrl(url).endsWith('?token=***')).toBe(true);
  expect(redactSource(url, undefined)).not.toContain('abcdefgh');
  expect(secretsOf({ kind: 'remote', url, headers: {}, oauth: undefined })).toContain('abcdefgh');
});

test('counts the lines of an env file once', () => {
  const { badLines, values } = parseEnvFile(`${'x\n'.repeat(LENGTH / 2)}A="1\n2"\ny\n`);
  expect(badLines.length).toBe(LENGTH / 2 + 1);
  expect(badLines.at(-1)).toBe(LENGTH / 2 + 3);
  expect(values).toEqual({ A: '1\n2' });
});

test('ends a comment of an env file in linear time', () => {
  expect(parseEnvFile(`A=b${' #'.repeat(LENGTH / 2)}\u2028`).values).toEqual({ A: 'b' });
});

test('reports the first faults of JSON that is wrong on each line', () => {
  expect(parseJsonText('x\n'.repeat(50_000)).faults.length).toBe(10);
});

test('reports many faults of one file in linear time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-run-long-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const keys = Array.from({ length: 60_000 }, () => '"x": 1');
  await writeFile(join(folder, 'm.json'), `{"a": {\n${keys.join(',\n')}}}`);
  const { faults } = await readManifestFile('m.json', folder);
  expect(faults.length).toBe(59_999);
  expect(faults.at(-1)).toMatchObject({ line: 60_001, column: 1 });
  expect(faults.at(-1)?.sourceLine).toBe('"x": 1}}');
});
