import { Chalk, type ChalkInstance } from 'chalk';
import { printable as escaped, widthOf } from '../../observe/printable.ts';

export type Palette = ChalkInstance;

/** The colours of this program; without `colour`, text stays as it is. */
export function createPalette(colour: boolean): Palette {
  return new Chalk({ level: colour ? 1 : 0 });
}

/** Text of others, in one line for a terminal: what moves the cursor, changes colours or turns the order around is escaped. */
export function printable(text: string): string {
  return escaped(text.replaceAll('\t', ' '));
}

/** Rows as aligned columns, two spaces apart. `right` are the columns of numbers. */
export function alignColumns(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const padding = ' '.repeat((widths[index] ?? 0) - widthOf(cell));
        return right.has(index) ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd(),
  );
}
