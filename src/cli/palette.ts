import { Chalk, type ChalkInstance } from 'chalk';

export type Palette = ChalkInstance;

/** The colours of this program; without `colour`, text stays as it is. */
export function createPalette(colour: boolean): Palette {
  return new Chalk({ level: colour ? 1 : 0 });
}

/** Text of others for a terminal: what moves the cursor or changes colours is taken out. */
export function printable(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|.)/g, '')
      .replaceAll('\t', ' ')
      .replaceAll(/\p{Cc}/gu, '')
  );
}

/** Rows as aligned columns, two spaces apart. `right` are the columns of numbers. */
export function alignColumns(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, index) =>
        right.has(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
