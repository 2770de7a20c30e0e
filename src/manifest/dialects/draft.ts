import type { KeyPath, ManifestDiagnostic } from '../read/diagnostics.ts';
import type { SourceFile } from '../read/read.ts';
import type { Entry, Node, ObjectNode, ScalarNode } from '../read/node.ts';

/** One key of an entry as its file writes it, and where: the path from the entry on. */
export interface Item {
  readonly key: string;
  readonly keyOffset: number;
  readonly value: Node;
  readonly from: KeyPath;
}

/** An entry on its way into mcp-run's words. */
export class EntryDraft {
  readonly faults: ManifestDiagnostic[] = [];
  readonly warnings: ManifestDiagnostic[] = [];
  /** What has no counterpart here. */
  readonly dropped: ManifestDiagnostic[] = [];
  /** What the file calls the entry. */
  readonly name: string;
  readonly #source: SourceFile;
  readonly #path: KeyPath;
  readonly #entries = new Map<string, Entry>();
  /** Where a part of the entry is in the file, by the part's path. */
  readonly #origins = new Map<string, KeyPath>();

  constructor(name: string, source: SourceFile, path: KeyPath) {
    this.name = name;
    this.#source = source;
    this.#path = path;
  }

  get(key: string): Node | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Sets a key of ours, unless the file says it in two ways that differ. */
  set(key: string, item: Item): void {
    const already = this.#entries.get(key)?.value;
    if (already === undefined) this.replace(key, item);
    else if (!isSame(already, item.value))
      this.warn(item, `not used: "${this.#originOf([key]).join('.')}" says it`);
  }

  replace(key: string, { keyOffset, value, from }: Item): void {
    this.#entries.set(key, { key, keyOffset, value });
    this.place([key], from);
  }

  /** Adds to a key of ours that is an object; what is there already wins. */
  merge(key: string, item: Item, members: readonly Item[]): void {
    const before = this.#entries.get(key)?.value;
    // Checked later, as what it is.
    if (before !== undefined && before.kind !== 'object') return;
    const fold = key === 'headers' ? (name: string) => name.toLowerCase() : (name: string) => name;
    const taken = new Set(before?.entries.map((entry) => fold(entry.key)));
    const added = members.filter((member) => !taken.has(fold(member.key)));
    for (const member of added) this.place([key, member.key], member.from);
    const entries = [...(before?.entries ?? []), ...added.map(({ from: _, ...entry }) => entry)];
    if (before === undefined) this.place([key], item.from);
    this.#entries.set(key, {
      key,
      keyOffset: this.#entries.get(key)?.keyOffset ?? item.keyOffset,
      value: { kind: 'object', offset: before?.offset ?? item.value.offset, entries },
    });
  }

  place(to: KeyPath, from: KeyPath): void {
    this.#origins.set(JSON.stringify(to), from);
  }

  fault({ from }: Item, detail: string): void {
    this.faults.push(this.#diagnostic(from, detail, 'value'));
  }

  warn({ from }: Item, detail: string, at: 'key' | 'value' = 'key'): void {
    this.warnings.push(this.#diagnostic(from, detail, at));
  }

  /** Leaves a key out, and says why. */
  drop(item: Item, why?: string): void {
    this.dropped.push(this.#diagnostic(item.from, ''));
    if (why !== undefined) this.warn(item, why);
  }

  node(offset: number): ObjectNode {
    return { kind: 'object', offset, entries: [...this.#entries.values()] };
  }

  /** The file, which says where in it the normalised entry at `path` has a problem. */
  located(): SourceFile {
    const depth = this.#path.length;
    return {
      ...this.#source,
      diagnostic: (keys, detail, at) =>
        this.#source.diagnostic([...this.#path, ...this.#originOf(keys.slice(depth))], detail, at),
    };
  }

  #diagnostic(from: KeyPath, detail: string, at: 'key' | 'value' = 'key'): ManifestDiagnostic {
    return this.#source.diagnostic([...this.#path, ...from], detail, at);
  }

  #originOf(path: KeyPath): KeyPath {
    for (let length = path.length; length > 0; length--) {
      const from = this.#origins.get(JSON.stringify(path.slice(0, length)));
      if (from !== undefined) return [...from, ...path.slice(length)];
    }
    return path;
  }
}

export function itemsOf(node: Node, from: KeyPath): readonly Item[] {
  return node.kind === 'object'
    ? node.entries.map((entry) => ({ ...entry, from: [...from, entry.key] }))
    : [];
}

export function scalarAt(offset: number, value: ScalarNode['value']): ScalarNode {
  return { kind: 'scalar', offset, value, source: String(value) };
}

/** `http_headers`, `httpHeaders` and `HTTP-Headers` are one word. */
export function fold(key: string): string {
  return key.toLowerCase().replaceAll(/[-_.\s]/g, '');
}

function isSame(a: Node, b: Node): boolean {
  return JSON.stringify(withoutPlaces(a)) === JSON.stringify(withoutPlaces(b));
}

function withoutPlaces(node: Node): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'array') return node.items.map(withoutPlaces);
  return node.entries.map(({ key, value }) => [key, withoutPlaces(value)]);
}
