/** The import table holds, and the rule that says so fires on every way to break it. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

const root = fileURLToPath(new URL('../..', import.meta.url));
const RULES = ['.oxlintrc.json', 'tsconfig.json', 'package.json', 'scripts/lint'];

const Report = z.object({
  number_of_files: z.number(),
  diagnostics: z.array(z.object({ code: z.string().optional(), filename: z.string(), message: z.string() })),
});

/** Runs the linter with the repository's own configuration on `src/` of `folder`. */
function lint(folder: string): Promise<z.infer<typeof Report>> {
  const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint');
  const args = [oxlint, '-c', '.oxlintrc.json', '--type-aware', '-f', 'json', 'src'];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { cwd: folder, maxBuffer: 64 * 1024 * 1024 },
      (_failed, stdout, stderr) => {
        resolve(Report.parse(JSON.parse(stdout === '' ? stderr : stdout)));
      },
    );
  });
}

/** What breaks the table: a module, its text, and words of the answer. One row or more for each row of the table. */
const VIOLATIONS: readonly [path: string, text: string, answer: string][] = [
  ['cli/x.ts', `import '../router/conversation.ts';`, 'src/cli may not import src/router'],
  ['cli/commands/x.ts', `import '../../protocol/frame.ts';`, 'src/cli may not import src/protocol'],
  ['cli/fastify.ts', `import 'fastify';`, 'only src/downstream, src/places may import fastify'],
  ['gateway/cors.ts', `import '@fastify/cors';`, 'only src/downstream may import @fastify/cors'],
  ['places/x.ts', `import '../router/conversation.ts';`, 'src/places may not import src/router'],
  ['places/net.ts', `import 'node:net';`, 'src/places does no I/O'],
  ['downstream/plugin.ts', `import 'fastify-plugin';`, 'only src/places may import fastify-plugin'],
  ['cli/undici.ts', `import 'undici';`, 'only src/upstream may import undici'],
  ['gateway/x.ts', `import '../process/child.ts';`, 'src/gateway may not import src/process'],
  ['gateway/commander.ts', `import 'commander';`, 'only src/cli may import commander'],
  ['downstream/x.ts', `import '../upstream/upstream.ts';`, 'src/downstream may not import src/upstream'],
  [
    'downstream/http/x.ts',
    `import '../../router/conversation.ts';`,
    'src/downstream may not import src/router',
  ],
  ['downstream/era.ts', `import '../era/translate.ts';`, 'src/downstream may not import src/era/translate'],
  ['downstream/zod.ts', `import 'zod/v4';`, 'only src/manifest may import zod'],
  ['router/x.ts', `import '../downstream/listeners.ts';`, 'src/router may not import src/downstream'],
  ['router/fs.ts', `import 'node:fs/promises';`, 'src/router does no I/O'],
  ['router/net.ts', `export const net = import('node:net');`, 'src/router does no I/O'],
  ['router/timers.ts', `export const fs = process.getBuiltinModule('node:fs');`, 'src/router does no I/O'],
  ['upstream/x.ts', `import '../router/conversation.ts';`, 'src/upstream may not import src/router'],
  ['upstream/spawn.ts', `import 'cross-spawn';`, 'only src/process may import cross-spawn'],
  ['upstream/child.ts', `import 'node:child_process';`, 'only src/process may import node:child_process'],
  ['process/x.ts', `import '../protocol/frame.ts';`, 'src/process may not import src/protocol'],
  ['era/x.ts', `import '../observe/log.ts';`, 'src/era may not import src/observe'],
  ['era/http.ts', `import 'node:http';`, 'src/era does no I/O'],
  ['files/x.ts', `import '../observe/log.ts';`, 'src/files may not import src/observe'],
  ['manifest/x.ts', `import '../observe/log.ts';`, 'src/manifest may not import src/observe'],
  ['manifest/chalk.ts', `import 'chalk';`, 'only src/cli may import chalk'],
  ['observe/x.ts', `import '../protocol/frame.ts';`, 'src/observe may not import src/protocol'],
  ['observe/yaml.ts', `import 'yaml';`, 'only src/manifest may import yaml'],
  ['inspect/x.ts', `import '../downstream/listeners.ts';`, 'src/inspect may not import src/downstream'],
  ['gateway/protocol.ts', `import '../protocol/frame.ts';`, 'src/gateway may not import src/protocol'],
  [
    'router/legacy-to-modern/x.ts',
    `import '../modern-to-legacy/key.ts';`,
    'src/router/legacy-to-modern and src/router/modern-to-legacy may not import each other',
  ],
  [
    'router/modern-to-legacy/x.ts',
    `import '../legacy-to-modern/facade.ts';`,
    'src/router/modern-to-legacy and src/router/legacy-to-modern may not import each other',
  ],
  ['link/x.ts', `import '../router/conversation.ts';`, 'src/link may not import src/router'],
  ['link/fs.ts', `import 'node:fs';`, 'src/link does no I/O'],
  ['protocol/x.ts', `import '../observe/log.ts';`, 'src/protocol may not import src/observe'],
  ['protocol/pretty.ts', `import 'pino-pretty';`, 'only src/observe may import pino-pretty'],
  ['demo/x.ts', `import '../gateway/gateway.ts';`, 'src/demo may not import src/gateway'],
  ['errors.ts', `import './protocol/frame.ts';`, 'src/errors may not import src/protocol'],
  ['config/x.ts', `import '../errors.ts';`, 'src/config may not import src/errors; it may import nothing'],
  ['config/fs.ts', `import 'node:fs';`, 'src/config does no I/O'],
  [
    'config/zod.ts',
    `import type { z } from 'zod';\nexport type X = z.ZodType;`,
    'only src/manifest may import zod',
  ],
  ['novel/x.ts', `import '../errors.ts';`, 'src/novel is not in the import table'],
  // However it is written
  ['protocol/type.ts', `import type { Log } from '../observe/log.ts';\nexport type X = Log;`, 'src/observe'],
  ['protocol/inline.ts', `export type X = import('../observe/log.ts').Log;`, 'src/observe'],
  ['protocol/again.ts', `export * from '../observe/log.ts';`, 'src/observe'],
  ['protocol/named.ts', `export { createLog } from '../observe/log.ts';`, 'src/observe'],
  ['protocol/late.ts', `export const log = () => import('../observe/log.ts');`, 'src/observe'],
  ['protocol/computed.ts', `export const load = (name: string) => import(name);`, 'must be a plain string'],
  ['protocol/outside.ts', `import '../../scripts/run.js';`, 'the import leaves src/'],
  ['protocol/bare.ts', `import 'fs';`, 'may not import the package fs'],
  ['protocol/dev.ts', `import 'vitest';`, 'may not import the package vitest'],
];

/** Other rules that the layers rely on: module, text, rule. */
const RULE_VIOLATIONS: readonly [path: string, text: string, rule: string][] = [
  ['gateway/console.ts', `console.log('x');`, 'no-console'],
  ['gateway/exit.ts', `export const stop = () => process.exit(1);`, 'no-restricted-properties'],
  ['gateway/any.ts', `export const x: any = 1;`, 'no-explicit-any'],
  ['gateway/throws.ts', `export const f = () => {\n  throw new TypeError('x');\n};`, 'run-error'],
  ['gateway/floating.ts', `const f = async () => 1;\nf();`, 'no-floating-promises'],
  [
    'gateway/misused.ts',
    `import { EventEmitter } from 'node:events';\nnew EventEmitter().on('x', async () => {});`,
    'no-misused-promises',
  ],
  ['gateway/thenable.ts', `export const f = async () => {\n  await 1;\n};`, 'await-thenable'],
  [
    'gateway/switch.ts',
    `export const f = (x: 'a' | 'b') => {\n  switch (x) {\n    case 'a':\n      return 1;\n  }\n};`,
    'switch-exhaustiveness-check',
  ],
  [
    'gateway/return.ts',
    `const g = async () => 1;\nexport const f = async () => {\n  try {\n    return g();\n  } catch {\n    return 2;\n  }\n};`,
    'return-await',
  ],
  ['gateway/let.ts', `export let count = 0;`, 'module-state'],
  ['gateway/map.ts', `export const known = new Map<string, string>();`, 'module-state'],
  [
    'gateway/link.ts',
    `export const link = { send: () => {}, onframe: () => {}, onclose: () => {} };`,
    'link-literal',
  ],
  [
    'gateway/system.ts',
    `import { systemClock } from '../clock.ts';\nexport const f = (clock = systemClock) => clock.now();`,
    'injected-clock',
  ],
  ['gateway/timeout.ts', `setTimeout(() => {}, 1);`, 'injected-clock'],
  ['gateway/interval.ts', `export const repeat = globalThis.setInterval;`, 'injected-clock'],
  ['gateway/now.ts', `export const f = (now: () => number = Date.now) => now();`, 'injected-clock'],
  ['gateway/date.ts', `export const f = () => new Date();`, 'injected-clock'],
  ['gateway/performance.ts', `export const f = () => performance.now();`, 'injected-clock'],
  ['gateway/signal.ts', `export const signal = AbortSignal.timeout(1);`, 'injected-clock'],
  [
    'gateway/timers.ts',
    `import { setTimeout as wait } from 'node:timers/promises';\nawait wait(1);`,
    'injected-clock',
  ],
  ['gateway/long.ts', `export function f() {\n${'  void 0;\n'.repeat(60)}}`, 'max-lines-per-function'],
  ['gateway/early.ts', `export const a = b;\nconst b = 1;`, 'no-use-before-define'],
  ['gateway/cycle.ts', `import './cycle-2.ts';\nexport {};`, 'no-cycle'],
];

describe('the source tree', () => {
  test('obeys the import table and every other rule, and was read', async () => {
    const { diagnostics, number_of_files } = await lint(root);
    expect(diagnostics).toEqual([]);
    expect(number_of_files).toBeGreaterThan(20);
  });
});

describe('a seeded violation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-lint-'));
  let report: z.infer<typeof Report>;

  beforeAll(async () => {
    for (const rule of RULES) cpSync(join(root, rule), join(folder, rule), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    for (const [path, text] of [...VIOLATIONS, ...RULE_VIOLATIONS]) write(join(folder, 'src', path), text);
    write(join(folder, 'src/gateway/cycle-2.ts'), `import './cycle.ts';\nexport {};`);
    report = await lint(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(VIOLATIONS)('of the import table is found: src/%s, %s', (path, _text, answer) => {
    const found = report.diagnostics.filter(
      ({ filename, code }) => filename === `src/${path}` && code === 'mcp-run(layers)',
    );
    expect(found.map(({ message }) => message)).toEqual([expect.stringContaining(answer)]);
  });

  test.each(RULE_VIOLATIONS)('of another rule is found: src/%s', (path, _text, rule) => {
    const found = report.diagnostics.filter(({ filename }) => filename === `src/${path}`);
    expect(found.map(({ code }) => code)).toContainEqual(expect.stringContaining(rule));
  });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${text}\n`);
}
