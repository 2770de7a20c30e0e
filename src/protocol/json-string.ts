const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bytes of a string that are read one by one before its end is searched for. */
const NEAR = 64;

/** @returns the index behind the closing quote, -1 without one */
export function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    // Most strings, and most escapes in long ones, end before a search would have begun.
    const pause = Math.min(at + NEAR, bytes.length);
    while (at < pause) {
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      at += byte === BACKSLASH ? 2 : 1;
    }
    const quote = at < bytes.length ? bytes.indexOf(QUOTE, at) : -1;
    if (quote === -1) return -1;
    let backslashes = 0;
    while (quote - backslashes > at && bytes[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
