import type { Declarations } from './formats.ts';
import { formatProblem, manifestError, type Problem } from './problems.ts';
import { readEntry } from './read-entry.ts';
import { isEnabled } from './resolve.ts';
import { maskArgs, maskUrl } from './secrets.ts';
import { kindOf, type ServerKind } from './server-kind.ts';
import { child, stringOf, type Node } from './tree.ts';
import type { Located } from './validate.ts';

/** What files declare, for people: nothing is expanded and no secret is in it. */
export interface Inventory {
  readonly source: string;
  readonly servers: readonly Declared[];
  /** One line each, with file:line:column. */
  readonly warnings: readonly string[];
}

export interface Declared {
  readonly name: string;
  readonly kind: ServerKind;
  readonly disabled: boolean;
  readonly command: string | undefined;
  readonly args: readonly string[];
  readonly url: string | undefined;
  readonly cwd: string | undefined;
  /** The names of the variables that are set for it. */
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly passEnv: readonly string[];
  /** The names of the headers that are sent to it. */
  readonly headers: readonly string[];
  readonly headersFile: string | undefined;
  readonly file: string;
  /** Counted from 1. */
  readonly line: number | undefined;
}

/** @throws RunError `MANIFEST_INVALID` with everything that is wrong as far as the files alone tell. */
export function takeInventory(files: readonly Declarations[]): Inventory {
  const problems = files.flatMap((file) => file.problems);
  if (files.some((file) => file.source.root === undefined)) throw manifestError(problems);
  const warnings: Problem[] = files.flatMap((file) => file.warnings);
  const servers = [...new Map(files.flatMap((file) => [...file.servers]))].map(([name, located]) => {
    readEntry(located, problems, warnings);
    return describe(name, located);
  });
  if (problems.length > 0) throw manifestError(problems);
  const source = files.map((file) => file.source.label).join(', ');
  return { source, servers, warnings: warnings.map(formatProblem) };
}

/** Reads the tree: what a value stands for may only be known when the server is started. */
function describe(name: string, { source, path, node }: Located): Declared {
  const text = (key: string): string | undefined => stringOf(child(node, key));
  const url = text('url');
  const command = text('command');
  return {
    name,
    kind: kindOf(node),
    disabled: !isEnabled(node),
    // A whole command line here is a mistake that people make.
    command: command === undefined ? undefined : maskArgs(command.split(' ')).join(' '),
    args: maskArgs(textsOf(child(node, 'args'))),
    url: url === undefined ? undefined : maskUrl(url),
    cwd: text('cwd'),
    env: keysOf(child(node, 'env')),
    envFile: textsOf(child(node, 'envFile')),
    passEnv: textsOf(child(node, 'passEnv')),
    headers: keysOf(child(node, 'headers')),
    headersFile: text('headersFile'),
    file: source.label,
    line: source.problem(path, '', 'key').position?.line,
  };
}

function textsOf(node: Node | undefined): readonly string[] {
  if (node === undefined || node.kind === 'object') return [];
  if (node.kind === 'array') return node.items.flatMap(textsOf);
  return [typeof node.value === 'string' ? node.value : node.source];
}

function keysOf(node: Node | undefined): readonly string[] {
  return node?.kind === 'object' ? node.entries.map(({ key }) => key) : [];
}
