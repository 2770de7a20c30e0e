import type { Target } from '../../config/types.ts';
import { mayBeFetching } from './hints.ts';

/** A program that may have to download the server first gets this much more time. */
const FETCH_FACTOR = 5;

/** A program may have to be downloaded before it starts, and a remote server may require the user to sign in. */
export function startTimeoutOf(target: Target, initializeTimeoutMs: number): number {
  if (target.kind === 'stdio') return initializeTimeoutMs * (mayBeFetching(target) ? FETCH_FACTOR : 1);
  const { oauth, patienceMs } = target;
  const isUserPrompted = oauth?.grant === 'authorization-code';
  return initializeTimeoutMs + patienceMs + (isUserPrompted ? oauth.timeoutMs : 0);
}
