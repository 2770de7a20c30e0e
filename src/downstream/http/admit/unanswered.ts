import { RunError } from '../../../errors.ts';

/** Requests of one session without an answer, and messages that its server has not taken yet. */
const MAX_UNANSWERED = 1_000;

/**
 * A client that leaves before it is answered leaves its requests behind: the number of connections does not bound them.
 * @param count of what is there, with the one that has come
 * @throws RunError `TOO_MANY_REQUESTS`
 */
export function requireAnswerable(count: number, max = MAX_UNANSWERED): void {
  if (count > max) throw new RunError('TOO_MANY_REQUESTS', { max });
}
