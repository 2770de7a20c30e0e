import type { KeyPath } from './diagnostics.ts';

/** Where a value is written: offsets in the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the keys and values of a TOML text are written, by path. */
export interface TomlPlaces {
  /** The key of a header `[a.b]`, before the place of any of its parts. */
  keyAt(path: KeyPath): number | undefined;
  valueAt(path: KeyPath): Span | undefined;
}

const BLANK = /(?:[ \t\r\n]+|#[^\n]*)*/y;

const SPACES = /[ \t]*/y;

const BARE_KEY = /[\w-]+/y;

const BARE_VALUE = /[^,\]}#\r\n]*/y;

class TomlScanner {
  readonly keys = new Map<string, number>();
  readonly values = new Map<string, Span>();
  readonly #text: string;
  /** The index of the last table in each array of tables. */
  readonly #lastTable = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): void {
    let table: KeyPath = [];
    this.#skip(BLANK);
    while (this.#at < this.#text.length) {
      const before = this.#at;
      if (this.#text[this.#at] === '[') table = this.#header();
      else this.#assignment(table);
      // A text that is not understood here only loses its positions.
      if (this.#at === before) return;
      this.#skip(BLANK);
    }
  }

  #header(): KeyPath {
    const isArray = this.#text.startsWith('[[', this.#at);
    this.#at += isArray ? 2 : 1;
    const parts = this.#key();
    const path = this.#place([], parts);
    this.#skip(SPACES);
    this.#at += isArray ? 2 : 1;
    if (!isArray) return path;
    // The path of an array that was there before leads to its last table.
    const array = typeof path.at(-1) === 'number' ? path.slice(0, -1) : path;
    const index = (this.#lastTable.get(idOf(array)) ?? -1) + 1;
    this.#lastTable.set(idOf(array), index);
    const item = [...array, index];
    this.keys.set(idOf(item), parts.at(-1)?.offset ?? 0);
    return item;
  }

  #assignment(table: KeyPath): void {
    const path = this.#place(table, this.#key());
    this.#skip(SPACES);
    if (this.#text[this.#at] !== '=') return;
    this.#at += 1;
    this.#skip(SPACES);
    this.#value(path);
  }

  /** Notes where the parts of a key are, and returns the path that it leads to. */
  #place(table: KeyPath, parts: readonly KeyPart[]): KeyPath {
    let path = table;
    for (const [index, { name, offset }] of parts.entries()) {
      path = [...path, name];
      const id = idOf(path);
      if (index === parts.length - 1 || !this.keys.has(id)) this.keys.set(id, offset);
      const last = this.#lastTable.get(id);
      if (last !== undefined) path = [...path, last];
    }
    return path;
  }

  #key(): readonly KeyPart[] {
    const parts: KeyPart[] = [];
    for (;;) {
      this.#skip(SPACES);
      const offset = this.#at;
      const quote = this.#text[offset] ?? '';
      if (quote === '"' || quote === "'") {
        this.#string();
        parts.push({ name: unquoted(this.#text.slice(offset, this.#at)), offset });
      } else {
        this.#skip(BARE_KEY);
        if (this.#at === offset) return parts;
        parts.push({ name: this.#text.slice(offset, this.#at), offset });
      }
      this.#skip(SPACES);
      if (this.#text[this.#at] !== '.') return parts;
      this.#at += 1;
    }
  }

  #value(path: KeyPath): void {
    const start = this.#at;
    const first = this.#text[start] ?? '';
    if (first === '"' || first === "'") this.#string();
    else if (first === '[') this.#members(']', (index) => this.#value([...path, index]));
    else if (first === '{') this.#members('}', () => this.#assignment(path));
    else this.#skip(BARE_VALUE);
    this.values.set(idOf(path), {
      start,
      end: start + this.#text.slice(start, this.#at).trimEnd().length,
    });
  }

  #members(close: string, member: (index: number) => void): void {
    this.#at += 1;
    for (let index = 0; this.#at < this.#text.length; index++) {
      this.#skip(BLANK);
      if (this.#text[this.#at] === close) break;
      const before = this.#at;
      member(index);
      this.#skip(BLANK);
      if (this.#text[this.#at] === ',') this.#at += 1;
      if (this.#at === before) break;
    }
    this.#at += 1;
  }

  #string(): void {
    const quote = this.#text[this.#at] ?? '';
    const triple = quote.repeat(3);
    const isLong = this.#text.startsWith(triple, this.#at);
    const close = isLong ? triple : quote;
    this.#at += close.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(close, this.#at)) {
      this.#at += quote === '"' && this.#text[this.#at] === '\\' ? 2 : 1;
    }
    this.#at += close.length;
    // Quotes directly before the closing ones belong to the text.
    while (isLong && this.#text[this.#at] === quote) this.#at += 1;
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0;
  }
}

/** Finds the places in a text that is known to be valid TOML; the parser itself reports none. */
export function findTomlPlaces(text: string): TomlPlaces {
  const scanner = new TomlScanner(text);
  scanner.scan();
  return {
    keyAt: (path) => scanner.keys.get(idOf(path)),
    valueAt: (path) => scanner.values.get(idOf(path)),
  };
}

interface KeyPart {
  readonly name: string;
  readonly offset: number;
}

function idOf(path: KeyPath): string {
  return JSON.stringify(path);
}

function unquoted(quoted: string): string {
  const inner = quoted.slice(1, -1);
  if (quoted.startsWith("'") || !inner.includes('\\')) return inner;
  try {
    return String(JSON.parse(quoted));
  } catch {
    return inner;
  }
}
