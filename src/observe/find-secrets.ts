import { isSecretName } from './secret-names.ts';

/**
 * Finds what looks like a secret in a text: `token=X`, `--api-key X`, `"apiKey": "X"`, `Cookie: X`, passwords in URLs
 * and connection strings, well-known kinds of tokens. The text is read once from left to right, and every search ahead
 * ends where the reading goes on, or is remembered: the time is linear in the length of the text, for any text.
 */

/** A part of a text, from `start` up to `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface FindOptions {
  /** In a manifest, names in capitals are variables, and any of them may be a secret. */
  readonly isManifest?: boolean;
}

/** More of them than this before a quote, or between a name and its value, belong to no value. */
const MAX_BETWEEN = 16;

const WORD = /[\w.-]+/y;
const SCHEMES = /^(?:bearer|basic)$/i;
const NO_TOKEN =
  /^(?:tokens?|auth(?:entication|orization)?|credentials?|scheme|challenges?|headers?|access)$/i;
/** Well-known tokens. */
const SHAPE =
  /^(?:(?:sk|pk|rk)[-_][\w-]{16,}|gh[opsur]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w.-]+|AIza[\w-]{30,}|npm_\w{20,}|hf_\w{20,}|whsec_\w{16,}|shp(?:at|ss|ca)_\w{16,}|dop_v1_\w{16,}|ya29\.[\w.-]{16,}|SG\.[\w.-]{30,})/;
/** Headers of which everything behind the name is secret. */
const WHOLE_HEADER = /^(?:set-)?cookie2?$/i;
const AUTHORIZATION = /^(?:(?:proxy-)?authorization|x-(?:forwarded-)?authorization)$/i;
/** Flags with `user:password` as their value. */
export const USER_FLAG = /^(?:-u|-U|--user|--proxy-user|--userpwd|--basic-auth)$/;
/** Names that say plainly that a password follows; others are words of sentences as well. */
const PLAIN = /(?:passw|passphrase|pwd|secret|api[-_]?key|authorization|cookie)/i;
/** How a path begins, and a file name with an extension. */
const FILE = /^(?:(?:~|\.{1,2})?\/[\w.-]+(?:\/|:?$)|[A-Z]:\\|[A-Za-z_-]{1,24}\.[a-z]{2,5}:?$)/;
const CAPITALS = /^[A-Z][A-Z0-9_]+$/;
/** Stands for a value, or says nothing. */
const PLACEHOLDER =
  /^(?:(?:\$\{(?:[^{}:]|:(?!-))*\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%|<[\w -]*>|YOUR_[A-Z_]*|\*+|\.\.\.|…)\s*)+$/;
const NOTHING = /^(?:true|false|null|undefined|none)$/i;
const MAX_PLACEHOLDER = 256;

class Finder {
  readonly #text: string;
  readonly #isManifest: boolean;
  readonly #spans: Span[] = [];
  /** Strings that do not occur from here on. */
  readonly #absent = new Set<string>();
  /** The end of the last run of characters without white space that was looked for. */
  #runEnd = 0;
  #lastAt = -1;

  constructor(text: string, isManifest: boolean) {
    this.#text = text;
    this.#isManifest = isManifest;
  }

  find(): readonly Span[] {
    for (let at = this.#nextWord(0); at < this.#text.length; at = this.#nextWord(at)) {
      WORD.lastIndex = at;
      const word = WORD.exec(this.#text)?.[0] ?? '';
      at = this.#readWord(word, at, at + word.length);
    }
    return this.#spans;
  }

  #nextWord(from: number): number {
    let at = from;
    while (at < this.#text.length && !isWordCode(this.#text.charCodeAt(at))) at += 1;
    return at;
  }

  /** @returns where the reading goes on */
  #readWord(word: string, start: number, end: number): number {
    if (word.startsWith('-----BEGIN')) return this.#readPem(start, end);
    if (this.#text.startsWith('://', end)) return this.#readAuthority(end + 3);
    if (SHAPE.test(word)) return this.#add(start, end);
    if (SCHEMES.test(word)) return this.#readScheme(end);
    // curl's `-uname:password`.
    if (/^-u[A-Za-z]/.test(word) && this.#text[end] === ':') return this.#addWord(end + 1);
    // A path of keys in an error: `mcpServers.a.env.API_TOKEN`.
    const dot = word.lastIndexOf('.', word.length - 2);
    const name = word.slice(dot + 1);
    const between = this.#skipBetween(end);
    const char = this.#text[between.at] ?? '';
    if (char === '=' && USER_FLAG.test(word)) return this.#readUser(between.at + 1, end);
    if (char === '=' || (char === ':' && !this.#text.startsWith('://', between.at)))
      return this.#readAssignment(name, {
        start,
        end,
        at: between.at,
        isQuoted: between.isQuoted,
        isPath: dot > 0,
      });
    if (word.startsWith('-')) return this.#readFlag(word, start, end);
    return end;
  }

  /** Skips what closes a quoted name, and white space. */
  #skipBetween(from: number): { at: number; isQuoted: boolean } {
    const { at: afterQuote, quote } = this.#quoteAt(from);
    let at = this.#text[afterQuote] === ']' ? afterQuote + 1 : afterQuote;
    at = this.#skipSpace(at);
    return { at, isQuoted: quote !== '' };
  }

  #skipSpace(from: number): number {
    let at = from;
    while (at - from < MAX_BETWEEN && isSpace(this.#text[at])) at += 1;
    return at;
  }

  /** Backslashes and a quote: the deeper in JSON texts, the more backslashes. */
  #quoteAt(from: number): { at: number; quote: string } {
    let at = from;
    while (at - from < MAX_BETWEEN && this.#text[at] === '\\') at += 1;
    if (!isQuote(this.#text[at])) return { at: from, quote: '' };
    return { at: at + 1, quote: this.#text.slice(from, at + 1) };
  }

  #readAssignment(
    name: string,
    found: { start: number; end: number; at: number; isQuoted: boolean; isPath: boolean },
  ): number {
    const { start, end, at, isQuoted, isPath } = found;
    const isColon = this.#text[at] === ':';
    const isCode = name === 'code' && !isColon && /[?&]/.test(this.#text[start - 1] ?? '');
    const isVariable = this.#isManifest && CAPITALS.test(name);
    if (!isSecretName(name) && !isCode && !isVariable && !/^O?L?D?PWD$/.test(name)) return end;
    if (isColon && this.#text[at + 1] === '-' && this.#text.startsWith('${', start - 2))
      return this.#readDefault(at + 2);
    // In sentences and errors a colon says something about the name.
    if (isColon && isPath && !isQuoted && !this.#isManifest) return end;
    let from = at + 1;
    if (/[=>]/.test(this.#text[from] ?? '')) from += 1;
    from = this.#skipSpace(from);
    if (
      /^O?L?D?PWD$/.test(name) &&
      !isVariable &&
      /^(?:[/~]|[A-Z]:\\|\$)/.test(this.#text.slice(from, from + 3))
    )
      return end;
    if (isColon && !isQuoted && WHOLE_HEADER.test(name)) return this.#addLine(start, from);
    if (AUTHORIZATION.test(name) && this.#quoteAt(from).quote === '')
      return this.#readCredentials(start, from);
    const isProse = isColon && !isQuoted && !this.#isManifest && !PLAIN.test(name);
    return this.#readValue(from, isProse, isColon);
  }

  /** `${NAME:-value}`; we write the word `default` where we explain it. */
  #readDefault(from: number): number {
    const end = this.#find('}', from);
    return this.#text.startsWith('default}', from) ? end : this.#add(from, end);
  }

  /** A scheme, which may stay, and what proves the client. */
  #readCredentials(start: number, from: number): number {
    WORD.lastIndex = from;
    const scheme = WORD.exec(this.#text)?.[0] ?? '';
    const next = this.#skipSpace(from + scheme.length);
    const isAlone = next === from + scheme.length || isLineEnd(this.#text[next]);
    if (isAlone || scheme === '') return this.#addWord(from);
    if (/^(?:bearer|basic|token|apikey|negotiate)$/i.test(scheme)) return this.#addWord(next);
    return this.#addLine(start, next);
  }

  #readFlag(word: string, start: number, end: number): number {
    if (start > 0 && !isSpace(this.#text[start - 1]) && !isQuote(this.#text[start - 1])) return end;
    const isUser = USER_FLAG.test(word);
    if (!isUser && !isSecretName(word)) return end;
    const { at, quote } = this.#quoteAt(end);
    let from = at;
    // The next item of a list: `["--token", "X"]`.
    if (quote !== '') {
      from = this.#skipSpace(from);
      if (this.#text[from] !== ',') return end;
      from += 1;
    }
    const value = this.#skipSpace(from);
    const isNext = value > from || this.#quoteAt(value).quote !== '';
    if (!isNext || this.#text[value] === '-') return end;
    return isUser ? this.#readUser(value, end) : this.#readValue(value, false, false);
  }

  /** `user:password`; two numbers are ids of a user and a group. */
  #readUser(value: number, end: number): number {
    const { at, quote } = this.#quoteAt(value);
    const close = quote === '' ? this.#endOfWord(at) : this.#endOfQuoted(at, quote);
    const user = this.#text.slice(at, Math.min(close, at + 1_024));
    const colon = user.indexOf(':');
    if (colon === -1 || user.includes('://') || /^\d*:\d*$/.test(user)) return end;
    return this.#add(at + colon + 1, close);
  }

  #readScheme(end: number): number {
    const from = this.#skipSpace(end);
    if (from === end) return end;
    let to = from;
    while (to < this.#text.length && /[\w.~+/=-]/.test(this.#text[to] ?? '')) to += 1;
    const token = this.#text.slice(from, Math.min(to, from + 64));
    if (token.length < 6 || NO_TOKEN.test(token) || isQuote(this.#text[to])) return end;
    return this.#add(from, to);
  }

  #readValue(from: number, isProse: boolean, isColon: boolean): number {
    const { at, quote } = this.#quoteAt(from);
    if (quote !== '') {
      const triple = quote.length === 1 && this.#text.startsWith(quote.repeat(2), at);
      const start = triple ? at + 2 : at;
      return this.#add(start, triple ? this.#find(quote.repeat(3), start) : this.#endOfQuoted(start, quote));
    }
    const first = this.#text[from] ?? '';
    if (this.#text.startsWith('-----BEGIN', from)) return from;
    if (first === '[') return this.#readList(from + 1);
    if (first === '{') return isColon ? from + 1 : this.#add(from, this.#endOfBraces(from));
    const end = this.#endOfWord(from);
    // A quoted part within a word would be left out: `a"b"c`.
    if (isProse && !this.#looksLikeToken(from, end)) return end;
    return this.#add(from, end);
  }

  /** The texts of a list. */
  #readList(from: number): number {
    let at = this.#skipSpace(from);
    for (;;) {
      const { at: start, quote } = this.#quoteAt(at);
      if (quote === '') return at;
      const end = this.#endOfQuoted(start, quote);
      this.#add(start, end);
      at = this.#skipSpace(Math.min(this.#text.length, end + quote.length));
      if (this.#text[at] !== ',') return at;
      at = this.#skipSpace(at + 1);
    }
  }

  /** In a sentence, a word of letters that is followed by others says what is wrong. */
  #looksLikeToken(start: number, end: number): boolean {
    const word = this.#text.slice(start, Math.min(end, start + 64));
    const isLast = isLineEnd(this.#text[this.#skipSpace(end)]);
    // `bearer tokens: /etc/tokens holds no token`
    if (!isLast && FILE.test(word)) return false;
    if (word.length >= 24 || /\d/.test(word) || /[a-z][A-Z]/.test(word) || /[^\w-]./.test(word)) return true;
    return word.length > 2 && isLast;
  }

  #endOfBraces(from: number): number {
    const end = this.#find('}', from);
    return end === this.#text.length ? this.#endOfWord(from) : end + 1;
  }

  /** Up to white space, a quote, or what separates assignments from each other. */
  #endOfWord(from: number): number {
    let at = from;
    for (; at < this.#text.length; at += 1) {
      const char = this.#text[at] ?? '';
      if (isSpace(char) || isQuote(char) || /[;&<>]/.test(char)) break;
      if (char === '\\' && isQuote(this.#text[this.#skipBackslashes(at)])) break;
      if (char === ',' && /^(?:$|\s|[\w.-]{1,32}[=:])/.test(this.#text.slice(at + 1, at + 34))) break;
    }
    // What follows a value in a sentence or in brackets is none of it.
    if (this.#text.startsWith('${', from)) return at;
    while (at > from && /[)\]},.]/.test(this.#text[at - 1] ?? '')) at -= 1;
    return at;
  }

  #skipBackslashes(from: number): number {
    let at = from;
    while (at - from < MAX_BETWEEN && this.#text[at] === '\\') at += 1;
    return at;
  }

  /** Where the quote closes that is written with so many backslashes. */
  #endOfQuoted(from: number, quote: string): number {
    const mark = quote.at(-1) ?? '';
    const depth = quote.length - 1;
    for (let at = this.#find(mark, from); at < this.#text.length; at = this.#find(mark, at + 1)) {
      let backslashes = 0;
      while (at - backslashes > from && this.#text[at - backslashes - 1] === '\\') backslashes += 1;
      if (depth === 0 ? backslashes % 2 === 0 : backslashes <= depth) return at - backslashes;
    }
    return this.#text.length;
  }

  /** Where a string occurs next; the end of the text if it does not. */
  #find(string: string, from: number): number {
    if (this.#absent.has(string)) return this.#text.length;
    const at = this.#text.indexOf(string, from);
    if (at === -1) this.#absent.add(string);
    return at === -1 ? this.#text.length : at;
  }

  /** `user:password@` in a URL; a password may hold characters that it should not. */
  #readAuthority(from: number): number {
    let end = from;
    while (end < this.#text.length && !/[\s/?#'"<>\\]/.test(this.#text[end] ?? '')) end += 1;
    const at = this.#text.slice(from, end).lastIndexOf('@');
    if (at !== -1) return this.#add(from, from + at);
    const colon = this.#text.slice(from, end).indexOf(':');
    const hasPort = /^:\d*$/.test(this.#text.slice(from + colon, end));
    if (colon === -1 || hasPort || this.#text[from] === '[') return from;
    this.#lookAhead(from);
    return this.#lastAt > from ? this.#add(from, this.#lastAt) : from;
  }

  /** Finds the last `@` of the run of characters that a URL could be. */
  #lookAhead(from: number): void {
    if (from < this.#runEnd) return;
    let at = from;
    this.#lastAt = -1;
    for (; at < this.#text.length && !/[\s'"<>]/.test(this.#text[at] ?? ''); at += 1)
      if (this.#text[at] === '@') this.#lastAt = at;
    this.#runEnd = at;
  }

  /** A private key, up to its end, or to that of the text. */
  #readPem(start: number, end: number): number {
    if (!this.#text.slice(end, end + 40).includes('PRIVATE KEY')) return end;
    const close = this.#find('-----END', end);
    const stop = close === this.#text.length ? close : this.#find('-----', close + 8) + 5;
    return this.#add(start, Math.min(stop, this.#text.length));
  }

  #addWord(from: number): number {
    return this.#add(from, this.#endOfWord(from));
  }

  /** Up to the end of the line, or of the quotes around the header. */
  #addLine(name: number, from: number): number {
    const before = this.#text[name - 1] ?? '';
    const quote = isQuote(before) ? before : '';
    let end = from;
    while (end < this.#text.length && this.#text[end] !== '\n' && this.#text[end] !== '\r') {
      if (quote === '' ? false : this.#text[end] === quote) break;
      end += 1;
    }
    return this.#add(from, this.#text[end - 1] === '\\' && quote !== '' ? end - 1 : end);
  }

  #add(start: number, end: number): number {
    const value = end - start <= MAX_PLACEHOLDER ? this.#text.slice(start, end) : 'x';
    if (end > start && !isPlaceholder(value) && !NOTHING.test(value)) this.#spans.push({ start, end });
    return Math.max(end, start);
  }
}

/** Of the whole text, in order, without overlaps. */
export function findSecrets(text: string, options: FindOptions = {}): readonly Span[] {
  return new Finder(text, options.isManifest ?? false).find();
}

/** Whether the text only names a variable, or shows where a value goes. */
export function isPlaceholder(text: string): boolean {
  return (
    text.length <= MAX_PLACEHOLDER && PLACEHOLDER.test(text.replace(/^(?:bearer|basic|token)[ \t]+/i, ''))
  );
}

function isWordCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 45 ||
    code === 46
  );
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r';
}

function isQuote(char: string | undefined): boolean {
  return char === '"' || char === "'" || char === '`';
}

function isLineEnd(char: string | undefined): boolean {
  return char === undefined || char === '\n' || char === '\r' || isQuote(char) || char === ')';
}
