import type { Clock } from '../clock.ts';
import type { Log } from '../observe/log.ts';
import { RecentEvents } from '../observe/recent.ts';
import { OWN_ID } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { RequestId } from '../protocol/request-id.ts';

/** Answers that are logged as warnings, one by one. */
const SHOWN = 3;
/** Requests that are remembered. */
const MAX_ABANDONED = 256;
/** Longest text of a server's that is repeated. */
const MAX_REASON = 200;
/** Longest id that is remembered. */
const MAX_ID = 100;

/** Answers of a server to requests that are not open. */
export class UnmatchedAnswers {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #abandoned = new Set<RequestId>();
  readonly #unmatched: RecentEvents;
  #reported = 0;
  /** The last message that the server could not make sense of, and when it said so. */
  #complaint = { reason: '', at: 0 };

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#unmatched = new RecentEvents(clock);
  }

  /** A remark on such answers since `time`, in ms as the clock tells it, for a caller that gets no answer. */
  remarkSince(time: number): string | undefined {
    const { reason, at } = this.#complaint;
    if (at >= time && reason !== '') return `it could not make sense of a message: ${reason}`;
    const count = this.#unmatched.since(time);
    if (count === 0) return undefined;
    return `it has sent ${count === 1 ? 'an answer' : `${count} answers`} to no request of ours`;
  }

  /** The request has been given up, and an answer to it is no surprise. */
  abandoned(id: RequestId): void {
    if (String(id).length > MAX_ID) return;
    this.#abandoned.add(id);
    const [oldest] = this.#abandoned;
    if (this.#abandoned.size > MAX_ABANDONED && oldest !== undefined) this.#abandoned.delete(oldest);
  }

  /** An answer has come that no request waits for. */
  report(answer: Frame): void {
    const { id } = answer;
    const fields = { event: 'server.answer-dropped', id };
    if (id !== undefined && (this.#abandoned.delete(id) || isOwn(id)))
      return this.#log.debug(fields, 'the server answered a request that is no longer open');
    const text = id === undefined ? this.#complained(answer) : this.#answeredUnasked();
    this.#reported += 1;
    return this.#reported > SHOWN ? this.#log.debug(fields, text) : this.#log.warn(fields, text);
  }

  #complained(answer: Frame): string {
    this.#complaint = { reason: reasonOf(answer), at: this.#clock.now() };
    return `the server could not make sense of a message: ${this.#complaint.reason}`;
  }

  #answeredUnasked(): string {
    this.#unmatched.add();
    return 'the server answered a request that it was not sent, or answered one twice';
  }
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
