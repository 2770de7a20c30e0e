// @ts-check
/** Lint rules of this repository, loaded by .oxlintrc.json. */
import { relative, sep } from 'node:path';
import { refuseImport } from './layers.js';

/** `mcp-run/layers`: every import inside `src/` obeys the import table, whatever its syntax. */
const layers = {
  meta: { type: 'problem', messages: { refused: '{{reason}}' } },
  /** @param {any} context */
  create(context) {
    const path = relative(context.cwd, context.filename).split(sep);
    if (path[0] !== 'src') return {};
    const from = path.slice(1).join('/');
    /** @param {any} node @param {any} source */
    const check = (node, source) => {
      if (source === null || source === undefined) return;
      const reason =
        typeof source.value === 'string'
          ? refuseImport(from, source.value)
          : 'the module to import must be a plain string, so that the import table can be checked';
      if (reason !== undefined) context.report({ node, messageId: 'refused', data: { reason } });
    };
    return {
      ImportDeclaration: (/** @type {any} */ node) => check(node, node.source),
      ExportAllDeclaration: (/** @type {any} */ node) => check(node, node.source),
      ExportNamedDeclaration: (/** @type {any} */ node) => check(node, node.source),
      ImportExpression: (/** @type {any} */ node) => check(node, node.source),
      TSImportType: (/** @type {any} */ node) => check(node, node.source ?? node.argument?.literal),
      /** @param {any} node */
      CallExpression(node) {
        if (loadsModule(node.callee)) check(node, node.arguments[0]);
      },
    };
  },
};

/** `mcp-run/run-error`: what the program throws is a catalogued `RunError`. */
const runError = {
  meta: {
    type: 'problem',
    messages: { plain: 'throw a RunError with a catalogued code instead of {{name}}' },
  },
  /** @param {any} context */
  create(context) {
    return {
      /** @param {any} node */
      ThrowStatement(node) {
        const thrown = node.argument;
        const name = thrown?.type === 'NewExpression' ? thrown.callee.name : undefined;
        if (typeof name === 'string' && name !== 'RunError' && name.endsWith('Error')) {
          context.report({ node, messageId: 'plain', data: { name } });
        }
      },
    };
  },
};

/** @param {any} callee `require(…)`, `process.getBuiltinModule(…)`. */
function loadsModule(callee) {
  if (callee.type === 'Identifier') return callee.name === 'require';
  return callee.type === 'MemberExpression' && callee.property.name === 'getBuiltinModule';
}

// oxlint loads a plugin by its default export.
export default { meta: { name: 'mcp-run' }, rules: { layers, 'run-error': runError } };
