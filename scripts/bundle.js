// @ts-check
/**
 * Bundles what the command line runs. A module costs about a millisecond to find and load, and more when it is an ES
 * module, or a package that is imported from one; `mcp-run serve --stdio` would need some 200 of them.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from './run.js';

/**
 * What is needed at each start, and what is an ES module only: a warning away from `require` in some versions of Node. The
 * other packages stay what they are, and are loaded when they are needed.
 */
const INSIDE = ['chalk', 'commander', 'eventsource-parser'];

/** What answers `--version`. */
const FIRST = ['cli/main.js'];
/** What `serve --stdio` loads, with a command or a URL. */
const START = [
  'cli/program.js',
  'cli/commands/serve.js',
  'cli/remote-options.js',
  'manifest/one-off.js',
  'observe/log.js',
  'gateway/gateway.js',
  'downstream/stdio.js',
  'upstream/stdio.js',
  'upstream/http/remote.js',
];

/**
 * @param {string} compiled The folder with the output of the compiler.
 * @param {string} out
 */
export async function bundle(compiled, out) {
  /** @param {readonly string[]} files */
  const those = (files) => {
    const paths = new Set(files.map((file) => join(compiled, file)));
    return (/** @type {string} */ id) => paths.has(id);
  };
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const outside = new Set(Object.keys(dependencies).filter((name) => !INSIDE.includes(name)));
  const bundling = await rolldown({
    cwd: compiled,
    input: 'cli/main.js',
    platform: 'node',
    external: (id) => outside.has(id),
  });
  const { output } = await bundling.write({
    dir: out,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    comments: { legal: false, annotation: false, jsdoc: false },
    codeSplitting: {
      groups: [
        { name: 'first', test: those(FIRST), priority: 2 },
        { name: 'start', test: those(START), priority: 1 },
      ],
    },
  });
  await bundling.close();
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  writeFileSync(join(out, 'THIRD-PARTY.txt'), noticesFor(modules));
}

/**
 * The licences of the packages that these modules belong to.
 * @param {readonly string[]} modules
 */
function noticesFor(modules) {
  const folders = new Set(modules.flatMap((id) => packageOf(id) ?? []));
  const notices = [...folders].toSorted().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const licence = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    if (licence === undefined) throw new Error(`${name} comes without its licence`);
    return `${name} ${version}\n\n${readFileSync(join(folder, licence), 'utf8').trim()}\n`;
  });
  return `The files of this folder contain parts of:\n\n${notices.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/**
 * The folder of the package that a module was installed with; nothing for our own.
 * @param {string} id
 */
function packageOf(id) {
  if (!id.includes('node_modules')) return undefined;
  let folder = dirname(id);
  // Folders inside of packages may have a `package.json` that says no more than their type.
  while (!existsSync(join(folder, 'package.json')) || !isNamed(folder)) folder = dirname(folder);
  return folder;
}

/** @param {string} folder */
function isNamed(folder) {
  return 'name' in JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
