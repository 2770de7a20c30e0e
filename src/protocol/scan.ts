import { endOfString } from './json-string.ts';

/** A member of a JSON object: its key, and where its value lies in the bytes. */
export interface Member {
  readonly key: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** A value to write over another one. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** JSON. */
  readonly text: string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
/** Up to this many keys, comparing them all is quicker than hashing them. */
const FEW = 16;
/** Characters that an escape takes. */
const MAX_ESCAPE = 6;
const PRIMITIVE = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

/**
 * Finds all members of an object without parsing what is in them. Where one process answers for several clients the
 * ends of a line do not suffice: JSON allows a key twice, and a second, unseen `id` would name somebody else's request.
 * @param start of the object, or of white space before it
 * @param end where the object has to end, white space behind it included
 * @returns undefined if that is not one whole object, or has a key twice (escapes decoded)
 */
export function scanObject(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
  within?: Within,
): Member[] | undefined {
  const members: Member[] = [];
  const last = readMembers(bytes, skipSpace(bytes, start), members, true, within);
  return last !== -1 && endsAt(bytes, last, end) ? members : undefined;
}

/** Values of an object whose own members are wanted as well, found on the same way through the bytes. */
export interface Within {
  readonly key: string;
  /** The members of the value; empty if it is no object, undefined for an object that cannot be read. */
  members: Member[] | undefined;
  /** Whether the whole is rejected if the value has a key twice, or cannot be read. */
  readonly isStrict: boolean;
  readonly within?: Within;
  /** The next value to look for in the same object. */
  readonly or?: Within;
}

/** @returns the index behind the closing brace, -1 if that is no whole object, or has a key twice where that matters */
function readMembers(
  bytes: Buffer,
  start: number,
  members: Member[],
  isStrict: boolean,
  within: Within | undefined,
): number {
  if (bytes[start] !== OPEN) return -1;
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE) return at + 1;
  let seen: Set<string> | undefined;
  for (;;) {
    const keyEnd = bytes[at] === QUOTE ? endOfString(bytes, at) : -1;
    if (keyEnd === -1) return -1;
    const key = keyOf(bytes, at, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (key === undefined || bytes[at] !== COLON) return -1;
    const valueStart = skipSpace(bytes, at + 1);
    const valueEnd =
      within !== undefined && bytes[valueStart] === OPEN
        ? endOfObject(bytes, valueStart, key, within)
        : endOfValue(bytes, valueStart);
    if (valueEnd === -1) return -1;
    if (isStrict) {
      // A sender of half a million keys must not make us compare each with each.
      if (members.length >= FEW) seen ??= new Set(members.map((member) => member.key));
      if (seen === undefined ? isAmong(members, key) : seen.has(key)) return -1;
      seen?.add(key);
    }
    members.push({ key, start: valueStart, end: valueEnd });
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] !== COMMA) return bytes[at] === CLOSE ? at + 1 : -1;
    at = skipSpace(bytes, at + 1);
  }
}

/** The end of an object that may be one to look into. @returns -1 if it does not end, or has to be rejected */
function endOfObject(bytes: Buffer, start: number, key: string, within: Within): number {
  for (let wanted: Within | undefined = within; wanted !== undefined; wanted = wanted.or) {
    if (wanted.key !== key) continue;
    const members: Member[] = [];
    const end = readMembers(bytes, start, members, wanted.isStrict, wanted.within);
    wanted.members = end === -1 ? undefined : members;
    if (end !== -1 || wanted.isStrict) return end;
  }
  return endOfNested(bytes, start);
}

function isAmong(members: readonly Member[], key: string): boolean {
  for (const member of members) if (member.key === key) return true;
  return false;
}

/**
 * The members of what begins like an object, as far as they can be read: JSON or not, whole or not, and whether or not a
 * key is there twice. A value without an end lasts until the end of the bytes.
 * @returns undefined if it does not begin like one; `end` is the index behind its closing brace, if it has that
 */
export function scanBeginning(bytes: Buffer): { members: Member[]; end: number | undefined } | undefined {
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN) return undefined;
  const members: Member[] = [];
  do {
    at = skipSpace(bytes, at + 1);
    const keyEnd = bytes[at] === QUOTE ? endOfString(bytes, at) : -1;
    const key = keyEnd === -1 ? undefined : keyOf(bytes, at, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (key === undefined || bytes[at] !== COLON) return { members, end: undefined };
    const start = skipSpace(bytes, at + 1);
    const end = endOfAnything(bytes, start);
    members.push({ key, start, end });
    at = skipSpace(bytes, end);
  } while (bytes[at] === COMMA);
  return { members, end: bytes[at] === CLOSE ? at + 1 : undefined };
}

/**
 * The elements of an array as they are written, white space around them included. An array that is not sound is cut at
 * the commas that stand outside of its strings and brackets.
 * @param max stops behind so many elements: one more means that there are more
 */
export function elementsOf(array: Buffer, max = Infinity): Buffer[] {
  const elements: Buffer[] = [];
  let start = skipSpace(array, 0) + 1;
  let depth = 0;
  let at = start;
  for (; at < array.length && elements.length <= max; at += 1) {
    const byte = array[at];
    if (byte === QUOTE) {
      const end = endOfString(array, at);
      if (end === -1) {
        at = array.length - (array.at(-1) === CLOSE_ARRAY ? 1 : 0);
        break;
      }
      at = end - 1;
    } else if (byte === OPEN || byte === OPEN_ARRAY) {
      depth += 1;
    } else if (depth > 0) {
      if (byte === CLOSE || byte === CLOSE_ARRAY) depth -= 1;
    } else if (byte === COMMA) {
      elements.push(array.subarray(start, at));
      start = at + 1;
    } else if (byte === CLOSE_ARRAY) {
      break;
    }
  }
  if (elements.length <= max) elements.push(array.subarray(start, at));
  return elements;
}

/** A copy with other values in the given places; everything else stays byte for byte. */
export function spliceValues(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const ordered = edits.length > 1 ? edits.toSorted((a, b) => a.start - b.start) : edits;
  let { length } = bytes;
  for (const { start, end, text } of ordered) length += Buffer.byteLength(text) - (end - start);
  const copy = Buffer.allocUnsafe(length);
  let [from, to] = [0, 0];
  for (const { start, end, text } of ordered) {
    to += bytes.copy(copy, to, from, start);
    to += copy.write(text, to);
    from = end;
  }
  bytes.copy(copy, to, from);
  return copy;
}

function keyOf(bytes: Buffer, start: number, end: number): string | undefined {
  const raw = bytes.toString('utf8', start + 1, end - 1);
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return undefined;
  }
}

/** @returns the index behind the value, -1 if it does not end */
function endOfValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  if (first === OPEN || first === OPEN_ARRAY) return endOfNested(bytes, start);
  let at = start;
  while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
  return PRIMITIVE.test(bytes.toString('latin1', start, at)) ? at : -1;
}

/** @returns the index behind a value, or behind text in the place of one */
function endOfAnything(bytes: Buffer, start: number): number {
  switch (bytes[start]) {
    case QUOTE: {
      const end = endOfString(bytes, start);
      return end === -1 ? bytes.length : end;
    }
    case OPEN:
    case OPEN_ARRAY:
      return endOfMisnested(bytes, start);
    default: {
      let at = start;
      while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
      return at;
    }
  }
}

/** A bracket that closes closes those of the other kind that are open within. */
function endOfMisnested(bytes: Buffer, start: number): number {
  const open: number[] = [];
  /** How many of each kind are open: for a bracket that closes nothing, not all of them are looked through. */
  let objects = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at) - 1;
      if (at < 0) return bytes.length;
    } else if (byte === OPEN || byte === OPEN_ARRAY) {
      open.push(byte);
      if (byte === OPEN) objects += 1;
    } else if (byte === CLOSE || byte === CLOSE_ARRAY) {
      const opening = byte === CLOSE ? OPEN : OPEN_ARRAY;
      const hasOpening = byte === CLOSE ? objects > 0 : open.length > objects;
      for (let last = hasOpening ? undefined : opening; last !== opening;) {
        last = open.pop();
        if (last === OPEN) objects -= 1;
      }
      if (open.length === 0) return at + 1;
    }
  }
  return bytes.length;
}

function endOfNested(bytes: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at) - 1;
      if (at < 0) return -1;
    } else if (byte === OPEN || byte === OPEN_ARRAY) {
      depth += 1;
    } else if (byte === CLOSE || byte === CLOSE_ARRAY) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function isDelimiter(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE || byte === CLOSE_ARRAY || isSpace(byte);
}

/**
 * Counts the members of an object, and of the objects that a path of keys leads to from there: of a key that is there twice,
 * both.
 * @param bytes known to be sound JSON
 * @returns one number for the object, and one for each key of the path
 */
export function countMembers(bytes: Buffer, path: readonly string[]): number[] {
  const counts = [0, ...path.map(() => 0)];
  countInto(counts, bytes, skipSpace(bytes, 0), path, 0);
  return counts;
}

/** @returns the index behind the object */
function countInto(
  counts: number[],
  bytes: Buffer,
  start: number,
  path: readonly string[],
  level: number,
): number {
  const next = path[level];
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE) return at + 1;
  for (;;) {
    counts[level] = (counts[level] ?? 0) + 1;
    const keyEnd = endOfString(bytes, at);
    const isNext = next !== undefined && isKey(bytes, at, keyEnd, next);
    at = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    at = isNext && bytes[at] === OPEN ? countInto(counts, bytes, at, path, level + 1) : endOfSound(bytes, at);
    at = skipSpace(bytes, at);
    if (bytes[at] !== COMMA) return at + 1;
    at = skipSpace(bytes, at + 1);
  }
}

/** Whether a key means `name`, escapes decoded; hardly any key has to be decoded for that. */
function isKey(bytes: Buffer, start: number, end: number, name: string): boolean {
  const length = end - start - 2;
  if (length < name.length || length > name.length * MAX_ESCAPE) return false;
  if (length > name.length)
    return bytes.subarray(start, end).includes(BACKSLASH) && keyOf(bytes, start, end) === name;
  for (let index = 0; index < length; index += 1)
    if (bytes[start + 1 + index] !== name.charCodeAt(index)) return false;
  return true;
}

function endOfSound(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  if (first === OPEN || first === OPEN_ARRAY) return endOfNested(bytes, start);
  let at = start;
  while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
  return at;
}

/** Whether nothing but white space follows. */
function endsAt(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && isSpace(bytes[at])) at += 1;
  return at === end;
}

export function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
