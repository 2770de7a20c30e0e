/**
 * Text of others where people read it: what a terminal obeys, what turns the order of the characters around, and what
 * cannot be seen is written as an escape. Letters of all languages stay as they are.
 */

/** Colours and the like: styling, which is left out. */
// oxlint-disable-next-line no-control-regex
const STYLE = /\u001B\[[\d;:]{0,64}m/g;
/**
 * Controls of C0 and C1, the soft hyphen, marks and overrides of the direction, invisible characters, line and paragraph
 * separators, the byte order mark, annotations, tags.
 */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex
  /[\0-\u0008\u000A-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]|\uDB40[\uDC00-\uDC7F]|(?<![^\0-\u007F])[\u200C\u200D]/g;
const STYLE_OR_UNSAFE = new RegExp(`${STYLE.source}|${UNSAFE.source}`, 'g');
const NAMES = new Map([
  ['\n', String.raw`\n`],
  ['\r', String.raw`\r`],
]);

/** One line of text. */
export function printable(text: string): string {
  return text.replaceAll(STYLE, '').replaceAll(UNSAFE, (char) => NAMES.get(char) ?? escapeOf(char));
}

/** The same for a text of several lines. */
export function printableLines(text: string): string {
  return text
    .replaceAll(STYLE, '')
    .replaceAll(/\r\n/g, '\n')
    .replaceAll(UNSAFE, (char) => (char === '\n' ? char : (NAMES.get(char) ?? escapeOf(char))));
}

/** Text that we have laid out and coloured: lines and colours stay, and nothing else that a terminal obeys. */
export function printableStyled(text: string): string {
  return text.replaceAll(STYLE_OR_UNSAFE, (found) =>
    found === '\n' || found.length > 2 ? found : escapeOf(found),
  );
}

/** JSON with the same value, in which these characters are escaped. @param json as `JSON.stringify` makes it */
export function printableJson(json: string): string {
  return json.replaceAll(UNSAFE, (char) => (char === '\n' ? char : escapeOf(char)));
}

function escapeOf(char: string): string {
  // Unit by unit: JSON and most languages write characters beyond U+FFFF so.
  return Array.from({ length: char.length }, (_, at) => {
    const unit = char.charCodeAt(at).toString(16).padStart(4, '0');
    return String.raw`\u` + unit;
  }).join('');
}

/** How many columns of a terminal the text takes. */
export function widthOf(text: string): number {
  if (/^[\u0020-\u007E]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) {
    if (/^\p{M}$/u.test(char) || char === '\u200C' || char === '\u200D') continue;
    width += isWide(char.codePointAt(0) ?? 0) ? 2 : 1;
  }
  return width;
}

/** East Asian wide and full-width characters, and pictures. */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}
