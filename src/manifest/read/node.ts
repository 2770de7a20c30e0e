import type { KeyPath } from './diagnostics.ts';

/** A parsed file, whatever its syntax: values with the offsets that errors point at. */
export type Node = ObjectNode | ArrayNode | ScalarNode;

export interface ObjectNode {
  readonly kind: 'object';
  readonly offset: number;
  readonly entries: readonly Entry[];
}

export interface ArrayNode {
  readonly kind: 'array';
  readonly offset: number;
  readonly items: readonly Node[];
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly offset: number;
  readonly value: string | number | boolean | null;
  /** As written: `12345678901234567890` and `1.0` survive here only. */
  readonly source: string;
}

export interface Entry {
  readonly key: string;
  readonly keyOffset: number;
  readonly value: Node;
}

/** Something that could not be parsed, or is there twice. */
export interface SyntaxFault {
  readonly offset: number;
  readonly path: KeyPath;
  readonly detail: string;
}

export interface ParsedText {
  /** Absent when the text is empty or too broken to look at. */
  readonly root: Node | undefined;
  readonly faults: readonly SyntaxFault[];
}

/** The value of a key; the last one if there are several. */
export function child(node: Node | undefined, key: string): Node | undefined {
  return node?.kind === 'object' ? node.entries.findLast((entry) => entry.key === key)?.value : undefined;
}

/** The string, if it is one. */
export function stringOf(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

/** The plain value. Objects have no prototype, because their keys are chosen by users. */
export function toPlain(node: Node): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'array') return node.items.map(toPlain);
  const plain: Record<string, unknown> = Object.create(null);
  for (const { key, value } of node.entries) plain[key] = toPlain(value);
  return plain;
}

/** The offset of the key or item that `path` names, or of its nearest parent that exists. */
export function offsetAt(root: Node, path: KeyPath, at: 'key' | 'value' = 'value'): number {
  let node = root;
  let offset = root.offset;
  for (const [index, key] of path.entries()) {
    const entry =
      node.kind === 'object' ? node.entries.findLast((candidate) => candidate.key === key) : undefined;
    const next =
      entry?.value ?? (node.kind === 'array' && typeof key === 'number' ? node.items[key] : undefined);
    if (next === undefined) return offset;
    offset = entry !== undefined && at === 'key' && index === path.length - 1 ? entry.keyOffset : next.offset;
    node = next;
  }
  return offset;
}

/** The node at `path`, if it exists. */
export function nodeAt(root: Node, path: KeyPath): Node | undefined {
  let node: Node | undefined = root;
  for (const key of path) {
    if (typeof key === 'string') node = child(node, key);
    else node = node?.kind === 'array' ? node.items[key] : undefined;
  }
  return node;
}

/** What a person would call the value. */
export function describeKind(node: Node): string {
  if (node.kind !== 'scalar') return node.kind === 'object' ? 'an object' : 'an array';
  if (node.value === null) return 'null';
  return `a ${typeof node.value}`;
}
