import { hasReference } from '../resolve/expand.ts';
import { faultOfHeader, isRedundant } from '../schema/headers.ts';
import type { ManifestDiagnostic } from './diagnostics.ts';
import { parseRemoteUrl } from '../schema/remote-checks.ts';
import { oauthSchema } from '../schema/remote-schema.ts';
import { serverSchema, type ServerEntry } from '../schema/server-schema.ts';
import { kindOf, misplacedKeys, statedKind, statesKind } from '../schema/server-kind.ts';
import { closest } from './suggest.ts';
import { isToolKey } from '../schema/tool-keys.ts';
import { child, stringOf, type Node } from './node.ts';
import { formatDuration, isPlainSeconds } from '../schema/units.ts';
import { unknownKeys, validate, type Located } from './validate.ts';

/** Checks one server as a whole; errors go to `problems`, and what is allowed but probably a mistake to `warnings`. */
export function readEntry(
  located: Located,
  problems: ManifestDiagnostic[],
  warnings: ManifestDiagnostic[],
): ServerEntry | undefined {
  const { faults = [], warnings: noted = [] } = located.notes ?? {};
  warnings.push(...noted);
  problems.push(...faults);
  // What the entry is cannot be told then, and anything else said about it would mislead.
  if (faults.length > 0) return undefined;
  const known = Object.keys(serverSchema.shape);
  const keys = located.node.kind === 'object' ? located.node.entries.map((entry) => entry.key) : [];
  const unknown = keys.filter((key) => !known.includes(key) && !isToolKey(key));
  warnings.push(...unknownKeys(unknown, known, located));
  const count = problems.length;
  const entry = validate(serverSchema, { ...located, node: withTexts(located.node) }, problems);
  const contradicted = contradictions(located, unknown);
  problems.push(...contradicted, ...headerFaults(located));
  if (contradicted.length === 0) {
    const misplaced = misplacedKeys(located);
    problems.push(...misplaced.faults);
    warnings.push(...misplaced.warnings);
  }
  if (entry !== undefined) warnings.push(...warningsOf(entry, located));
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
function contradictions({ source, path, node }: Located, unknown: readonly string[]): ManifestDiagnostic[] {
  const says = (key: string): boolean => child(node, key) !== undefined;
  const kind = statedKind(node);
  const isStated = statesKind(node);
  const complain = (detail: string): ManifestDiagnostic[] => [source.diagnostic(path, detail, 'key')];
  if (!isStated && says('command') && says('url')) {
    return complain('has both "command" and "url"; say which with "type"');
  }
  if (!isStated && !says('command') && !says('url')) {
    return complain(`needs a "command" or a "url"${insteadOf(['command', 'url'], unknown)}`);
  }
  const needed = kind === undefined ? undefined : kind === 'stdio' ? 'command' : 'url';
  if (needed !== undefined && !says(needed)) {
    return complain(`needs a "${needed}", because its type is ${kind}${insteadOf([needed], unknown)}`);
  }
  const used = kindOf(node) === 'stdio' ? 'command' : 'url';
  const text = stringOf(child(node, used));
  const complainOf = (detail: string): ManifestDiagnostic[] => [source.diagnostic([...path, used], detail)];
  if (text?.trim() === '') return complainOf('is empty');
  if (used === 'command' || text === undefined || hasReference(text)) return [];
  const url = parseRemoteUrl(text);
  return 'fault' in url ? complainOf(url.fault) : [];
}

/** Looked at as far as it is known: a reference may stand for anything. */
function headerFaults({ source, path, node }: Located): ManifestDiagnostic[] {
  const headers = child(node, 'headers');
  if (headers?.kind !== 'object') return [];
  return headers.entries.flatMap(({ key, value }) => {
    const text = stringOf(value) ?? '';
    const fault = faultOfHeader(key, hasReference(text) ? '' : text);
    return fault === undefined ? [] : [source.diagnostic([...path, 'headers', key], fault, 'key')];
  });
}

function insteadOf(wanted: readonly string[], unknown: readonly string[]): string {
  const typo = unknown.find((key) => closest(key, wanted) !== undefined);
  return typo === undefined ? '' : ` (did you mean that by "${typo}"?)`;
}

/** Keys and values that are allowed and probably a mistake. */
function warningsOf(entry: ServerEntry, located: Located): ManifestDiagnostic[] {
  const { command, args, timeout, headers = {}, oauth } = entry;
  const { source, path } = located;
  const found: ManifestDiagnostic[] = [];
  for (const name of Object.keys(headers).filter(isRedundant))
    found.push(source.diagnostic([...path, 'headers', name], 'ignored: mcp-run sets it itself', 'key'));
  if (oauth !== undefined && oauth !== false) {
    const known = Object.keys(oauthSchema.shape);
    const unknown = Object.keys(oauth).filter((key) => !known.includes(key));
    found.push(...unknownKeys(unknown, known, { ...located, path: [...path, 'oauth'] }));
    if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization'))
      found.push(source.diagnostic([...path, 'oauth'], 'not used: there is an Authorization header', 'key'));
  }
  if (command !== undefined && args === undefined && /\s/.test(command) && !/[\\/]/.test(command)) {
    found.push(
      source.diagnostic([...path, 'command'], 'has spaces; arguments go in "args", one string each'),
    );
  }
  const written = child(located.node, 'timeout');
  if (timeout !== undefined && written?.kind === 'scalar' && isPlainSeconds(written.value)) {
    const detail = `is read as ${formatDuration(timeout)}; write "${formatDuration(timeout)}", or milliseconds from 1000 on`;
    found.push(source.diagnostic([...path, 'timeout'], detail));
  }
  return found;
}
