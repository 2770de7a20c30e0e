import { timeoutError, type RunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { UnmatchedAnswers } from './unmatched-answers.ts';

export interface TimeoutContext {
  /** Name of the server, for the error. */
  readonly server: string;
  /** Observations since `time`, in ms since 1970, that may explain why the server does not answer. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly unmatched: UnmatchedAnswers;
  readonly log: Log;
}

/** Logs that the server has not answered in time, with all that may explain it. @returns the same for the client */
export function reportTimeout(
  { method, startedAt }: { readonly method: string; readonly startedAt: number },
  timeoutMs: number,
  { server, remarkSince, unmatched, log }: TimeoutContext,
): RunError {
  // A line that a server has written before its first request may be the very reason why it does not start.
  const remark = remarkSince?.(method === 'initialize' ? 0 : startedAt);
  const error = timeoutError({ server, method, timeoutMs }, [remark, unmatched.remarkSince(startedAt)]);
  const text = [error.message, error.hint].filter((part) => part !== '').join('. ');
  log.warn({ event: 'exchange.timeout', method, timeoutMs }, text);
  return error;
}
