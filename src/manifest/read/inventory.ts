import type { RunError } from '../../errors.ts';
import { isEnabled } from '../resolve/enabled.ts';
import { hasServerKey, missingServers, type Declarations } from './formats.ts';
import { formatDiagnostic, manifestError, type ManifestDiagnostic } from './diagnostics.ts';
import type { DeclaredServer } from './read-servers.ts';
import { checkDeclared } from '../resolve/rejections.ts';
import { maskArgs, maskUrl } from './secrets.ts';
import { kindOf, type ServerKind } from '../schema/server-kind.ts';
import { child, stringOf, type Node } from './node.ts';

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
  /** Why it cannot be served, as far as the file alone shows. */
  readonly error: RunError | undefined;
}

/** @throws RunError `MANIFEST_INVALID` for errors that concern a whole file. */
export function takeInventory(files: readonly Declarations[]): Inventory {
  return inventoryOf(files, checkAll(files));
}

/**
 * The same for commands that need servers which can be served.
 * @param wanted only these; empty: all that are enabled
 * @throws RunError `MANIFEST_INVALID` if one of these, or each of the enabled ones, has errors, or any with `strict`
 */
export function readInventoryOf(
  files: readonly Declarations[],
  wanted: readonly string[],
  strict: boolean,
): Inventory {
  const checked = checkAll(files);
  const chosen = checked.filter(({ declared: { name, node } }) =>
    wanted.length > 0 ? wanted.includes(name) : isEnabled(node),
  );
  const isFaulty = ({ problems }: Checked): boolean => problems.length > 0;
  const isUnusable = wanted.length > 0 ? chosen.some(isFaulty) : chosen.length > 0 && chosen.every(isFaulty);
  if (isUnusable || (strict && checked.some(isFaulty)))
    throw manifestError((strict ? checked : chosen).flatMap(({ problems }) => problems));
  return inventoryOf(files, checked);
}

interface Checked {
  readonly declared: DeclaredServer;
  readonly problems: readonly ManifestDiagnostic[];
  readonly warnings: readonly ManifestDiagnostic[];
}

function checkAll(files: readonly Declarations[]): readonly Checked[] {
  const problems = files.flatMap((file) => file.problems);
  if (problems.length > 0) throw manifestError(problems);
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0 && !hasServerKey(only))
    throw manifestError([missingServers(only)]);
  const servers = new Map(files.flatMap((file) => [...file.servers]));
  const duplicates = files
    .flatMap((file) => file.duplicates)
    .filter(({ name, source }) => servers.get(name)?.source.path === source.path);
  return [...servers.values(), ...duplicates].map((declared) => {
    const warnings: ManifestDiagnostic[] = [];
    return { declared, problems: checkDeclared(declared, warnings), warnings };
  });
}

function inventoryOf(files: readonly Declarations[], checked: readonly Checked[]): Inventory {
  const warnings = [
    ...files.flatMap((file) => [...file.warnings, ...file.inputProblems.map(({ diagnostic }) => diagnostic)]),
    // Of a faulty entry the errors say it all.
    ...checked.flatMap((each) => (each.problems.length === 0 ? each.warnings : [])),
  ];
  return {
    source: files.map((file) => file.source.label).join(', '),
    servers: checked.map(({ declared, problems }) => describe(declared, problems)),
    warnings: warnings.map(formatDiagnostic),
  };
}

/** Reads the tree: what a value stands for may only be known when the server is started. */
function describe(declared: DeclaredServer, problems: readonly ManifestDiagnostic[]): Declared {
  const { name, source, path, node } = declared;
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
    line: source.diagnostic(path, '', 'key').line,
    error: problems.length === 0 ? undefined : manifestError(problems),
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
