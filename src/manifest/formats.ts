import type { Problem } from './problems.ts';
import type { SourceFile } from './read.ts';
import { inputSchema, type InputEntry } from './schema.ts';
import { closest } from './suggest.ts';
import { child, describeKind, type Node } from './tree.ts';
import { validate, type Located } from './validate.ts';

/** What one file declares, whichever client's format it is in. */
export interface Declarations {
  readonly source: SourceFile;
  readonly servers: ReadonlyMap<string, Located>;
  readonly inputs: ReadonlyMap<string, InputEntry>;
  readonly serve: Located | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** `mcpServers` is Claude's and Cursor's, `servers` with `inputs` is VS Code's. */
const SERVER_KEYS = ['mcpServers', 'servers'] as const;
const ROOT_KEYS = [...SERVER_KEYS, 'inputs', 'serve'];

/** Finds servers, inputs and settings in a parsed file. Other keys belong to other tools. */
export function readDeclarations(source: SourceFile): Declarations {
  const problems: Problem[] = [...source.faults];
  const servers = new Map<string, Located>();
  const inputs = new Map<string, InputEntry>();
  const warnings: Problem[] = [];
  const { root } = source;
  const none = { source, servers, inputs, serve: undefined, problems, warnings };
  if (root === undefined) return none;
  if (root.kind !== 'object') {
    problems.push(
      source.problem([], `must be an object such as {"mcpServers": {}}, not ${describeKind(root)}`),
    );
    return none;
  }
  for (const key of SERVER_KEYS) readServers(source, key, child(root, key), servers, problems);
  readInputs(source, child(root, 'inputs'), inputs, problems);
  for (const { key } of root.entries) {
    const meant = ROOT_KEYS.includes(key) ? undefined : closest(key, ROOT_KEYS);
    if (meant !== undefined) warnings.push(source.problem([key], `ignored; did you mean "${meant}"?`, 'key'));
  }
  const serve = child(root, 'serve');
  return { ...none, serve: serve && { source, path: ['serve'], node: serve } };
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
  servers: Map<string, Located>,
  problems: Problem[],
): void {
  if (node === undefined) return;
  if (node.kind !== 'object') {
    problems.push(source.problem([key], `must be an object of servers by name, not ${describeKind(node)}`));
    return;
  }
  for (const { key: name, value } of node.entries) {
    const path = [key, name];
    const fault = faultOfName(name);
    if (fault !== undefined) problems.push(source.problem(path, fault, 'key'));
    else if (value.kind !== 'object')
      problems.push(source.problem(path, `must be an object, not ${describeKind(value)}`));
    else if (servers.has(name))
      problems.push(source.problem(path, `"${name}" is also under "mcpServers"`, 'key'));
    else servers.set(name, { source, path, node: value });
  }
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
  problems: Problem[],
): void {
  if (node === undefined) return;
  if (node.kind !== 'array') {
    problems.push(source.problem(['inputs'], `must be an array, not ${describeKind(node)}`));
    return;
  }
  for (const [index, item] of node.items.entries()) {
    const path = ['inputs', index];
    if (item.kind !== 'object') {
      problems.push(source.problem(path, `must be an object, not ${describeKind(item)}`));
      continue;
    }
    const input = validate(inputSchema, { source, path, node: item }, problems);
    if (input === undefined) continue;
    if (inputs.has(input.id))
      problems.push(source.problem([...path, 'id'], `the input "${input.id}" is there twice`));
    inputs.set(input.id, input);
  }
}

function looksLikeServer(node: Node): boolean {
  return child(node, 'command') !== undefined || child(node, 'url') !== undefined;
}
