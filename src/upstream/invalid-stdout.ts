import type { Log } from '../observe/log.ts';
import type { Clock } from '../clock.ts';

/** Lines that are logged one by one; those that come after them are counted. */
const SHOWN_LINES = 3;
const EXCERPT_BYTES = 120;
const SUMMARY_MS = 60_000;

/** Lines on a server's stdout that are no MCP messages: skipped, counted, and logged without filling the log. */
export class InvalidStdout {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onSkip: () => void;
  #total = 0;
  #logged = 0;
  #cancelSummary: (() => void) | undefined;

  /** @param onSkip called for each line */
  constructor(log: Log, clock: Clock, onSkip: () => void = () => {}) {
    this.#log = log;
    this.#clock = clock;
    this.#onSkip = onSkip;
  }

  skip(line: Buffer): void {
    this.#total += 1;
    this.#onSkip();
    if (this.#total === 1) {
      this.#logged = 1;
      this.#log.warn(
        { event: 'server.stdout-skipped', lines: 1 },
        'a line on stdout is not an MCP message, skipped; servers must log to stderr',
      );
    }
    if (this.#total <= SHOWN_LINES) {
      this.#log.debug({ event: 'server.stdout-line', bytes: line.length }, `skipped: ${excerptOf(line)}`);
    }
    if (this.#total > this.#logged)
      this.#cancelSummary ??= this.#clock.after(SUMMARY_MS, () => this.#summarize());
  }

  /** The server has ended: logs the number of lines, if it has grown since. */
  end(): void {
    this.#cancelSummary?.();
    this.#summarize();
  }

  #summarize(): void {
    this.#cancelSummary = undefined;
    const total = this.#total;
    if (total === this.#logged) return;
    this.#logged = total;
    this.#log.warn(
      { event: 'server.stdout-skipped', lines: total },
      `${total} lines on stdout so far are not MCP messages, skipped`,
    );
  }
}

/** For debug only, since it may hold anything. Control characters would reach the terminal. */
export function excerptOf(line: Buffer): string {
  const text = line.toString('utf8', 0, EXCERPT_BYTES).replaceAll(/[^\P{C}\t]/gu, '?');
  return line.length > EXCERPT_BYTES ? `${text}…` : text;
}
