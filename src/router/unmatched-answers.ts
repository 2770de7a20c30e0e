import type { Log } from '../observe/log.ts';
import { RecentEvents } from '../observe/recent.ts';
import { OWN_ID } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { RequestId } from '../protocol/request-id.ts';

/** Answers of a server to requests that are not open. */
export interface UnmatchedAnswers {
  /** A remark on such answers since `time`, in ms since 1970, for a caller that gets no answer. */
  remarkSince(time: number): string | undefined;
  /** The request has been given up, and an answer to it is no surprise. */
  gaveUp(id: RequestId): void;
  /** An answer has come that no request waits for. */
  report(answer: Frame): void;
}

/** Answers that are told about one by one. */
const SHOWN = 3;
/** Requests that are remembered. */
const MAX_GIVEN_UP = 256;
/** Longest text of a server's that is repeated. */
const MAX_REASON = 200;
/** Longest id that is remembered. */
const MAX_ID = 100;

export function createUnmatchedAnswers(log: Log): UnmatchedAnswers {
  const givenUp = new Set<RequestId>();
  const strays = new RecentEvents();
  let told = 0;
  /** The server has said last, and when, that it could not make sense of a message. */
  let complaint = { reason: '', at: 0 };

  return {
    remarkSince(time) {
      if (complaint.at >= time && complaint.reason !== '')
        return `it could not make sense of a message: ${complaint.reason}`;
      const count = strays.since(time);
      if (count === 0) return undefined;
      return `it has sent ${count === 1 ? 'an answer' : `${count} answers`} to no request of ours`;
    },
    gaveUp(id) {
      if (String(id).length > MAX_ID) return;
      givenUp.add(id);
      const [oldest] = givenUp;
      if (givenUp.size > MAX_GIVEN_UP && oldest !== undefined) givenUp.delete(oldest);
    },
    report(answer) {
      const { id } = answer;
      const fields = { event: 'server.answer-dropped', id };
      if (id !== undefined && (givenUp.delete(id) || isOwn(id)))
        return log.debug(fields, 'the server answered a request that is no longer open');
      told += 1;
      if (id === undefined) complaint = { reason: reasonOf(answer), at: Date.now() };
      else strays.add();
      const text =
        id === undefined
          ? `the server could not make sense of a message: ${complaint.reason}`
          : 'the server answered a request that it was not sent, or answered one twice';
      return told > SHOWN ? log.debug(fields, text) : log.warn(fields, text);
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
    return (answer.message.error?.message ?? '').slice(0, MAX_REASON);
  } catch {
    return '';
  }
}
