import type { KeyPath } from '../read/diagnostics.ts';
import { insteadOfShell } from './shell-constructs.ts';
import type { Node } from '../read/node.ts';
import { TOKEN_VARIABLE } from './tokens.ts';
import type { Parsed } from '../schema/units.ts';

/** What `${…}` may stand for. */
export interface Variables {
  env(name: string): string | undefined;
  input(id: string): Parsed<string>;
  /** `workspaceFolder` and the like. */
  readonly known: ReadonlyMap<string, string>;
  /** Variables of hosts, where the environment does not have them. */
  readonly otherwise?: ReadonlyMap<string, string>;
}

export type Report = (path: KeyPath, detail: string) => void;

/** A copy with every string expanded. A string with a fault stays as it is, and the fault is reported. */
export function expandNode(node: Node, path: KeyPath, variables: Variables, report: Report): Node {
  if (node.kind === 'array') {
    const items = node.items.map((item, index) => expandNode(item, [...path, index], variables, report));
    return { ...node, items };
  }
  if (node.kind === 'object') {
    const entries = node.entries.map((entry) => ({
      ...entry,
      value: expandNode(entry.value, [...path, entry.key], variables, report),
    }));
    return { ...node, entries };
  }
  if (typeof node.value !== 'string' || !hasReference(node.value)) return node;
  const expanded = expandText(node.value, variables);
  if ('value' in expanded) return { ...node, value: expanded.value };
  report(path, expanded.fault);
  return node;
}

/** Whether the text holds anything that expansion would replace. */
export function hasReference(text: string): boolean {
  return text.includes('${');
}

/**
 * Replaces `${VAR}`, `${VAR:-default}`, `${env:VAR}`, `${input:id}` and the known names. `$${` stands for a literal
 * `${`. What a reference expands to is not expanded again.
 */
export function expandText(text: string, variables: Variables): Parsed<string> {
  return expandWithin(text, variables, 0);
}

/** Most references within the defaults of others. */
const MAX_NESTING = 20;

/** @param nesting how many defaults are around the text */
function expandWithin(text: string, variables: Variables, nesting: number): Parsed<string> {
  if (nesting > MAX_NESTING) return { fault: `references are nested in more than ${MAX_NESTING} levels` };
  let result = '';
  let rest = text;
  while (rest !== '') {
    const start = rest.indexOf('${');
    if (start === -1) return { value: result + rest };
    if (rest[start - 1] === '$') {
      result += `${rest.slice(0, start - 1)}\${`;
      rest = rest.slice(start + 2);
      continue;
    }
    const end = endOfReference(rest, start);
    if (end === -1)
      return { fault: `"${shortened(rest.slice(start))}" has no closing "}"; write $\${ for a literal \${` };
    const value = resolveReference(rest.slice(start + 2, end), variables, nesting);
    if ('fault' in value) return value;
    result += rest.slice(0, start) + value.value;
    rest = rest.slice(end + 1);
  }
  return { value: result };
}

/** Longest text of a reference in a message. */
const MAX_QUOTED = 200;

function shortened(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}…`;
}

/** A default may hold references of its own, so braces nest. */
function endOfReference(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    if (text[index] === '$' && text[index + 1] === '{') depth += 1;
    else if (text[index] === '}' && --depth === 0) return index;
  }
  return -1;
}

function resolveReference(reference: string, variables: Variables, nesting: number): Parsed<string> {
  const known = variables.known.get(reference);
  if (known !== undefined) return { value: known };
  if (reference.startsWith('input:')) return variables.input(reference.slice('input:'.length));
  const match = /^(?:env:([^:{}]+)|([A-Za-z_]\w*))(?::-([^]*))?$/.exec(reference);
  const name = match?.[1] ?? match?.[2];
  if (name === undefined) {
    const instead = insteadOfShell(reference) ?? 'write $${ for a literal ${';
    return { fault: `\${${shortened(reference)}} is not a reference mcp-run knows; ${instead}` };
  }
  if (name.toUpperCase() === TOKEN_VARIABLE) {
    return { fault: `${TOKEN_VARIABLE} is what clients show to mcp-run; it is never handed to a server` };
  }
  const value = variables.env(name);
  const fallback = match?.[3];
  if (fallback !== undefined)
    return value === undefined || value === '' ? expandWithin(fallback, variables, nesting + 1) : { value };
  const found = value ?? variables.otherwise?.get(name);
  if (found !== undefined) return { value: found };
  return { fault: `the variable ${name} is not set; set it, or write \${${name}:-default}` };
}
