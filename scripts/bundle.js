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

/** What `serve --stdio` loads; with a URL, `REMOTE` as well. */
const START = [
  'cli/program.js',
  'cli/commands/serve.js',
  'cli/options/remote-options.js',
  'manifest/resolve/one-off.js',
  'observe/log.js',
  'gateway/gateway.js',
  'downstream/stdio.js',
  'upstream/stdio.js',
];
const REMOTE = 'upstream/http/remote.js';

/**
 * @param {string} compiled The folder with the output of the compiler.
 * @param {string} out
 */
export async function bundle(compiled, out) {
  const start = new Set(START.map((file) => join(compiled, file)));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const outside = new Set(Object.keys(dependencies).filter((name) => !INSIDE.includes(name)));
  const bundling = await rolldown({
    cwd: compiled,
    input: 'cli/main.js',
    platform: 'node',
    external: (id) => outside.has(id),
    plugins: [{ name: 'latin-1', renderChunk: asLatin1 }],
  });
  const { output } = await bundling.write({
    dir: out,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    minify: false,
    comments: { legal: false, annotation: false, jsdoc: false },
    codeSplitting: {
      groups: [
        { name: 'start', test: (id) => start.has(id), priority: 1 },
        { name: 'remote', test: (id) => id === join(compiled, REMOTE) },
      ],
    },
  });
  await bundling.close();
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  writeFileSync(join(out, 'THIRD-PARTY.txt'), noticesFor(modules));
}

/**
 * One other character, and V8 keeps all of the text in twice the memory, which costs time as well.
 * @param {string} code
 */
function asLatin1(code) {
  return code.replaceAll(/[^\0-\xff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
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
