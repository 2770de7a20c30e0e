import type { ManifestDiagnostic } from '../read/diagnostics.ts';
import type { ToolPatterns } from '../../config/types.ts';
import type { Node, ObjectNode } from '../read/node.ts';
import { isNull } from '../read/unset.ts';
import type { Located } from '../read/validate.ts';

/** Keys of an entry that name tools, in lower case and without separators. */
const ALLOW = /^(allow(ed)?|include[ds]?|enabled|available|whitelist(ed)?)$/;
const DENY =
  /^(den(y|ied)|exclude[ds]?|disabled|disallow(ed)?|block(ed)?|ignored?|hid(e|den)|blacklist(ed)?)$/;

const WANTED = 'must be an array of tool names';

/** Whether an entry restricts its tools by this key: ours, or one of another client's, in any spelling. */
export function isToolKey(key: string): boolean {
  return effectOf(key) !== undefined;
}

/** `tools`, `includeTools`, `disabled_tools`, `toolsAllowed` and the like. */
function effectOf(key: string): 'allow' | 'deny' | undefined {
  const known = bare(key);
  if (known === 'tools' || known === 'toolfilter') return 'allow';
  return listOf(/^(.+)tools$/.exec(known)?.[1] ?? /^tools(.+)$/.exec(known)?.[1]);
}

/** What a list of tools by this name is for. */
function listOf(word = ''): 'allow' | 'deny' | undefined {
  if (ALLOW.test(word)) return 'allow';
  return DENY.test(word) ? 'deny' : undefined;
}

/**
 * The tools that an entry lets clients see and call. Several keys restrict together, and a tool that is denied by one
 * stays denied. What is wrong goes to `problems`.
 * @returns undefined without a restriction
 */
export function readToolFilter(
  { source, path, node }: Located,
  problems: ManifestDiagnostic[],
): ToolPatterns | undefined {
  if (node.kind !== 'object') return undefined;
  const allowed: (readonly string[])[] = [];
  const deny: string[] = [];
  for (const { key, value } of node.entries) {
    const effect = effectOf(key);
    if (effect === undefined || isAbsent(key, value)) continue;
    const found = effect === 'allow' ? readAllowed(value) : readDenied(value);
    if (found === undefined) problems.push(source.diagnostic([...path, key], WANTED));
    if (found?.allow !== undefined) allowed.push(found.allow);
    deny.push(...(found?.deny ?? []));
  }
  return mergeToolFilters(...allowed.map((allow) => ({ allow: [allow], deny: [] })), { allow: [], deny });
}

/** All restrictions together; undefined if there is none. */
export function mergeToolFilters(
  ...filters: readonly (ToolPatterns | undefined)[]
): ToolPatterns | undefined {
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
    const effect = listOf(bare(key).replace(/tool(s|names)$/, ''));
    if (effect === undefined || isSwitch(value)) return undefined;
    if (isNull(value)) continue;
    const names = namesIn(value);
    if (names === undefined) return undefined;
    found = { ...found, [effect]: [...(found[effect] ?? []), ...names] };
  }
  return found;
}

/** Other clients switch single tools off: `false`, or an object whose `enabled` is false. */
function readSwitches({ entries }: ObjectNode): Found | undefined {
  const allow: string[] = [];
  const deny: string[] = [];
  for (const { key, value } of entries) {
    const flag = value.kind === 'object' ? switchOf(value) : value;
    if (flag === undefined || isNull(flag)) continue;
    if (flag.kind !== 'scalar' || typeof flag.value !== 'boolean') return undefined;
    (flag.value ? allow : deny).push(key);
  }
  // All are off but those that are on.
  return deny.includes('*') && allow.length > 0
    ? { allow, deny: deny.filter((name) => name !== '*') }
    : { deny };
}

function isSwitch(value: Node): boolean {
  return value.kind === 'scalar' && typeof value.value === 'boolean';
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

function bare(key: string): string {
  return key.toLowerCase().replaceAll(/[_-]/g, '');
}
