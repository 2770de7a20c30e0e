const COLOUR = /\\u001b\[[\d;]*m/g;
const ESCAPE = /\\(u00[01][\da-f]|.)/g;
const RAW_CONTROL = /[\u007f-\u009f]/g;
const REPLACEMENT = '\uFFFD';

/**
 * A line of the JSON log with nothing in it that a terminal obeys, and no line break that would start a line of
 * somebody else's making: servers and clients choose parts of it.
 */
export function printable(line: string): string {
  // A stack is ours, and reads better as it is.
  const keepsBreaks = line.includes('"stack":');
  return line
    .replaceAll(COLOUR, '')
    .replaceAll(ESCAPE, (whole, code: string) => {
      if (code === 'n') return keepsBreaks ? whole : String.raw`\\n`;
      if (code === 'r' || code === 'b' || code === 'f') return '';
      return code.length > 1 ? REPLACEMENT : whole;
    })
    .replaceAll(RAW_CONTROL, REPLACEMENT);
}
