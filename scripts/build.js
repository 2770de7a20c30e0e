// @ts-check
/**
 * `npm run build [-- --source-maps] [-- --out DIR]`: compiles `src/` to `dist/`.
 * The new `dist/` takes the place of the old one in one step, so that programs started meanwhile find one or the other.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hashInputs } from './ensure-ready.js';
import { CommandFailed, root, tool } from './run.js';

const { values } = parseArgs({ options: { 'source-maps': { type: 'boolean' }, out: { type: 'string' } } });
const out = join(root, values.out ?? 'dist');
const fresh = `${out}.new-${process.pid}`;
const old = `${out}.old-${process.pid}`;

try {
  await build();
} catch (error) {
  process.stderr.write(error instanceof CommandFailed ? error.output : String(error));
  process.exitCode = 1;
} finally {
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
}

async function build() {
  const inputs = hashInputs();
  const maps = values['source-maps'] ? ['--sourceMap', '--inlineSources'] : [];
  await tool('tsc', ['-p', 'tsconfig.build.json', '--outDir', fresh, ...maps], 'typescript');
  // Without source maps only: with them it is not what the package contains.
  if (!values['source-maps']) writeFileSync(join(fresh, '.inputs'), inputs);
  renameIfPresent(out, old);
  renameSync(fresh, out);
}

/** @param {string} from @param {string} to */
function renameIfPresent(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
