import type { Problem } from './problems.ts';
import type { SourceFile } from './read.ts';
import { sortFaults } from './entry-faults.ts';
import { inputSchema, type InputEntry } from './schema.ts';
import { closest } from './suggest.ts';
import { child, describeKind, stringOf, type Node } from './tree.ts';
import { isNull, withoutNulls, withoutUnset, withoutUnsetSettings } from './unset.ts';
import { validate, type Located } from './validate.ts';

/** What one file declares, whichever client's format it is in. */
export interface Declarations {
  readonly source: SourceFile;
  /** The faulty ones too. */
  readonly servers: ReadonlyMap<string, DeclaredServer>;
  /** Entries whose name another block of the file has already. */
  readonly duplicates: readonly DeclaredServer[];
  readonly inputs: ReadonlyMap<string, InputEntry>;
  /** Errors in single items of `inputs`; they concern the servers that refer to these. */
  readonly inputProblems: readonly InputProblem[];
  readonly serve: Located | undefined;
  /** Errors that concern the whole file. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** An entry with the errors that its place in the file shows. Its node may be of any kind. */
export interface DeclaredServer extends Located {
  readonly name: string;
  readonly faults: readonly Problem[];
}

export interface InputProblem {
  /** Undefined if the item has no id. */
  readonly id: string | undefined;
  readonly problem: Problem;
}

/** `mcpServers` is Claude's and Cursor's, `servers` with `inputs` is VS Code's. */
const SERVER_KEYS = ['mcpServers', 'servers'] as const;
const ROOT_KEYS = [...SERVER_KEYS, 'inputs', 'serve'];

/** Finds servers, inputs and settings in a parsed file. Other keys belong to other tools. */
export function readDeclarations(source: SourceFile): Declarations {
  const faults = sortFaults(source.faults, SERVER_KEYS);
  const problems: Problem[] = [...faults.ofFile];
  const servers = new Map<string, DeclaredServer>();
  const duplicates: DeclaredServer[] = [];
  const inputs = new Map<string, InputEntry>();
  const inputProblems: InputProblem[] = [];
  const warnings: Problem[] = [];
  const { root } = source;
  const none = {
    source,
    servers,
    duplicates,
    inputs,
    inputProblems,
    serve: undefined,
    problems,
    warnings,
  };
  if (root === undefined) return none;
  if (root.kind !== 'object') {
    problems.push(
      source.problem([], `must be an object such as {"mcpServers": {}}, not ${describeKind(root)}`),
    );
    return none;
  }
  for (const key of SERVER_KEYS) {
    for (const server of readServers(source, key, child(root, key), faults.ofEntries, problems)) {
      const first = servers.get(server.name);
      if (first === undefined) servers.set(server.name, server);
      else duplicates.push(asDuplicate(server, first));
    }
  }
  for (const problem of faults.ofInputs) inputProblems.push({ id: idOfInput(root, problem), problem });
  readInputs(source, child(root, 'inputs'), inputs, inputProblems);
  for (const { key } of root.entries) {
    const meant = ROOT_KEYS.includes(key) ? undefined : closest(key, ROOT_KEYS);
    if (meant !== undefined) warnings.push(source.problem([key], `ignored; did you mean "${meant}"?`, 'key'));
  }
  const serve = child(root, 'serve');
  if (serve === undefined || isNull(serve)) return none;
  return { ...none, serve: { source, path: ['serve'], node: withoutUnsetSettings(serve) } };
}

/** Why a file without any server has none. */
export function missingServers({ source, warnings }: Declarations): Problem {
  const { root } = source;
  const bare = root?.kind === 'object' && root.entries.some(({ value }) => looksLikeServer(value));
  const detail = bare
    ? 'the servers must be inside "mcpServers": {"mcpServers": {…}}'
    : `there is no "mcpServers" (nor VS Code's "servers") in it`;
  return warnings[0] ?? source.problem([], detail);
}

/** Whether the file has a place for servers, even an empty one. */
export function hasServerKey({ source }: Declarations): boolean {
  return SERVER_KEYS.some((key) => child(source.root, key) !== undefined);
}

function readServers(
  source: SourceFile,
  key: string,
  node: Node | undefined,
  faults: ReadonlyMap<string, readonly Problem[]>,
  problems: Problem[],
): readonly DeclaredServer[] {
  if (node === undefined || isNull(node)) return [];
  if (node.kind !== 'object') {
    problems.push(source.problem([key], `must be an object of servers by name, not ${describeKind(node)}`));
    return [];
  }
  const servers = node.entries.map(({ key: name, value }): DeclaredServer => {
    const path = [key, name];
    const own = [...(faults.get(JSON.stringify(path)) ?? [])];
    const fault = faultOfName(name);
    if (fault !== undefined) own.push(source.problem(path, fault, 'key'));
    if (value.kind !== 'object')
      own.push(source.problem(path, `must be an object, not ${describeKind(value)}`));
    return { name, source, path, node: withoutUnset(value), faults: own };
  });
  // A name that is in one block twice is faulty already.
  return [...new Map(servers.map((server) => [server.name, server])).values()];
}

function asDuplicate(server: DeclaredServer, { path: [block] }: DeclaredServer): DeclaredServer {
  const problem = server.source.problem(server.path, `"${server.name}" is also under "${block}"`, 'key');
  return { ...server, faults: [...server.faults, problem] };
}

/** The name becomes a segment of URLs. */
function faultOfName(name: string): string | undefined {
  if (name.trim() === '') return 'the name of a server is empty';
  if (name === '.' || name === '..') return `"${name}" cannot be part of a URL; choose another name`;
  return /\p{Cc}/u.test(name) ? 'the name of a server must not hold control characters' : undefined;
}

function readInputs(
  source: SourceFile,
  node: Node | undefined,
  inputs: Map<string, InputEntry>,
  problems: InputProblem[],
): void {
  if (node === undefined || isNull(node)) return;
  if (node.kind !== 'array') {
    const problem = source.problem(['inputs'], `must be an array, not ${describeKind(node)}`);
    problems.push({ id: undefined, problem });
    return;
  }
  for (const [index, item] of node.items.entries()) {
    const path = ['inputs', index];
    const id = stringOf(child(item, 'id'));
    const complain = (problem: Problem): void => void problems.push({ id, problem });
    if (item.kind !== 'object') {
      complain(source.problem(path, `must be an object, not ${describeKind(item)}`));
      continue;
    }
    const found: Problem[] = [];
    const input = validate(inputSchema, { source, path, node: withoutNulls(item) }, found);
    found.forEach(complain);
    if (input === undefined) continue;
    if (inputs.has(input.id))
      complain(source.problem([...path, 'id'], `the input "${input.id}" is there twice`));
    inputs.set(input.id, input);
  }
}

function idOfInput(root: Node, { path: [, index] }: Problem): string | undefined {
  const list = child(root, 'inputs');
  const item = list?.kind === 'array' && typeof index === 'number' ? list.items[index] : undefined;
  return stringOf(child(item, 'id'));
}

function looksLikeServer(node: Node): boolean {
  return child(node, 'command') !== undefined || child(node, 'url') !== undefined;
}
