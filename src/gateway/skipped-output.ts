import type { Clock } from '../clock.ts';
import { RecentEvents } from '../observe/recent.ts';

/** Observations of a server's processes that may explain why a request is not answered. */
export interface SkippedOutput {
  /** A line of its stdout has been skipped. */
  readonly onSkipped: () => void;
  /** @param time in ms since 1970 */
  readonly remarkSince: (time: number) => string | undefined;
}

export function createSkippedOutput(clock: Clock): SkippedOutput {
  const skipped = new RecentEvents(clock);
  return {
    onSkipped: () => skipped.add(),
    remarkSince(time) {
      const lines = skipped.since(time);
      if (lines === 0) return undefined;
      return lines === 1
        ? 'a line on its stdout was not an MCP message and was skipped: servers log to stderr'
        : `${lines} lines on its stdout were not MCP messages and were skipped: servers log to stderr`;
    },
  };
}
