// @ts-check
/**
 * Node 24, and tools that need it, from npm, kept in `.cache/`: the official conformance suite and the Inspector's CLI. They
 * are no dependencies of the project, whose own Node is too old for them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.js';
import { npm } from './run.js';

const IS_WINDOWS = process.platform === 'win32';
const NODE_PACKAGE = `node-${IS_WINDOWS ? 'win' : process.platform}-${process.arch}`;
const PACKAGES = [
  `${NODE_PACKAGE}@24.21.0`,
  '@modelcontextprotocol/conformance@0.2.0-alpha.12',
  '@modelcontextprotocol/inspector@2.12.0',
];

/**
 * @typedef {object} Node24
 * @property {string} node The executable.
 * @property {string} conformance A script for it.
 * @property {string} inspector A script for it.
 */

/** Absolute paths; installs on first use, which takes about 20 s. @returns {Promise<Node24>} */
export async function toolsOfNode24() {
  const home = await cached('node24', PACKAGES, install);
  return {
    node: join(home, 'node_modules', NODE_PACKAGE, 'bin', IS_WINDOWS ? 'node.exe' : 'node'),
    conformance: entryOf(home, '@modelcontextprotocol/conformance', 'conformance'),
    inspector: entryOf(home, '@modelcontextprotocol/inspector', 'mcp-inspector'),
  };
}

/** @param {string} folder */
async function install(folder) {
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // npm would check the engines against the Node that runs it, which is not the one that runs these.
  await npm(['install', '--prefix', folder, ...quiet, '--force', ...PACKAGES], { show: true });
}

/** @param {string} home @param {string} name @param {string} command */
function entryOf(home, name, command) {
  const folder = join(home, 'node_modules', ...name.split('/'));
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}
