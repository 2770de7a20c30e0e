import type { Problem } from './problems.ts';
import { serverSchema, TYPE_ALIASES, type ServerEntry } from './schema.ts';
import { closest } from './suggest.ts';
import { child, stringOf, type Node } from './tree.ts';
import { unknownKeys, validate, type Located } from './validate.ts';

/** Checks one server as a whole; what is wrong goes to `problems`, what is doubtful to `warnings`. */
export function readEntry(
  located: Located,
  problems: Problem[],
  warnings: Problem[],
): ServerEntry | undefined {
  const known = Object.keys(serverSchema.shape);
  const keys = located.node.kind === 'object' ? located.node.entries.map((entry) => entry.key) : [];
  const unknown = keys.filter((key) => !known.includes(key));
  warnings.push(...unknownKeys(unknown, known, located));
  const count = problems.length;
  const entry = validate(serverSchema, { ...located, node: withTexts(located.node) }, problems);
  problems.push(...contradictions(located, unknown));
  if (entry !== undefined) warnings.push(...doubts(entry, located));
  return problems.length === count ? entry : undefined;
}

const TEXT_KEYS = new Set(['args', 'env', 'headers']);

/** `PORT: 3000` means the text as written: going through a number would turn 1.0 into 1 and round long ids. */
function withTexts(node: Node): Node {
  if (node.kind !== 'object') return node;
  const entries = node.entries.map((entry) =>
    TEXT_KEYS.has(entry.key) ? { ...entry, value: asTexts(entry.value) } : entry,
  );
  return { ...node, entries };
}

function asTexts(node: Node): Node {
  if (node.kind === 'array') return { ...node, items: node.items.map(asText) };
  if (node.kind !== 'object') return node;
  return { ...node, entries: node.entries.map((entry) => ({ ...entry, value: asText(entry.value) })) };
}

function asText(node: Node): Node {
  if (node.kind !== 'scalar' || node.value === null || typeof node.value === 'string') return node;
  return { ...node, value: node.source };
}

/** What only several keys together can get wrong. Looks at the file, so that a fault elsewhere hides nothing. */
function contradictions({ source, path, node }: Located, unknown: readonly string[]): Problem[] {
  const says = (key: string): boolean => child(node, key) !== undefined;
  const type = child(node, 'type') ?? child(node, 'transportType');
  const kind = type === undefined ? undefined : TYPE_ALIASES.get(stringOf(type) ?? '');
  const complain = (detail: string): Problem[] => [source.problem(path, detail, 'key')];
  if (type === undefined && says('command') && says('url')) {
    return complain('has both "command" and "url"; say which with "type"');
  }
  if (type === undefined && !says('command') && !says('url')) {
    return complain(`needs a "command" or a "url"${insteadOf(['command', 'url'], unknown)}`);
  }
  const needed = kind === undefined ? undefined : kind === 'stdio' ? 'command' : 'url';
  if (needed !== undefined && !says(needed)) {
    return complain(`needs a "${needed}", because its type is ${kind}${insteadOf([needed], unknown)}`);
  }
  return ['command', 'url']
    .filter((key) => stringOf(child(node, key))?.trim() === '')
    .map((key) => source.problem([...path, key], 'is empty'));
}

function insteadOf(wanted: readonly string[], unknown: readonly string[]): string {
  const typo = unknown.find((key) => closest(key, wanted) !== undefined);
  return typo === undefined ? '' : ` (did you mean that by "${typo}"?)`;
}

/** What is allowed and probably not meant. */
function doubts({ command, args, timeout }: ServerEntry, { source, path }: Located): Problem[] {
  const found: Problem[] = [];
  if (command !== undefined && args === undefined && /\s/.test(command) && !/[\\/]/.test(command)) {
    found.push(source.problem([...path, 'command'], 'has spaces; arguments go in "args", one string each'));
  }
  if (timeout !== undefined && timeout < 1000) {
    found.push(source.problem([...path, 'timeout'], `is ${timeout} milliseconds; write "30s" for seconds`));
  }
  return found;
}

/** How a server is reached: as it says, else by what it has. */
export function kindOf(entry: {
  readonly type?: string | undefined;
  readonly transportType?: string | undefined;
  readonly command?: string | undefined;
}): 'stdio' | 'http' | 'sse' {
  const type = entry.type ?? entry.transportType;
  const inferred = entry.command === undefined ? 'http' : 'stdio';
  return type === undefined ? inferred : (TYPE_ALIASES.get(type) ?? inferred);
}
