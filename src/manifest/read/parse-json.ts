import {
  createScanner,
  parseTree,
  printParseErrorCode,
  stripComments,
  type Node as JsonNode,
  type ParseError,
} from 'jsonc-parser';
import { MAX_DEPTH, TOO_DEEP } from './depth.ts';
import type { KeyPath } from './diagnostics.ts';
import type { Entry, Node, ParsedText, ScalarNode, SyntaxFault } from './node.ts';

/** Parses JSON with comments and trailing commas. */
export function parseJsonText(text: string): ParsedText {
  if (stripComments(text).trim() === '') return { root: undefined, faults: [] };
  const tooDeep = findTooDeep(text);
  if (tooDeep !== undefined)
    return { root: undefined, faults: [{ offset: tooDeep, path: [], detail: TOO_DEEP }] };
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  if (errors.length > 0) return { root: undefined, faults: withoutEchoes(errors, text) };
  if (tree === undefined) return { root: undefined, faults: [] };
  const faults: SyntaxFault[] = [];
  return { root: convert(tree, [], text, faults), faults };
}

/** Kinds of tokens, which the package declares as constants that are not there when a module is compiled alone. */
const TOKEN = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 };

/** @returns the offset of the first bracket that is nested too deeply: the parser is recursive */
function findTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (;;) {
    const token: number = scanner.scan();
    if (token === TOKEN.end) return undefined;
    if (token === TOKEN.openBrace || token === TOKEN.openBracket) depth += 1;
    else if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) depth -= 1;
    if (depth > MAX_DEPTH) return scanner.getTokenOffset();
  }
}

const MAX_FAULTS = 10;

const MEANINGS = new Map([
  ['InvalidSymbol', 'unexpected text; strings need double quotes'],
  ['InvalidNumberFormat', 'not a number'],
  ['PropertyNameExpected', 'a key in double quotes is missing'],
  ['ValueExpected', 'a value is missing'],
  ['ColonExpected', 'a ":" is missing'],
  ['CommaExpected', 'a "," is missing'],
  ['CloseBraceExpected', 'a "}" is missing'],
  ['CloseBracketExpected', 'a "]" is missing'],
  ['EndOfFileExpected', 'the file goes on after its end'],
  ['UnexpectedEndOfComment', 'a comment is not closed'],
  ['UnexpectedEndOfString', 'a string is not closed'],
  ['InvalidUnicode', 'not a Unicode escape'],
  ['InvalidEscapeCharacter', 'not an escape; a backslash in a path is written "\\\\"'],
  ['InvalidCharacter', 'a character that must be escaped'],
]);

/** One fault a line: what the parser says after the first is mostly its echo. */
function withoutEchoes(errors: readonly ParseError[], text: string): SyntaxFault[] {
  const byLine = new Map<number, SyntaxFault>();
  for (const error of errors) {
    if (byLine.size === MAX_FAULTS) break;
    const fault = syntaxFault(error, text);
    const lineStart = text.lastIndexOf('\n', fault.offset - 1);
    if (!byLine.has(lineStart)) byLine.set(lineStart, fault);
  }
  return [...byLine.values()];
}

function syntaxFault({ error, offset }: ParseError, text: string): SyntaxFault {
  const code = printParseErrorCode(error);
  return {
    offset: Math.min(offset, text.length),
    path: [],
    detail: `not JSON: ${MEANINGS.get(code) ?? code}`,
  };
}

function convert(node: JsonNode, path: KeyPath, text: string, faults: SyntaxFault[]): Node {
  const { offset } = node;
  if (node.type === 'array') {
    const items = (node.children ?? []).map((item, index) => convert(item, [...path, index], text, faults));
    return { kind: 'array', offset, items };
  }
  if (node.type === 'object') {
    return { kind: 'object', offset, entries: convertEntries(node, path, text, faults) };
  }
  return {
    kind: 'scalar',
    offset,
    value: scalarValue(node),
    source: text.slice(offset, offset + node.length),
  };
}

function convertEntries(object: JsonNode, path: KeyPath, text: string, faults: SyntaxFault[]): Entry[] {
  const entries: Entry[] = [];
  const seen = new Set<string>();
  for (const property of object.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined || valueNode === undefined) continue;
    const key = String(keyNode.value);
    const keyPath = [...path, key];
    if (seen.has(key)) {
      faults.push({ offset: keyNode.offset, path: keyPath, detail: 'this key is there twice; remove one' });
    }
    seen.add(key);
    entries.push({ key, keyOffset: keyNode.offset, value: convert(valueNode, keyPath, text, faults) });
  }
  return entries;
}

function scalarValue(node: JsonNode): ScalarNode['value'] {
  const value: unknown = node.value;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}
