import type { Culprit } from '../errors.ts';
import type { Palette } from './palette.ts';

/** How much of a long line is shown around the place that counts. */
const BEFORE = 50;
const AFTER = 50;

/** A manifest's problem for a person: what, where, and the line itself with a caret under the place. */
export function excerptLines(
  { file, line, column, key, detail, sourceLine }: Culprit,
  colours: Palette,
): string[] {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const head = `${key === '' ? '' : `${colours.bold(key)}: `}${detail}`;
  const lines = [head, `  ${colours.dim('at')} ${colours.cyan(place)}`];
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
  // One for one, so that the caret stays under its place.
  const safe = line.replaceAll(/\p{Cc}/gu, ' ');
  const start = offset > BEFORE + AFTER ? offset - BEFORE : 0;
  const end = safe.length > offset + AFTER ? offset + AFTER : safe.length;
  const lead = start > 0 ? '…' : '';
  const text = `${lead}${safe.slice(start, end).trimEnd()}${end < safe.length ? '…' : ''}`;
  return { text, caret: lead.length + offset - start };
}
