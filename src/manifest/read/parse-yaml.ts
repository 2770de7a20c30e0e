import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Alias,
  type Document,
  type Node as YamlNode,
  type YAMLMap,
} from 'yaml';
import { MAX_DEPTH, TOO_DEEP } from './depth.ts';
import type { KeyPath } from './diagnostics.ts';
import type { Entry, Node, ParsedText, ScalarNode, SyntaxFault } from './node.ts';

/** Aliases let a short file describe a huge tree. */
const MAX_NODES = 100_000;

/** How the parser reports a depth that its own recursion cannot follow. */
const STACK_IS_FULL = /call stack|resource exhausted/i;

/** Turns the parser's nodes of one document into ours. */
class Converter {
  readonly #faults: SyntaxFault[] = [];
  readonly #duplicates: SyntaxFault[] = [];
  /** Nodes that are being converted: an alias of one of them would expand without end. */
  readonly #open = new Set<unknown>();
  readonly #targets: ReadonlyMap<Alias, YamlNode>;
  #count = 0;

  constructor(document: Document.Parsed) {
    this.#targets = findTargets(document);
  }

  convertRoot(node: unknown): ParsedText {
    const root = this.#convert(node, [], 0);
    const hasFailed = this.#faults.length > 0;
    return { root: hasFailed ? undefined : root, faults: [...this.#faults, ...this.#duplicates] };
  }

  #convert(node: unknown, path: KeyPath, parentOffset: number): Node {
    const offset = offsetOf(node) ?? parentOffset;
    if (this.#faults.length > 0) return nothingAt(offset);
    this.#count += 1;
    if (path.length > MAX_DEPTH) return this.#fail({ offset, path: [], detail: TOO_DEEP });
    if (this.#count > MAX_NODES || this.#open.has(node))
      return this.#fail({ offset, path, detail: 'its aliases expand without end' });
    if (isAlias(node)) return this.#convertAlias(node, path, offset);
    if (isScalar(node)) return { kind: 'scalar', offset, ...scalarOf(node.value, node.source) };
    this.#open.add(node);
    const converted = this.#convertCollection(node, path, offset) ?? nothingAt(offset);
    this.#open.delete(node);
    return converted;
  }

  #convertAlias(alias: Alias, path: KeyPath, offset: number): Node {
    const target = this.#targets.get(alias);
    if (target === undefined)
      return this.#fail({ offset, path, detail: `not YAML: there is no anchor &${alias.source}` });
    this.#open.add(alias);
    const resolved = this.#convert(target, path, offset);
    this.#open.delete(alias);
    return resolved;
  }

  #fail(fault: SyntaxFault): Node {
    this.#faults.push(fault);
    return nothingAt(fault.offset);
  }

  #convertCollection(node: unknown, path: KeyPath, offset: number): Node | undefined {
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.#convert(item, [...path, index], offset));
      return { kind: 'array', offset, items };
    }
    if (!isMap(node)) return undefined;
    return { kind: 'object', offset, entries: this.#convertEntries(node, path, offset) };
  }

  #convertEntries(map: YAMLMap, path: KeyPath, parentOffset: number): Entry[] {
    const own: Entry[] = [];
    const merged: Entry[] = [];
    const names = new Set<string>();
    for (const pair of map.items) {
      const key = isScalar(pair.key) ? (pair.key.source ?? String(pair.key.value)) : String(pair.key);
      const keyOffset = offsetOf(pair.key) ?? parentOffset;
      const value = this.#convert(pair.value, [...path, key], keyOffset);
      if (key === '<<') merged.push(...mergedEntries(value));
      else {
        if (names.has(key)) this.#reportDuplicate([...path, key], keyOffset);
        names.add(key);
        own.push({ key, keyOffset, value });
      }
    }
    // Of several merged maps the earlier one wins, and readers of a tree take the last entry of a key.
    return [...merged.toReversed().filter((entry) => !names.has(entry.key)), ...own];
  }

  #reportDuplicate(path: KeyPath, offset: number): void {
    this.#duplicates.push({ offset, path, detail: 'this key is there twice; remove one' });
  }
}

/** Parses one YAML 1.2 document, with aliases and merge keys (`<<`). */
export function parseYamlText(text: string): ParsedText {
  // Keys that occur twice are found below, where it is known which part of the file they concern.
  const options = { merge: true, uniqueKeys: false, prettyErrors: false, logLevel: 'silent' } as const;
  let document: Document.Parsed;
  try {
    document = parseDocument(text, options);
  } catch (error) {
    // The parser is recursive.
    if (!(error instanceof RangeError)) throw error;
    return { root: undefined, faults: [{ offset: 0, path: [], detail: TOO_DEEP }] };
  }
  const full = document.errors.find(({ message }) => STACK_IS_FULL.test(message));
  if (full !== undefined)
    return { root: undefined, faults: [{ offset: full.pos[0], path: [], detail: TOO_DEEP }] };
  const faults = document.errors.map(({ pos, message }) => ({
    offset: pos[0],
    path: [],
    detail: `not YAML: ${firstLine(message)}`,
  }));
  if (faults.length > 0 || document.contents === null) return { root: undefined, faults };
  return new Converter(document).convertRoot(document.contents);
}

function nothingAt(offset: number): ScalarNode {
  return { kind: 'scalar', offset, value: null, source: '' };
}

/** What each alias stands for: the last node before it that has its anchor. The package searches the whole document for each. */
function findTargets(document: Document.Parsed): ReadonlyMap<Alias, YamlNode> {
  const anchored = new Map<string, YamlNode>();
  const targets = new Map<Alias, YamlNode>();
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchored.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) anchored.set(node.anchor, node);
    },
  });
  return targets;
}

function mergedEntries(value: Node): readonly Entry[] {
  if (value.kind === 'object') return value.entries;
  return value.kind === 'array' ? value.items.flatMap(mergedEntries) : [];
}

function scalarOf(value: unknown, source: string | undefined): Pick<ScalarNode, 'value' | 'source'> {
  const known =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  return { value: known, source: source ?? String(known) };
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
    ? (node.range?.[0] ?? undefined)
    : undefined;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
