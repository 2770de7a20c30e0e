import type { Log } from '../observe/log.ts';
import { OWN_ID } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { RequestId } from '../protocol/request-id.ts';

/** Answers of a server to requests that are not open. */
export interface Strays {
  /** How many there were that no request explains. */
  readonly count: number;
  /** The request has been given up, and an answer to it is no surprise. */
  gaveUp(id: RequestId): void;
  /** An answer has come that no request waits for. */
  report(answer: Frame): void;
}

/** Answers that are told about one by one. */
const SHOWN = 3;
/** Requests that are remembered. */
const MAX_GIVEN_UP = 256;

export function createStrays(log: Log): Strays {
  const givenUp = new Set<RequestId>();
  let count = 0;

  return {
    get count() {
      return count;
    },
    gaveUp(id) {
      givenUp.add(id);
      const [oldest] = givenUp;
      if (givenUp.size > MAX_GIVEN_UP && oldest !== undefined) givenUp.delete(oldest);
    },
    report(answer) {
      const { id } = answer;
      const fields = { event: 'server.answer-dropped', id };
      if (id !== undefined && (givenUp.delete(id) || isOwn(id)))
        return log.debug(fields, 'the server answered a request that is no longer open');
      count += 1;
      const text =
        id === undefined
          ? `the server could not make sense of a message: ${reasonOf(answer)}`
          : 'the server answered a request that it was not sent, or answered one twice';
      return count > SHOWN ? log.debug(fields, text) : log.warn(fields, text);
    },
  };
}

/** Requests of our own are given up by those that sent them. */
function isOwn(id: RequestId): boolean {
  return typeof id === 'string' && id.startsWith(OWN_ID);
}

/** An error without an id says what was wrong with a message that the server could not attribute (JSON-RPC 2.0, section 5). */
function reasonOf(answer: Frame): string {
  try {
    return answer.message.error?.message ?? '';
  } catch {
    return '';
  }
}
