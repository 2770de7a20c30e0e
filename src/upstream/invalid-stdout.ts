import type { Log } from '../observe/log.ts';
import type { Clock } from './clock.ts';

/** Lines that are logged one by one; what comes after them is counted. */
const SHOWN_LINES = 3;
const EXCERPT_BYTES = 120;
const SUMMARY_MS = 60_000;

/** Lines on a server's stdout that are no MCP messages: skipped, counted, and told without filling the log. */
export interface InvalidStdout {
  skip(line: Buffer): void;
  /** The server is gone: tells what has not been told yet. */
  end(): void;
}

/** @param onSkip called for each line */
export function createInvalidStdout(log: Log, clock: Clock, onSkip: () => void = () => {}): InvalidStdout {
  let total = 0;
  let told = 0;
  let cancelSummary: (() => void) | undefined;

  return {
    skip(line) {
      total += 1;
      onSkip();
      if (total === 1) {
        told = 1;
        log.warn(
          { event: 'server.stdout-skipped', lines: 1 },
          'a line on stdout is not an MCP message, skipped; servers must log to stderr',
        );
      }
      if (total <= SHOWN_LINES) {
        log.debug({ event: 'server.stdout-line', bytes: line.length }, `skipped: ${excerptOf(line)}`);
      }
      if (total > told) cancelSummary ??= clock.after(SUMMARY_MS, tell);
    },
    end() {
      cancelSummary?.();
      tell();
    },
  };

  function tell(): void {
    cancelSummary = undefined;
    if (total === told) return;
    told = total;
    log.warn(
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
