import { RunError } from '../../errors.ts';
import { inputRequiredResult, toInputRequest } from '../../era/input.ts';
import type { Json } from '../../era/json.ts';
import type { Log } from '../../observe/log.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { resultAnswer } from './answer.ts';
import type { InFlightCalls } from './in-flight-calls.ts';
import type { PendingCall, ServerRequest, Waiting } from './pending-call.ts';
import type { SuspendedCalls } from './suspended-calls.ts';
import { lateAnswer, MAX_OPEN, ownerOf, rejectionReason } from './open-requests.ts';
import { createUnmatchedRequests, type UnmatchedRequest } from './unmatched.ts';

export interface ServerRequestsOptions {
  /** Whether a question belongs to its call for certain. */
  readonly isExact: boolean;
  /** Of the client that the process is told of. */
  readonly capabilities: () => Json;
  readonly serverInfo: () => Json | undefined;
  readonly book: InFlightCalls;
  readonly parking: SuspendedCalls;
  /** Calls that may be parked. */
  readonly maxParked: number;
  /** How long a call that nobody comes back for may take to end. */
  readonly graceMs: number;
  readonly toChild: (frame: Frame) => void;
  readonly onPark: () => void;
  /** Has the process stop working on a call. */
  readonly cancel: (call: PendingCall) => void;
  readonly log: Log;
}

/** What a process asks its client in the middle of a call, and what becomes of the call meanwhile. */
export interface ServerRequests {
  question(question: UnmatchedRequest): void;
  /** Asks what is open of a call that somebody waits for, together with what comes right after it. */
  askSoon(call: PendingCall): void;
  /** A call has begun that a question may have been about. */
  adoptUnrelated(): void;
  /** The process has answered a call that is parked. */
  answered(call: PendingCall, final: Frame): void;
  /** What an answered call leaves open may be the question of another one. */
  passOn(call: PendingCall): void;
  /** The process does not wait for the answer any more. */
  takeBack(id: unknown): void;
  dropOldestParked(): void;
  /** Nobody came back for it. */
  discard(call: PendingCall): void;
  /** The process is gone. */
  clear(): void;
}

/** How often a call may come back for more input. */
const MAX_ROUNDS = 16;
/** Questions of one moment are lines of their own, and may be read one by one: each alone would be a round of its own. */
const MOMENT_MS = 5;

export function createServerRequests(options: ServerRequestsOptions): ServerRequests {
  const { book, parking, toChild, log } = options;
  const unrelated = createUnmatchedRequests(({ id, method }) =>
    refuse(id, new RunError('INPUT_UNRELATED', { method })),
  );

  return {
    question,
    askSoon,
    answered,
    passOn,
    adoptUnrelated: () => unrelated.takeAll().forEach(question),
    takeBack,
    dropOldestParked,
    discard,
    clear: () => void unrelated.takeAll(),
  };

  function question({ id, method, params, relatedRequestId }: UnmatchedRequest): void {
    if (method === 'ping') return toChild(frameOf({ id, result: {} }));
    const refusal = rejectionReason(options.capabilities(), method, params);
    if (refusal !== undefined) return refuse(id, refusal);
    const call = ownerOf(book.values(), params, relatedRequestId);
    if (call === undefined && relatedRequestId !== undefined)
      return refuse(id, new RunError('INPUT_UNRELATED', { method }));
    if (call === undefined) return unrelated.keep({ id, method, params, relatedRequestId });
    const asked = { id, method, params, relatedRequestId, key: `input-${call.asked + 1}` };
    if (call.isDiscarded) return answerLate(asked);
    if (call.questions.size >= MAX_OPEN || call.rounds >= MAX_ROUNDS) {
      const max = call.rounds >= MAX_ROUNDS ? MAX_ROUNDS : MAX_OPEN;
      return refuse(id, new RunError('INPUT_TOO_MUCH', { max }));
    }
    call.asked += 1;
    call.questions.set(id, asked);
    // Whoever comes back to a parked call is asked then.
    if (call.waiting !== undefined) askSoon(call);
  }

  function answered(call: PendingCall, final: Frame): void {
    call.final = final;
    // Otherwise the answers that its client brings are still wanted, by whichever call has asked.
    if (askersOf(call).length === 0) call.questions.clear();
  }

  function passOn(call: PendingCall): void {
    const open = askersOf(call).length === 0 ? [] : [...call.questions.values()];
    call.questions.clear();
    for (const { id, method, params, relatedRequestId } of open)
      question({ id, method, params, relatedRequestId });
  }

  /** Calls that may have asked what `call` was taken to have asked. */
  function askersOf(call: PendingCall): PendingCall[] {
    if (options.isExact) return [];
    return book.values().filter((other) => other !== call && ownerOf([other], {}) !== undefined);
  }

  /** What is asked at once is asked together. */
  function askSoon(call: PendingCall): void {
    if (call.isAsking) return;
    call.isAsking = true;
    setTimeout(() => {
      call.isAsking = false;
      const { waiting } = call;
      if (waiting !== undefined && call.questions.size > 0 && book.has(call)) park(call, waiting);
    }, MOMENT_MS);
  }

  function park(call: PendingCall, waiting: Waiting): void {
    if (parking.size >= options.maxParked) dropOldestParked();
    const entries = [...call.questions.values()].map(({ key: name, method, params }): [string, Json] => [
      name,
      toInputRequest(method, params),
    ]);
    book.park(call);
    call.rounds += 1;
    const state = parking.park(call);
    const result = inputRequiredResult(Object.fromEntries(entries), state, options.serverInfo());
    waiting.port.deliver(resultAnswer(waiting, result));
    options.onPark();
  }

  function dropOldestParked(): void {
    const oldest = parking.oldest();
    if (oldest === undefined) return;
    parking.remove(oldest);
    discard(oldest);
  }

  /** Nobody came back. The server is told what a user who walks away would say, and may finish. */
  function discard(call: PendingCall): void {
    call.isDiscarded = true;
    log.info(
      { event: 'input.expired', method: call.request.method },
      'a client did not come back with the input asked for',
    );
    for (const asked of call.questions.values()) answerLate(asked);
    call.questions.clear();
    if (call.final !== undefined) book.remove(call);
    else setTimeout(() => (book.has(call) ? options.cancel(call) : undefined), options.graceMs).unref();
  }

  function answerLate(asked: ServerRequest): void {
    const answer = lateAnswer(asked);
    toChild(
      'result' in answer
        ? frameOf({ id: asked.id, result: { ...answer.result } })
        : faultFrame(answer.error, asked.id),
    );
  }

  function refuse(id: RequestId, error: RunError): void {
    toChild(faultFrame(error, id));
  }

  function takeBack(id: unknown): void {
    if (!isRequestId(id)) return;
    // A client that comes back waits for the call alone.
    for (const call of book.values()) call.questions.delete(id);
    unrelated.forget(id);
  }
}
