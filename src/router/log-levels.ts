import { LOG_LEVELS } from '../protocol/constants.ts';

/** Severity, least first; -1 for what is none. */
export function severityOf(level: unknown): number {
  const levels: readonly unknown[] = LOG_LEVELS;
  return levels.indexOf(level);
}
