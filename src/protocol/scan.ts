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

/**
 * Finds all members of the object that starts at `start`, without parsing their values. Where one process answers for
 * several clients the ends of a line do not suffice: JSON allows a key twice, and a second, unseen `id` would name
 * somebody else's request.
 * @param end where the object has to end; white space may follow
 * @returns undefined if that is not one whole object, or has a key twice (escapes decoded)
 */
export function scanObject(bytes: Buffer, start = 0, end = bytes.length): Member[] | undefined {
  let at = skipSpace(bytes, start);
  if (bytes[at] !== 0x7b) return undefined;
  at = skipSpace(bytes, at + 1);
  const members: Member[] = [];
  if (bytes[at] === 0x7d) return skipSpace(bytes, at + 1) === end ? members : undefined;
  for (;;) {
    const keyEnd = bytes[at] === QUOTE ? endOfString(bytes, at) : -1;
    if (keyEnd === -1) return undefined;
    const key = keyOf(bytes, at, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (key === undefined || bytes[at] !== COLON) return undefined;
    const valueStart = skipSpace(bytes, at + 1);
    const valueEnd = endOfValue(bytes, valueStart);
    if (valueEnd === -1 || members.some((member) => member.key === key)) return undefined;
    members.push({ key, start: valueStart, end: valueEnd });
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    else break;
  }
  return bytes[at] === 0x7d && skipSpace(bytes, at + 1) === end ? members : undefined;
}

/** Where the value at the end of a path of keys lies; undefined if there is none. */
export function findValue(bytes: Buffer, members: readonly Member[], ...path: string[]): Member | undefined {
  let found: Member | undefined;
  let level: readonly Member[] = members;
  for (const key of path) {
    if (found !== undefined) level = scanObject(bytes, found.start, found.end) ?? [];
    found = level.find((member) => member.key === key);
    if (found === undefined) return undefined;
  }
  return found;
}

/** A copy with other values in the given places; everything else stays byte for byte. */
export function spliceValues(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(at, start), Buffer.from(text));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
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

/** @returns the index behind the closing quote, -1 without one */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
  return -1;
}

/** @returns the index behind the value, -1 if it does not end */
function endOfValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  if (first === 0x7b || first === 0x5b) return endOfNested(bytes, start);
  let at = start;
  while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
  return at === start ? -1 : at;
}

function endOfNested(bytes: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at) - 1;
      if (at < 0) return -1;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function isDelimiter(byte: number | undefined): boolean {
  return byte === COMMA || byte === 0x7d || byte === 0x5d || isSpace(byte);
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
