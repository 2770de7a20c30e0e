// @ts-check
/** Modules of `src/`, loaded from their sources: what is generated from them is itself part of the next build. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { root } from './run.js';

/**
 * Modules that are loaded together share the modules that they import.
 * @param {readonly string[]} paths below `src/`, without extension
 * @returns {Promise<any[]>} their exports, in the same order
 */
export async function loadSources(paths) {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-sources-'));
  try {
    const bundling = await rolldown({
      cwd: root,
      input: Object.fromEntries(paths.map((path) => [path, join('src', `${path}.ts`)])),
      platform: 'node',
    });
    await bundling.write({
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].mjs',
      chunkFileNames: '[name].mjs',
    });
    await bundling.close();
    return await Promise.all(paths.map((path) => import(pathToFileURL(join(folder, `${path}.mjs`)).href)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
