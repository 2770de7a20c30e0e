/** Makes a test of every command block of a Markdown file. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseBlocks, type Block } from './blocks.ts';
import {
  cleanEnvironment,
  cloneFresh,
  developmentDependencies,
  freePort,
  installPacked,
  root,
  type Installed,
} from './places.ts';
import { startShell, type Running } from './shell.ts';

/** The port documents use; each run takes a free one instead. */
const DOCUMENTED_PORT = /\b3000\b/g;

export function testDocument(path: string): void {
  const blocks = parseBlocks(readFileSync(join(root, path), 'utf8'));
  // Blocks build on what the ones above them have written or started.
  describe.sequential(path, () => {
    const background = new Set<Running>();
    let installed: Installed;
    let clone: string | undefined;
    let port: number;

    beforeAll(async () => {
      // The servers that documents start with npx: from here, they need no download.
      installed = await installPacked(developmentDependencies(/^@modelcontextprotocol\/server-/));
      port = await freePort();
    }, 180_000);
    afterAll(async () => {
      await stopAll();
      for (const folder of [installed.folder, dirname(installed.tarball), clone]) {
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      }
    }, 60_000);

    test('has command blocks', () => {
      expect(blocks.filter(({ kind }) => kind !== 'stop')).not.toEqual([]);
    });

    for (const block of blocks) {
      const title = `line ${block.line}: ${block.kind === 'file' ? block.file : (block.text.split('\n')[0] ?? '')}`;
      if (block.kind === 'stop') test(`line ${block.line}: stops what runs in the background`, stopAll);
      else test(title, () => perform(block), 180_000);
    }

    async function perform(block: Block): Promise<void> {
      const cwd = placeOf(block);
      const text = adapt(block.text);
      if (block.kind === 'file') return writeFileSync(join(cwd, block.file), `${text}\n`);
      const running = startShell(text, { cwd, env: environment() });
      if (block.kind === 'background') {
        background.add(running);
        await running.until(block.ready ?? /./);
        return;
      }
      const exitCode = await running.ended;
      expect({ exitCode, output: running.output() }).toMatchObject({ exitCode: block.exitCode });
      if (block.expect !== undefined) expect(running.output()).toMatch(block.expect);
    }

    function placeOf(block: Block): string {
      if (!block.clone) return installed.folder;
      return (clone ??= cloneFresh());
    }

    function adapt(text: string): string {
      return text
        .replaceAll(DOCUMENTED_PORT, String(port))
        .replaceAll(/^(npm (?:i|install)\b.*?) mcp-run$/gm, `$1 ${installed.tarball}`);
    }

    function environment(): NodeJS.ProcessEnv {
      const globals = join(installed.folder, '.global');
      const path = [
        join(installed.folder, 'node_modules', '.bin'),
        join(globals, 'bin'),
        process.env['PATH'],
      ];
      return {
        ...cleanEnvironment(),
        PATH: path.join(delimiter),
        PORT: String(port),
        npm_config_prefix: globals,
        npm_config_yes: 'true',
        npm_config_prefer_offline: 'true',
      };
    }

    async function stopAll(): Promise<void> {
      await Promise.all([...background].map((running) => running.stop()));
      background.clear();
    }
  });
}
