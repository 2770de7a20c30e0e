import { RunError, toRunError } from '../../errors.ts';
import type { Json } from '../../era/json.ts';
import type { Log } from '../../observe/log.ts';
import { isTooDeep } from '../../protocol/depth.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { replaceValues, valueAt, type Scanned } from '../../protocol/rewrite.ts';
import { severityOf } from '../log-levels.ts';
import { scanFromServer } from '../shared-process/scan-from-server.ts';
import type { UnmatchedAnswers } from '../unmatched-answers.ts';
import type { CallSettlement } from './call-settlement.ts';
import type { InFlightCalls } from './in-flight-calls.ts';
import type { Caller, PendingCall } from './pending-call.ts';
import type { ServerRequests } from './server-requests.ts';
import type { SubscriptionStreams } from './subscriptions.ts';
import { needsTask, taskIdOf, taskRequest, taskResultRequest } from './tasks.ts';

export interface FromProcessOptions {
  readonly server: string;
  /** The answer of the process to `initialize`. */
  readonly initializeResult: () => Json;
  readonly sendToProcess: (frame: Frame) => void;
  readonly calls: InFlightCalls;
  readonly serverRequests: ServerRequests;
  readonly subscriptions: SubscriptionStreams;
  readonly settlement: CallSettlement;
  readonly unmatchedAnswers: UnmatchedAnswers;
  readonly log: Log;
}

/** Messages of the process on their way to its clients. */
export class FromProcess {
  readonly #options: FromProcessOptions;
  readonly #calls: InFlightCalls;

  constructor(options: FromProcessOptions) {
    this.#options = options;
    this.#calls = options.calls;
  }

  /** @param relatedRequestId our request that the message came with, where the link knows */
  receive(message: Frame, relatedRequestId?: RequestId): void {
    const read = scanFromServer(message, this.#options);
    if (read === undefined) return;
    const { frame, scanned } = read;
    try {
      if (scanned.method === undefined) this.#answered(scanned, frame);
      else if (scanned.id === undefined) this.#notified(scanned, frame, relatedRequestId);
      else this.#requested(scanned.id, scanned.method, frame, relatedRequestId);
    } catch (error) {
      // The scan reads the outline of a message only, and its contents may still be invalid.
      this.#options.log.warn(
        { event: 'server.malformed-line', reason: toRunError(error).code },
        'a message on stdout is not sound',
      );
    }
  }

  #requested(id: RequestId, method: string, frame: Frame, relatedRequestId: RequestId | undefined): void {
    if (!isTooDeep(frame.bytes)) {
      const params = frame.message.params ?? {};
      return this.#options.serverRequests.receive({ id, method, params, relatedRequestId });
    }
    // It would have to be serialized again as a part of an answer.
    const error = new RunError('INVALID_REQUEST', { detail: 'nested too deeply' });
    return this.#options.sendToProcess(faultFrame(error, id));
  }

  #answered(scanned: Scanned, frame: Frame): void {
    const call = this.#calls.get(scanned.id);
    if (call === undefined) return this.#options.unmatchedAnswers.report(frame);
    if (call.task !== undefined || scanned.isError) {
      const next = this.#nextTaskRequest(call, scanned, frame);
      if (next !== undefined) return this.#options.sendToProcess(next);
    }
    if (call.state === 'suspended') return this.#options.serverRequests.keepFinal(call, frame);
    return this.#options.settlement.answer(call, frame);
  }

  /** @returns the next request on the way to the answer of a tool that runs as a task only */
  #nextTaskRequest(call: PendingCall, { isError }: Scanned, frame: Frame): Frame | undefined {
    if (isError) {
      if (!needsTask(call, frame.message.error, this.#options.initializeResult())) return undefined;
      call.task = 'creating';
      this.#calls.renumber(call);
      return taskRequest(call);
    }
    const id = call.task === 'creating' ? taskIdOf(frame) : undefined;
    if (id === undefined) return undefined;
    call.task = { id };
    this.#calls.renumber(call);
    return taskResultRequest(call, id);
  }

  #notified(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return this.#progressed(scanned);
      case 'notifications/message':
        return this.#logged(scanned, frame, relatedRequestId);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return this.#options.subscriptions.publish(frame.message);
      case 'notifications/cancelled':
        return this.#options.serverRequests.withdraw(valueAt(scanned, 'params.requestId'));
      // Revision 2026-07-28 has no notification for these any more (changelog).
      case 'notifications/elicitation/complete':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return this.#toCaller(frame, relatedRequestId);
    }
  }

  #progressed(scanned: Scanned): void {
    const caller = this.#calls.get(valueAt(scanned, 'params.progressToken'))?.caller;
    if (caller?.tokenText === undefined) return;
    const replacement = { place: 'params.progressToken', text: caller.tokenText } as const;
    caller.port.deliver(replaceValues(scanned, undefined, [replacement]));
  }

  /** All calls are those of one client: a log line goes to the newest one with a level that includes it. */
  #logged(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    const severity = severityOf(valueAt(scanned, 'params.level'));
    const listeners = this.#calls.candidates().filter(({ level = Infinity }) => level <= severity);
    const listener =
      relatedRequestId === undefined
        ? listeners.at(-1)
        : this.#callerByStream(listeners, relatedRequestId, 'listeners');
    listener?.port.deliver(frame);
  }

  #toCaller(frame: Frame, relatedRequestId: RequestId | undefined): void {
    const candidates = this.#calls.candidates();
    const caller =
      relatedRequestId === undefined
        ? candidates.at(-1)
        : this.#callerByStream(candidates, relatedRequestId, 'all');
    if (caller !== undefined) return caller.port.deliver(frame);
    this.#options.log.debug(
      { event: 'server.notification-dropped', method: frame.method },
      'a notification belongs to no single call',
    );
  }

  /**
   * The request on the stream of which a message came, if that proves anything: while calls run at the same time the server
   * may have guessed the stream, and the answer to one may have overtaken an earlier message.
   */
  #callerByStream(
    candidates: readonly Caller[],
    relatedRequestId: RequestId,
    among: 'all' | 'listeners',
  ): Caller | undefined {
    const caller = this.#calls.get(relatedRequestId)?.caller;
    if (caller === undefined || !candidates.includes(caller)) return undefined;
    return this.#calls.isAlone(caller, among) ? caller : undefined;
  }
}
