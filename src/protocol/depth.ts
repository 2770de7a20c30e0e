import { asBuffer } from './bytes.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Bytes of a string that are read one by one before its end is searched for. */
const NEAR = 64;

/** Far more than anybody means; what writes or compares a value calls itself once a level, and has only so much stack. */
const MAX_DEPTH = 1_000;

/** Whether a JSON text, which is known to be sound, is nested too deeply to be taken apart and written again. */
export function isTooDeep(text: Uint8Array): boolean {
  // Each level takes two characters at least: most texts need not be looked at.
  if (text.length <= 2 * MAX_DEPTH) return false;
  const json = asBuffer(text);
  let depth = 0;
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index];
    if (byte === QUOTE) index = endOfString(json, index);
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** @returns the index of the closing quote, or an index behind the text without one */
function endOfString(json: Buffer, start: number): number {
  let index = start + 1;
  for (;;) {
    const pause = Math.min(index + NEAR, json.length);
    while (index < pause) {
      const byte = json[index];
      if (byte === QUOTE) return index;
      index += byte === BACKSLASH ? 2 : 1;
    }
    // An escape may have gone beyond the pause, so that the search begins behind it.
    const quote = index < json.length ? json.indexOf(QUOTE, index) : -1;
    if (quote === -1) return json.length;
    const escapedFrom = firstOfBackslashes(json, index, quote);
    if ((quote - escapedFrom) % 2 === 0) return quote;
    index = quote + 1;
  }
}

/** @returns where the backslashes before `end` begin, at `start` at the earliest */
function firstOfBackslashes(json: Buffer, start: number, end: number): number {
  let index = end;
  while (index > start && json[index - 1] === BACKSLASH) index -= 1;
  return index;
}
