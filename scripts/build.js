// @ts-check
/**
 * `npm run build [-- --source-maps] [-- --out DIR]`: compiles `src/` to `dist/`, and bundles the command line.
 * The new `dist/` takes the place of the old one in one step, so that programs started meanwhile find one or the other.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.js';
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
  const folder = join(fresh, 'bundle');
  const maps = values['source-maps'] ? ['--sourceMap', '--inlineSources'] : [];
  await tool('tsc', ['-p', 'tsconfig.build.json', '--outDir', fresh, ...maps], 'typescript');
  if (values['source-maps']) {
    // What is measured line by line must run line by line.
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'main.cjs'),
      "exports.main = async () => (await import('../cli/main.js')).main();\n",
    );
  } else {
    await bundle(fresh, folder);
    // With source maps it is not what the package contains.
    writeFileSync(join(fresh, '.inputs'), inputs);
  }
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
