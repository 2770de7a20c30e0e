import { isRunError, RunError } from '../../errors.ts';
import { inputRequiredResult, mayNeedInput, urlElicitationsOf } from '../../era/input.ts';
import type { Json } from '../../era/json.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { cancellationFrame } from '../../protocol/cancellation.ts';
import { faultFrame, forParent, withParentView } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { outlivedMs } from '../shared-process/outlived.ts';
import type { UnmatchedAnswers } from '../unmatched-answers.ts';
import { modernAnswer, modernErrorAnswer, resultAnswer } from './answer.ts';
import type { InFlightCalls } from './in-flight-calls.ts';
import type { Caller, PendingCall } from './pending-call.ts';
import type { SuspendedCalls } from './suspended-calls.ts';

export interface CallSettlementOptions {
  readonly server: string;
  readonly calls: InFlightCalls;
  readonly suspended: SuspendedCalls;
  readonly unmatchedAnswers: UnmatchedAnswers;
  /** Whether all clients of the process are one and the same. */
  readonly hasOneClient: () => boolean;
  readonly serverInfo: () => Json | undefined;
  readonly sendToProcess: (frame: Frame) => void;
  /** A call has been answered. */
  readonly onAnswered: (call: PendingCall) => void;
  /** A call is over: the process may be idle now. */
  readonly onSettled: () => void;
}

const ERROR_KEY = Buffer.from('"error"');

/** The three ways in which a call ends. */
export class CallSettlement {
  readonly #options: CallSettlementOptions;

  constructor(options: CallSettlementOptions) {
    this.#options = options;
  }

  /** The process has answered it. */
  answer(call: PendingCall, frame: Frame): void {
    const { caller } = call;
    const { calls, hasOneClient, onAnswered, onSettled } = this.#options;
    // The calls of one client need not be kept apart.
    calls.settle(call, hasOneClient() ? 0 : outlivedMs({ isError: mayBeError(frame) }, frame));
    if (caller !== undefined) caller.port.deliver(this.#translate(call, caller, frame));
    onAnswered(call);
    onSettled();
  }

  /** The process will not answer it. */
  fail(call: PendingCall, reason: RunError): void {
    const { caller } = call;
    this.#options.calls.settle(call);
    caller?.port.deliver(faultFrame(reason, caller.id));
  }

  /** The client does not wait for it. Servers neither answer a cancelled request nor withdraw the requests that they sent for it. */
  cancel(call: PendingCall): void {
    const { calls, unmatchedAnswers, sendToProcess, onSettled } = this.#options;
    calls.settle(call);
    unmatchedAnswers.abandoned(call.number);
    for (const { id } of call.serverRequests.values())
      sendToProcess(faultFrame(new RunError('CLIENT_GONE'), id));
    sendToProcess(cancellationFrame(call.number, 'the client is gone'));
    onSettled();
  }

  #translate(call: PendingCall, caller: Caller, frame: Frame): Frame {
    const { server, serverInfo } = this.#options;
    const { method } = call.request;
    try {
      return mayBeError(frame) && frame.message.error !== undefined
        ? this.#errorAnswer(call, caller, frame, frame.message.error)
        : modernAnswer(caller, method, frame.bytes, { name: server, info: serverInfo() });
    } catch (error) {
      const fault = isRunError(error)
        ? error
        : new RunError('MALFORMED_ANSWER', { server, method }, { cause: error });
      return faultFrame(fault, caller.id);
    }
  }

  #errorAnswer(
    call: PendingCall,
    caller: Caller,
    frame: Frame,
    error: NonNullable<Frame['message']['error']>,
  ): Frame {
    const { suspended, serverInfo } = this.#options;
    const { method } = call.request;
    const urls = mayNeedInput(method) ? urlElicitationsOf(error) : undefined;
    if (urls === undefined)
      return withParentView(modernErrorAnswer(caller, method, error), () =>
        modernErrorAnswer(caller, method, forParent(frame).message.error ?? error),
      );
    const inputRequests = Object.fromEntries(urls.map((url, index) => [`input-${index + 1}`, url]));
    const state = suspended.replayState(call.digest);
    return resultAnswer(caller, inputRequiredResult(inputRequests, state, serverInfo()));
  }
}

/** A response may be large: it is parsed only if it may be an error. */
function mayBeError({ bytes }: Frame): boolean {
  return asBuffer(bytes).includes(ERROR_KEY);
}
