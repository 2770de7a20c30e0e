import { asBuffer } from './bytes.ts';
import { endOfString } from './json-string.ts';

const QUOTE = 0x22;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

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
    if (byte === QUOTE) {
      index = endOfString(json, index) - 1;
      if (index < 0) return false;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
