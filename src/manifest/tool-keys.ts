import type { Problem } from './problems.ts';
import type { ToolFilter } from './settings.ts';
import type { Node, ObjectNode } from './tree.ts';
import type { Located } from './validate.ts';

/** Keys of an entry that name tools, in lower case and without separators. */
const ALLOW_KEYS = new Set(['tools', 'includetools', 'enabledtools', 'allowedtools', 'availabletools']);
const DENY_KEYS = new Set(['ignoretools', 'excludetools', 'disabledtools', 'deniedtools', 'blockedtools']);

const WANTED = 'must be an array of tool names';

/** Whether an entry restricts its tools by this key: ours, or one of another client's, in any spelling. */
export function isToolKey(key: string): boolean {
  const known = bare(key);
  return ALLOW_KEYS.has(known) || DENY_KEYS.has(known);
}

/**
 * The tools that an entry lets clients see and call. Several keys restrict together, and a tool that is denied by one
 * stays denied. What is wrong goes to `problems`.
 * @returns undefined without a restriction
 */
export function readToolFilter({ source, path, node }: Located, problems: Problem[]): ToolFilter | undefined {
  if (node.kind !== 'object') return undefined;
  const allowed: (readonly string[])[] = [];
  const deny: string[] = [];
  for (const { key, value } of node.entries) {
    if (!isToolKey(key) || isAbsent(key, value)) continue;
    const found = ALLOW_KEYS.has(bare(key)) ? readAllowed(value) : readDenied(value);
    if (found === undefined) problems.push(source.problem([...path, key], WANTED));
    if (found?.allow !== undefined) allowed.push(found.allow);
    deny.push(...(found?.deny ?? []));
  }
  return mergeToolFilters(...allowed.map((allow) => ({ allow: [allow], deny: [] })), { allow: [], deny });
}

/** All restrictions together; undefined if there is none. */
export function mergeToolFilters(...filters: readonly (ToolFilter | undefined)[]): ToolFilter | undefined {
  const allow = filters.flatMap((filter) => filter?.allow ?? []);
  const deny = filters.flatMap((filter) => filter?.deny ?? []);
  return allow.length === 0 && deny.length === 0 ? undefined : { allow, deny };
}

interface Found {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** `["read_*"]`, `{"allow": […], "deny": […]}`, or switches such as `{"write": false}`. */
function readAllowed(value: Node): Found | undefined {
  if (value.kind !== 'object') return optional('allow', namesIn(value));
  return readLists(value) ?? readSwitches(value);
}

function readDenied(value: Node): Found | undefined {
  return optional('deny', namesIn(value));
}

function readLists({ entries }: ObjectNode): Found | undefined {
  let found: Found = {};
  for (const { key, value } of entries) {
    if (key !== 'allow' && key !== 'deny') return undefined;
    if (isNull(value)) continue;
    const names = namesIn(value);
    if (names === undefined) return undefined;
    found = { ...found, [key]: names };
  }
  return found;
}

/** Other clients switch single tools off: `false`, or an object whose `enabled` is false. */
function readSwitches({ entries }: ObjectNode): Found | undefined {
  const deny: string[] = [];
  for (const { key, value } of entries) {
    const flag = value.kind === 'object' ? switchOf(value) : value;
    if (flag === undefined || isNull(flag)) continue;
    if (flag.kind !== 'scalar' || typeof flag.value !== 'boolean') return undefined;
    if (!flag.value) deny.push(key);
  }
  return { deny };
}

function switchOf({ entries }: ObjectNode): Node | undefined {
  return entries.findLast(({ key }) => key === 'enabled')?.value;
}

function namesIn(value: Node): readonly string[] | undefined {
  const items = value.kind === 'array' ? value.items : [value];
  const names = items.map((item) =>
    item.kind === 'scalar' && typeof item.value === 'string' ? withoutArguments(item.value) : undefined,
  );
  return names.every((name) => name !== undefined) ? names : undefined;
}

/** Some clients allow a tool for certain arguments only: `fetch(https://…)`. The tool is what counts here. */
function withoutArguments(name: string): string {
  return /^([\w./-]+)\(.*\)$/s.exec(name)?.[1] ?? name;
}

function optional(key: 'allow' | 'deny', names: readonly string[] | undefined): Found | undefined {
  return names === undefined ? undefined : { [key]: names };
}

/** Null says nothing. Where a client writes `available_tools`, an empty list is its default: all of them. */
function isAbsent(key: string, value: Node): boolean {
  return (
    isNull(value) || (bare(key) === 'availabletools' && value.kind === 'array' && value.items.length === 0)
  );
}

function isNull(value: Node): boolean {
  return value.kind === 'scalar' && value.value === null;
}

function bare(key: string): string {
  return key.toLowerCase().replaceAll(/[_-]/g, '');
}
