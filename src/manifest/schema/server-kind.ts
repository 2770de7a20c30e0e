import type { ManifestDiagnostic } from '../read/diagnostics.ts';
import { child, stringOf, type Node } from '../read/node.ts';
import type { Located } from '../read/validate.ts';

/** A command, or a URL and the transport that it is spoken to over; `auto` finds that out. */
export type ServerKind = 'stdio' | 'http' | 'sse' | 'auto';

/** The keys that may say it; the first one counts. */
const TYPE_KEYS = ['type', 'transport', 'transportType'];

const ALIASES = new Map<string, ServerKind>([
  ['stdio', 'stdio'],
  ['http', 'http'],
  ['sse', 'sse'],
  ['auto', 'auto'],
  ['streamable-http', 'http'],
  ['streamableHttp', 'http'],
]);

/** How a server is reached: as it says, else by what it has. */
export function kindOf(node: Node): ServerKind {
  return statedKind(node) ?? (child(node, 'command') === undefined ? 'auto' : 'stdio');
}

/** What the entry says it is; undefined if it does not. */
export function statedKind(node: Node): ServerKind | undefined {
  const stated = TYPE_KEYS.map((key) => child(node, key)).find((each) => each !== undefined);
  return ALIASES.get(stringOf(stated) ?? '');
}

/** Whether the entry says what it is, right or wrong. */
export function statesKind(node: Node): boolean {
  return TYPE_KEYS.some((key) => child(node, key) !== undefined);
}

/** Keys that mean nothing for the other kind. Other clients' files have the first ones; the others are ours alone. */
const COMMAND_KEYS = {
  shared: ['command', 'args', 'cwd', 'env', 'envFile'],
  own: ['passEnv', 'stdout', 'warm'],
};
const URL_KEYS = {
  shared: ['url', 'headers', 'oauth'],
  own: ['headersFile', 'allowHttp', 'caFile', 'certFile', 'keyFile'],
};

/** What is said about a process that there is none of, or about a URL that there is none of. */
export function misplacedKeys({ source, path, node }: Located): {
  faults: ManifestDiagnostic[];
  warnings: ManifestDiagnostic[];
} {
  const isCommand = kindOf(node) === 'stdio';
  const { shared, own } = isCommand ? URL_KEYS : COMMAND_KEYS;
  const why = isCommand
    ? 'the server is a command, not a URL'
    : 'the server is a URL, and no process is started';
  const say = (key: string, what: string): ManifestDiagnostic =>
    source.diagnostic([...path, key], `${what}: ${why}`, 'key');
  const isSaid = (key: string): boolean => !isEmpty(child(node, key));
  return {
    faults: own.filter(isSaid).map((key) => say(key, 'means nothing here')),
    warnings: shared.filter(isSaid).map((key) => say(key, 'ignored')),
  };
}

function isEmpty(node: Node | undefined): boolean {
  if (node === undefined) return true;
  if (node.kind === 'object') return node.entries.length === 0;
  if (node.kind === 'array') return node.items.length === 0;
  return node.value === '' || node.value === null;
}
