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

const COLLECTIONS = /^(?:Weak|Transient)?(?:Map|Set)$/;

/** `mcp-run/module-state`: no variable and no empty collection belongs to a module; what changes is a field of an object. */
const moduleState = {
  meta: {
    type: 'problem',
    messages: { state: '{{name}} is state of a module: make it a field of an object' },
  },
  /** @param {any} context */
  create(context) {
    return {
      /** @param {any} program */
      Program(program) {
        for (const statement of program.body) {
          const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
          if (node?.type !== 'VariableDeclaration' || node.declare === true) continue;
          for (const { id, init } of node.declarations) {
            if (node.kind === 'const' && !isChanging(id, init)) continue;
            context.report({ node, messageId: 'state', data: { name: id.name ?? 'a variable' } });
          }
        }
      },
    };
  },
};

/** @param {any} id @param {any} init An empty collection whose type does not say that it stays empty. */
function isChanging(id, init) {
  if (init?.type !== 'NewExpression' || init.arguments.length > 0) return false;
  const type = id.typeAnnotation?.typeAnnotation.typeName?.name ?? '';
  return COLLECTIONS.test(init.callee.name ?? '') && !type.startsWith('Readonly');
}

/** `mcp-run/link-literal`: a link is an object of a class; those that wrap links are in `src/link/`. */
const linkLiteral = {
  meta: { type: 'problem', messages: { literal: 'a link is an object of a class (src/link/forward.ts)' } },
  /** @param {any} context */
  create(context) {
    return {
      /** @param {any} node */
      ObjectExpression(node) {
        const names = new Set(node.properties.map((/** @type {any} */ { key }) => key?.name));
        if (names.has('onframe') && names.has('onclose')) context.report({ node, messageId: 'literal' });
      },
    };
  },
};

/** Timers and clocks of the process: global functions, and functions of global objects. `setImmediate` waits for no time. */
const TIMERS = new Set(['setTimeout', 'setInterval']);
const CLOCKS = new Map([
  ['Date', 'now'],
  ['performance', 'now'],
  ['AbortSignal', 'timeout'],
  ['process', 'hrtime'],
]);
/** Where a program, a server or a log is put together: the clock of the system is handed in from there. */
const ROOTS = new Set([
  'cli/program.ts',
  'demo/server.ts',
  'gateway/gateway.ts',
  'observe/log.ts',
  'places/fastify.ts',
]);
const TIMER_MODULES = /^(?:node:)?(?:timers(?:\/promises)?|perf_hooks)$/;

/** `mcp-run/injected-clock`: what waits or tells the time has its clock handed in (`src/clock.ts`). */
const injectedClock = {
  meta: {
    type: 'problem',
    messages: { global: '{{name}} belongs to the whole process: take a Clock from outside (src/clock.ts)' },
  },
  /** @param {any} context */
  create(context) {
    const from = relative(context.cwd, context.filename).split(sep).slice(1).join('/');
    /** @param {any} node @param {string} name */
    const report = (node, name) => context.report({ node, messageId: 'global', data: { name } });
    /** @param {any} node @param {any} source */
    const check = (node, source) => {
      if (TIMER_MODULES.test(String(source?.value))) report(node, source.value);
    };
    return {
      ImportDeclaration: (/** @type {any} */ node) => check(node, node.source),
      ImportExpression: (/** @type {any} */ node) => check(node, node.source),
      /** @param {any} node */
      ImportSpecifier(node) {
        if (node.imported.name === 'systemClock' && !ROOTS.has(from)) report(node, 'systemClock');
      },
      /** @param {any} node */
      Identifier(node) {
        if (TIMERS.has(node.name) && isVariable(node)) report(node, node.name);
      },
      /** @param {any} node */
      MemberExpression(node) {
        const { object, property } = node;
        const name = node.computed ? property.value : property.name;
        if (object.name === 'globalThis' && TIMERS.has(name)) report(node, name);
        const owner =
          object.name ?? (object.object?.name === 'globalThis' ? object.property.name : undefined);
        if (name !== undefined && CLOCKS.get(owner) === name) report(node, `${owner}.${name}`);
      },
      /** @param {any} node */
      NewExpression(node) {
        if (node.callee.name === 'Date' && node.arguments.length === 0) report(node, 'new Date()');
      },
      /** @param {any} node */
      CallExpression(node) {
        if (node.callee.name === 'Date') report(node, 'Date()');
      },
    };
  },
};

/** @param {any} node An identifier that stands for a variable, and not for a member of an object or a class. */
function isVariable(node) {
  const { parent } = node;
  if (parent.computed === true || parent.shorthand === true) return true;
  return parent.property !== node && parent.key !== node;
}

/** @param {any} callee `require(…)`, `process.getBuiltinModule(…)`. */
function loadsModule(callee) {
  if (callee.type === 'Identifier') return callee.name === 'require';
  return callee.type === 'MemberExpression' && callee.property.name === 'getBuiltinModule';
}

// oxlint loads a plugin by its default export.
export default {
  meta: { name: 'mcp-run' },
  rules: {
    layers,
    'run-error': runError,
    'module-state': moduleState,
    'link-literal': linkLiteral,
    'injected-clock': injectedClock,
  },
};
