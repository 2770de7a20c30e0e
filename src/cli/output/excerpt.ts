import type { Diagnostic } from '../../errors.ts';
import { widthOf } from '../../observe/printable.ts';
import { printable, type Palette } from './palette.ts';

/** How much of a long line is shown around the place that counts. */
const BEFORE = 50;
const AFTER = 50;

/** A manifest's problem for a person: what, where, and the line itself with a caret under the place. */
export function excerptLines(
  { file, line, column, key, detail, sourceLine }: Diagnostic,
  colours: Palette,
): string[] {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const head = `${key === '' ? '' : `${colours.bold(printable(key))}: `}${printable(detail)}`;
  const lines = [head, `  ${colours.dim('at')} ${colours.cyan(printable(place))}`];
  if (line === undefined || column === undefined || sourceLine === undefined) return lines;
  const gutter = String(line);
  const { text, caret } = windowAround(sourceLine, column - 1);
  lines.push(
    `  ${colours.dim(`${gutter} |`)} ${text}`,
    `  ${colours.dim(`${' '.repeat(gutter.length)} |`)} ${' '.repeat(caret)}${colours.red('^')}`,
  );
  return lines;
}

function windowAround(line: string, offset: number): { text: string; caret: number } {
  const start = offset > BEFORE + AFTER ? offset - BEFORE : 0;
  const end = line.length > offset + AFTER ? offset + AFTER : line.length;
  const lead = start > 0 ? '…' : '';
  // Each part by itself: an escape is longer than the character it stands for, and the caret has to move with it.
  const before = `${lead}${printable(line.slice(start, offset))}`;
  const text = `${before}${printable(line.slice(offset, end)).trimEnd()}${end < line.length ? '…' : ''}`;
  return { text, caret: widthOf(before) };
}
