// @ts-check
/** The import table of docs/architecture.md, as data: which folder of `src/` may import what. */

/**
 * @typedef {object} Layer
 * @property {readonly string[]} folders  Folders, or single modules without extension, it may import besides itself.
 * @property {readonly string[]} packages npm packages that only this layer may import.
 * @property {readonly string[] | 'any'} node Built-in modules it may import.
 */

/** Built-in modules that compute and nothing else: no files, sockets, processes or clocks. */
const PURE = ['assert', 'buffer', 'crypto', 'events', 'string_decoder', 'util'];

/**
 * `config`, `errors.ts` and `clock.ts` are open to all layers; `config` itself imports nothing. A file directly in `src/` is a
 * layer of its own, named without its extension.
 * @type {Readonly<Record<string, Layer>>}
 */
const LAYERS = {
  index: { folders: ['gateway', 'manifest', 'observe', 'protocol'], packages: [], node: PURE },
  config: { folders: [], packages: [], node: [] },
  errors: { folders: ['observe/printable'], packages: [], node: [] },
  clock: { folders: [], packages: [], node: [] },
  cli: {
    folders: ['gateway', 'inspect', 'manifest', 'files', 'observe'],
    packages: ['commander', 'chalk'],
    node: 'any',
  },
  gateway: {
    folders: ['downstream', 'router', 'upstream', 'link', 'manifest', 'files/package-file', 'observe'],
    packages: [],
    node: 'any',
  },
  inspect: {
    folders: ['upstream', 'router/negotiation', 'link', 'era', 'manifest', 'observe', 'protocol'],
    packages: [],
    node: 'any',
  },
  link: { folders: ['protocol', 'era'], packages: [], node: PURE },
  downstream: {
    folders: ['link', 'protocol', 'observe', 'era/envelope'],
    packages: ['fastify', '@fastify/cors'],
    node: 'any',
  },
  places: {
    folders: ['gateway', 'downstream', 'link', 'manifest', 'observe'],
    packages: ['fastify', 'fastify-plugin'],
    node: PURE,
  },
  router: { folders: ['link', 'protocol', 'era', 'observe'], packages: [], node: PURE },
  upstream: {
    folders: ['process', 'link', 'protocol', 'files', 'observe', 'era/envelope', 'era/own-client'],
    packages: ['undici', 'eventsource-parser', '@modelcontextprotocol/client'],
    node: 'any',
  },
  process: { folders: ['files', 'observe'], packages: ['cross-spawn'], node: 'any' },
  era: { folders: ['protocol'], packages: [], node: ['buffer', 'crypto'] },
  files: { folders: [], packages: [], node: ['fs'] },
  manifest: {
    folders: [
      'files',
      'observe/find-secrets',
      'observe/known-secrets',
      'observe/redact',
      'observe/secret-args',
      'observe/secret-names',
    ],
    packages: ['zod', 'jsonc-parser', 'yaml', 'smol-toml'],
    node: 'any',
  },
  observe: { folders: [], packages: ['pino-pretty'], node: 'any' },
  protocol: { folders: [], packages: [], node: [...PURE, 'stream'] },
  demo: { folders: ['protocol'], packages: [], node: 'any' },
};

const OPEN_TO_ALL = ['config', 'errors', 'clock'];

/** Folders of one layer that may not import each other. */
const APART = [['router/legacy-to-modern', 'router/modern-to-legacy']];

/** Built-in modules that belong to one layer even though others are free to use the rest. */
const NODE_OWNERS = { child_process: 'process' };

/**
 * Why the module `from` (a path below `src/`, with `/`) may not import `specifier`; undefined when it may.
 * @param {string} from
 * @param {string} specifier
 * @returns {string | undefined}
 */
export function refuseImport(from, specifier) {
  const name = layerOf(from);
  const layer = LAYERS[name];
  if (layer === undefined) return `src/${name} is not in the import table (scripts/lint/layers.js)`;
  if (specifier.startsWith('.')) return refuseModule(name, layer, from, specifier);
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return 'import by a relative path';
  if (specifier.startsWith('node:')) return refuseNode(name, layer, specifier.slice('node:'.length));
  return refusePackage(name, layer, specifier);
}

/** @param {string} path */
function layerOf(path) {
  const [first = ''] = path.split('/');
  return withoutExtension(first);
}

/** @param {string} name @param {Layer} layer @param {string} from @param {string} specifier */
function refuseModule(name, layer, from, specifier) {
  const target = resolve(from, specifier);
  if (target === undefined) return 'the import leaves src/';
  const module = withoutExtension(target);
  const apart = refuseApart(from, module);
  if (apart !== undefined) return apart;
  const open = [name, ...(name === 'config' ? [] : OPEN_TO_ALL), ...layer.folders];
  if (open.some((allowed) => module === allowed || module.startsWith(`${allowed}/`))) return undefined;
  return `src/${name} may not import src/${module}; it may import ${open.slice(1).join(', ') || 'nothing'}`;
}

/** @param {string} from @param {string} module */
function refuseApart(from, module) {
  for (const folders of APART) {
    const home = folders.find((folder) => from.startsWith(`${folder}/`));
    const other = folders.find((folder) => folder !== home && module.startsWith(`${folder}/`));
    if (home !== undefined && other !== undefined)
      return `src/${home} and src/${other} may not import each other`;
  }
  return undefined;
}

/** @param {string} name @param {Layer} layer @param {string} module */
function refuseNode(name, layer, module) {
  const [base = ''] = module.split('/');
  for (const [owned, owner] of Object.entries(NODE_OWNERS)) {
    if (base === owned && name !== owner) return `only src/${owner} may import node:${owned}`;
  }
  if (layer.node === 'any' || layer.node.includes(base)) return undefined;
  return `src/${name} does no I/O: it may not import node:${module}`;
}

/** @param {string} name @param {Layer} layer @param {string} specifier */
function refusePackage(name, layer, specifier) {
  const parts = specifier.split('/');
  const wanted = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
  if (wanted !== undefined && layer.packages.includes(wanted)) return undefined;
  const owners = Object.keys(LAYERS).filter((other) => LAYERS[other]?.packages.includes(wanted ?? ''));
  if (owners.length > 0) return `only src/${owners.join(', src/')} may import ${wanted}`;
  return `src/${name} may not import the package ${wanted} (built-in modules are written node:…)`;
}

/**
 * The path below `src/` that a relative specifier means; undefined when it is outside.
 * @param {string} from @param {string} specifier
 */
function resolve(from, specifier) {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '.' || part === '') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}

/** @param {string} path */
function withoutExtension(path) {
  return path.replace(/\.[cm]?[jt]s$/, '');
}
