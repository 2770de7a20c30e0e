import type { KeyPath } from '../read/diagnostics.ts';
import { hasCommandSubstitution, isShell } from '../resolve/shell-constructs.ts';
import { child, stringOf, type Node, type ObjectNode } from '../read/node.ts';

/** References as other clients write them, of which only `${…}` is expanded. */

export interface ReferenceRules {
  /** `{env:VAR}` is a reference, not a text. */
  readonly hasBraceReferences: boolean;
  warn(path: KeyPath, detail: string): void;
}

/** Where a server, or the way to it, would get them literally. */
const KEYS = ['command', 'args', 'cwd', 'env', 'envFile', 'url', 'headers', 'headersFile', 'oauth'];

/** Continue and workflow files write `${{ secrets.VAR }}`; in no file does that mean anything else. */
const TEMPLATE = /\$\{\{\s*(?:secrets|env|vars)\.([A-Za-z_]\w*)\s*\}\}/g;
const BRACES = /(?<!\$)\{env:([A-Za-z_]\w*)\}/g;

/** Writes references that can mean one thing only as `${VAR}`, and warns about the others. */
export function translateReferences(entry: ObjectNode, rules: ReferenceRules): ObjectNode {
  const ownsReferences = isShell(stringOf(child(entry, 'command')) ?? '');
  const entries = entry.entries.map((each) => {
    if (!KEYS.includes(each.key)) return each;
    const checks = !(ownsReferences && each.key === 'args');
    return { ...each, value: translate(each.value, [each.key], checks, rules) };
  });
  return { ...entry, entries };
}

function translate(node: Node, path: KeyPath, checks: boolean, rules: ReferenceRules): Node {
  if (node.kind === 'array')
    return {
      ...node,
      items: node.items.map((item, index) => translate(item, [...path, index], checks, rules)),
    };
  if (node.kind === 'object') {
    const entries = node.entries.map((each) => ({
      ...each,
      value: translate(each.value, [...path, each.key], checks, rules),
    }));
    return { ...node, entries };
  }
  const written = stringOf(node);
  if (written === undefined) return node;
  const read = written.replaceAll(TEMPLATE, '${$1}');
  const text = rules.hasBraceReferences ? read.replaceAll(BRACES, '${$1}') : read;
  const detail = checks ? literalReference(text, path) : undefined;
  if (detail !== undefined) rules.warn(path, detail);
  return text === written ? node : { ...node, value: text, source: JSON.stringify(text) };
}

const OPENING = String.raw`(?:^|[\s=:,/;@"'])`;
const CLOSING = String.raw`(?=$|[\s:,/;@"'&?])`;
const PATTERNS: readonly (readonly [RegExp, what: string])[] = [
  [/(?<!\$)\{env:([A-Za-z_]\w*)\}/, '{env:…}'],
  [/(?<!\$)\{(?:file|secret|input|vault):[^{}]+\}/, 'a reference in braces'],
  [/(?<!\$)\{\{-?\s*(?:[\w-]+[.:])*([A-Za-z_]\w*)\s*-?\}\}/, '{{…}}'],
  [/^(?:[A-Za-z]+ )?\$([A-Za-z_]\w*)$/, '$…'],
  [/^\$env:([A-Za-z_]\w*)$/i, '$env:…'],
  [new RegExp(String.raw`${OPENING}\$([A-Z_][A-Z0-9_]+)${CLOSING}`), '$…'],
  [/(?:^|[\s=:,;\\/])%([A-Za-z_][A-Za-z0-9_]{2,})%(?=$|[\s:,;\\/])/, '%…%'],
];
const PLACEHOLDER =
  /^(?:[A-Za-z]+ )?(?:<[A-Za-z][\w .-]*>|(?:YOUR|INSERT|REPLACE|ENTER)[-_ ][\w -]*(?:KEY|TOKEN|SECRET|PASSWORD|HERE)[\w -]*)$/i;

/** Why a text is probably meant to be replaced. No value is repeated: it may be a secret that begins with "$". */
function literalReference(text: string, path: KeyPath): string | undefined {
  for (const [pattern, what] of PATTERNS) {
    if (what === '%…%' && path[0] === 'url') continue;
    const match = pattern.exec(text);
    if (match === null || text[match.index - 1] === '\\') continue;
    const name = match[1] ?? '';
    const ours = /^[A-Z][A-Z0-9_]*$/.test(name) ? `\${${name}}` : '${NAME}';
    return `${what} is not expanded, and is passed on as it is written; a variable is written ${ours}`;
  }
  if (hasCommandSubstitution(text))
    return 'no shell runs "$(…)"; set a variable to its output, and write ${NAME}';
  const isValue = path.length > 1 && path[0] !== 'args';
  if (!isValue || !PLACEHOLDER.test(text)) return undefined;
  return 'looks like a placeholder; write the value, or ${NAME} for a variable';
}
