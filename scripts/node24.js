// @ts-check
/** Node 24 and the tools that need it, from npm, kept in `.cache/`. */
import { join } from 'node:path';
import { root, run } from './run.js';

/** @type {Promise<{ node: string, conformance: string, inspector: string }> | undefined} */
let installed;

/** Absolute paths; installs on first use. */
export function toolsOfNode24() {
  installed ??= install();
  return installed;
}

async function install() {
  const output = await run(process.execPath, [join(root, 'test', 'support', 'node24-install.js')]);
  // npm's own notices come before it.
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}
