// @ts-check
/** The tarball as npm would publish it. */
import { join } from 'node:path';
import { npm } from './run.js';

/** Packs what is built into `folder`; resolves with the tarball's path. @param {string} folder */
export async function pack(folder) {
  // Without the scripts: who calls this has built already, and a build would replace `dist/` under running tests.
  const output = await npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
  return join(folder, output.trim().split('\n').at(-1) ?? '');
}
