import { LOG_LEVELS } from '../../protocol/constants.ts';
import type { HeldCall, Waiting } from './call.ts';

/** Severity, least first; -1 for what is none. */
export function severityOf(level: unknown): number {
  const levels: readonly unknown[] = LOG_LEVELS;
  return levels.indexOf(level);
}

/**
 * Whom a log line may reach: a server must not send any that was not asked for, nor to another request than the one it
 * belongs to (2026-07-28, server/utilities/logging). Which that is stdio does not say, so exactly one may want it.
 */
export function soleListener(calls: Iterable<HeldCall>, severity: number): Waiting | undefined {
  let found: Waiting | undefined;
  for (const { waiting } of calls) {
    if (waiting?.level === undefined || waiting.level > severity) continue;
    if (found !== undefined) return undefined;
    found = waiting;
  }
  return found;
}
