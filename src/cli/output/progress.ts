import { every } from '../../clock.ts';
import type { CliContext } from '../context.ts';
import { printableStyled, widthOf } from '../../observe/printable.ts';
import { printable, type Palette } from './palette.ts';

/** What runs at the moment, drawn over itself on a terminal's stderr. */
export interface Progress {
  started(name: string): void;
  /** What it says about itself; shown beside its name. */
  said(name: string, line: string): void;
  ended(name: string, ok: boolean): void;
  /** Takes everything off the screen. Idempotent. */
  stop(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
/** More would scroll, and what has scrolled cannot be drawn over. */
const MAX_LINES = 12;

interface Row {
  state: 'running' | 'ok' | 'failed';
  said: string;
  readonly since: number;
}

/** A spinner for each name that was started. */
export function createProgress(
  total: number,
  { stderr, columns, clock }: CliContext,
  colours: Palette,
): Progress {
  const rows = new Map<string, Row>();
  let drawn = 0;
  let frame = 0;
  const stopDrawing = every(clock, FRAME_MS, draw, false);

  return {
    started(name) {
      rows.set(name, { state: 'running', said: '', since: clock.now() });
      draw();
    },
    said(name, line) {
      const row = rows.get(name);
      if (row !== undefined) row.said = printable(line).trim();
    },
    ended(name, ok) {
      const row = rows.get(name);
      if (row !== undefined) row.state = ok ? 'ok' : 'failed';
      draw();
    },
    stop() {
      stopDrawing();
      stderr.write(clear());
      drawn = 0;
    },
  };

  function draw(): void {
    frame += 1;
    const lines = [...rows].slice(-MAX_LINES).map(([name, row]) => lineOf(name, row));
    const ended = [...rows.values()].filter(({ state }) => state !== 'running').length;
    if (total > 1) lines.push(colours.dim(`  ${ended} of ${total} checked`));
    stderr.write(`${clear()}${printableStyled(lines.join('\n'))}\n`);
    drawn = lines.length;
  }

  function clear(): string {
    return drawn === 0 ? '' : `\u001B[${drawn}A\r\u001B[J`;
  }

  /** Cut to one row of the terminal: a line that wraps could not be drawn over. */
  function lineOf(name: string, { state, said, since }: Row): string {
    if (state !== 'running') {
      const symbol = state === 'ok' ? colours.green('✔') : colours.red('✖');
      return `${symbol} ${cut(printable(name), columns() - 3)}`;
    }
    const seconds = ((clock.now() - since) / 1000).toFixed(1);
    const head = cut(`${printable(name)}  starting, ${seconds} s`, columns() - 3);
    const rest = cut(said, columns() - 6 - widthOf(head));
    const spinner = colours.cyan(FRAMES[frame % FRAMES.length] ?? '');
    return `${spinner} ${head}${rest === '' ? '' : `  ${colours.dim(rest)}`}`;
  }
}

function cut(text: string, width: number): string {
  if (width < 2) return '';
  if (widthOf(text) <= width) return text;
  let shown = '';
  let room = width - 1;
  for (const char of text) {
    room -= widthOf(char);
    if (room < 0) break;
    shown += char;
  }
  return `${shown}…`;
}
