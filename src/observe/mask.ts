import { MASK, redact } from './redact.ts';

/** Masks values that are known to be secret, in every form that a program may write them in. */
export type Mask = (text: string) => string;

/** Shorter values are masked only where they stand by themselves: they would be found in other words. */
const MIN_ANYWHERE = 6;
/** Values as short as this only as the whole value of something: `pin=12`. */
const MAX_FIELD = 3;
/** A part of a value that is cut off where a line ends is masked from this length on. */
const MIN_CUT = 8;
/** Longer values are looked for line by line, and more of them would take time for each line of the log. */
const MAX_CUTTABLE = 512;
const MAX_CUT_SECRETS = 64;

class Matcher {
  readonly #root: Node = createNode();
  /** Values of which a part is masked where a line is cut. */
  readonly #cuttable: readonly string[];

  constructor(secrets: readonly string[]) {
    for (const secret of new Set(secrets)) {
      if (secret.length < MIN_ANYWHERE) this.#insert(secret);
      else for (const form of formsOf(secret)) this.#insert(form);
    }
    this.#link();
    this.#cuttable = secrets
      .filter(({ length }) => length >= 2 * MIN_CUT && length <= MAX_CUTTABLE)
      .slice(0, MAX_CUT_SECRETS);
  }

  mask(text: string): string {
    const ends = this.#find(text);
    const parts: string[] = [];
    let at = 0;
    for (const [start, end] of ends) {
      parts.push(text.slice(at, start), MASK);
      at = end;
    }
    parts.push(text.slice(at));
    return this.#maskCut(parts.join(''));
  }

  #insert(value: string): void {
    if (value === '') return;
    let node = this.#root;
    for (let at = 0; at < value.length; at += 1) {
      const code = value.charCodeAt(at);
      let next = node.next.get(code);
      if (next === undefined) {
        next = createNode();
        node.next.set(code, next);
      }
      node = next;
    }
    if (value.length < MIN_ANYWHERE) node.short = [value.length];
    else node.long = value.length;
  }

  /** Gives each node the longest end of its text that another value begins with. */
  #link(): void {
    const queue = [this.#root];
    for (let at = 0; at < queue.length; at += 1) {
      const node = queue[at];
      if (node === undefined) break;
      for (const [code, next] of node.next) {
        let fail = node.fail;
        while (fail !== undefined && !fail.next.has(code)) fail = fail.fail;
        next.fail = fail?.next.get(code) ?? this.#root;
        next.long = Math.max(next.long, next.fail.long);
        next.short = [...next.short, ...next.fail.short];
        queue.push(next);
      }
    }
  }

  /** The parts to mask, in order; those that overlap are one. */
  #find(text: string): readonly (readonly [number, number])[] {
    const found: [number, number][] = [];
    let node: Node = this.#root;
    for (let at = 0; at < text.length; at += 1) {
      node = this.#step(node, text.charCodeAt(at));
      const end = at + 1;
      if (node.long > 0) addSpan(found, end - node.long, end);
      for (const length of node.short)
        if (standsAlone(text, end - length, end)) addSpan(found, end - length, end);
    }
    return found;
  }

  #step(from: Node, code: number): Node {
    let node: Node | undefined = from;
    while (node !== undefined) {
      const next = node.next.get(code);
      if (next !== undefined) return next;
      node = node.fail;
    }
    return this.#root;
  }

  /** A value may be written over two lines, each of which is a text of its own. */
  #maskCut(text: string): string {
    // Of a text that was cut off, the mark says so.
    const mark = text.endsWith('…') ? '…' : '';
    let masked = mark === '' ? text : text.slice(0, -1);
    for (const secret of this.#cuttable) {
      const head = sharedLength(secret, masked, true);
      if (head >= MIN_CUT) masked = MASK + masked.slice(head);
      const tail = sharedLength(secret, masked, false);
      if (tail >= MIN_CUT) masked = masked.slice(0, masked.length - tail) + MASK;
      if (masked.length >= MIN_CUT && masked.length < secret.length && secret.includes(masked))
        return MASK + mark;
    }
    return masked + mark;
  }
}

/**
 * A function that masks these values, and what looks like a secret. It reads a text once, however many values there are
 * (Aho and Corasick, 1975); the tables are made at the first call.
 */
export function createMask(secrets: readonly string[]): Mask {
  if (secrets.length === 0) return redact;
  let matcher: Matcher | undefined;
  return (text) => {
    matcher ??= new Matcher(secrets);
    return redact(matcher.mask(text));
  };
}

interface Node {
  readonly next: Map<number, Node>;
  fail: Node | undefined;
  /** Length of the longest value that ends here and is masked anywhere. */
  long: number;
  /** Lengths of values that end here and are masked where they stand by themselves. */
  short: readonly number[];
}

/** How much of the end of a secret a text begins with, or of its beginning the text ends with. */
function sharedLength(secret: string, text: string, atStart: boolean): number {
  const max = Math.min(secret.length - 1, text.length);
  for (let length = max; length >= MIN_CUT; length -= 1) {
    const isShared = atStart
      ? text.startsWith(secret.slice(secret.length - length))
      : text.endsWith(secret.slice(0, length));
    if (isShared) return length;
  }
  return 0;
}

function createNode(): Node {
  return { next: new Map(), fail: undefined, long: 0, short: [] };
}

function addSpan(found: [number, number][], start: number, end: number): void {
  let from = start;
  for (let last = found.at(-1); last !== undefined && last[1] > from; last = found.at(-1)) {
    from = Math.min(from, last[0]);
    found.pop();
  }
  found.push([from, end]);
}

function standsAlone(text: string, start: number, end: number): boolean {
  const before = text[start - 1] ?? '';
  const after = text[end] ?? '';
  if (/[\p{L}\p{N}]/u.test(before) || /[\p{L}\p{N}]/u.test(after)) return false;
  if (end - start > MAX_FIELD) return true;
  if (start === 0) return end === text.length;
  const isFirst = /[=:"'`]/.test(before) || (before === ' ' && /[=:]/.test(text[start - 2] ?? ''));
  return isFirst && (after === '' || /[\s"'`&;,)}\]]/.test(after));
}

/** A value as programs write it: in a URL, in JSON, in JSON within JSON, in HTML, in base64. */
function formsOf(secret: string): ReadonlySet<string> {
  const forms = new Set([secret, secret.normalize('NFC')]);
  const add = (form: string): void => void (form.length >= MIN_ANYWHERE && forms.add(form));
  for (const encoded of [
    attempt(encodeURIComponent, secret),
    attempt(encodeURI, secret),
    encodedAll(secret),
  ]) {
    for (const form of [encoded, encoded.replaceAll('%20', '+')]) {
      add(form);
      add(form.replaceAll(/%[\dA-F]{2}/g, (hex) => hex.toLowerCase()));
    }
  }
  const inJson = escaped(secret);
  add(inJson);
  add(escaped(inJson));
  add(inJson.replaceAll('/', String.raw`\/`));
  add(asciiOnly(inJson));
  add(secret.replaceAll("'", String.raw`\'`));
  const inHtml = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  for (const quote of ['"', '&quot;', '&#34;'])
    for (const mark of ["'", '&#39;', '&#x27;', '&apos;'])
      add(inHtml.replaceAll('"', quote).replaceAll("'", mark));
  for (const form of base64Forms(secret)) add(form);
  return forms;
}

/** As the credentials of a form are encoded: also characters that a URL may hold. */
function encodedAll(text: string): string {
  return attempt(encodeURIComponent, text).replaceAll(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function attempt(encode: (text: string) => string, text: string): string {
  try {
    return encode(text);
  } catch {
    return text;
  }
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function asciiOnly(text: string): string {
  return text.replaceAll(
    /[^\0-\u007F]/g,
    (char) => String.raw`\u` + char.charCodeAt(0).toString(16).padStart(4, '0'),
  );
}

/** Behind any other bytes, as in `user:password`: the characters that depend on this value alone. */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const whole = bytes.toString('base64');
  const cores = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const isFull = (bytes.length + shift) % 3 === 0;
    return text.slice(shift === 0 ? 0 : shift + 1, isFull ? undefined : -1);
  });
  return [whole, ...cores.filter(({ length }) => length >= MIN_ANYWHERE)].flatMap((form) => [
    form,
    form.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
  ]);
}
