import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { inputRequiredResult, toInputRequest } from '../../era/input.ts';
import type { Json } from '../../era/json.ts';
import type { Log } from '../../observe/log.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { resultAnswer } from './answer.ts';
import type { InFlightCalls } from './in-flight-calls.ts';
import { expiredAnswer, MAX_OPEN, ownerOf, rejectionReason } from './server-request-rules.ts';
import type { AssignedServerRequest, Caller, PendingCall, ServerRequest } from './pending-call.ts';
import type { SuspendedCalls } from './suspended-calls.ts';
import { UnmatchedRequests } from './unmatched.ts';

export interface ServerRequestsOptions {
  /** Whether a server request belongs to its call for certain. */
  readonly isExact: boolean;
  /** Of the client that the process was initialized for. */
  readonly capabilities: () => Json;
  readonly serverInfo: () => Json | undefined;
  readonly calls: InFlightCalls;
  readonly suspended: SuspendedCalls;
  /** Calls that may be suspended at the same time. */
  readonly maxSuspended: number;
  /** How long the server may take to finish a discarded call. */
  readonly graceMs: number;
  readonly sendToProcess: (frame: Frame) => void;
  /** A call has been suspended: there may be too many in all processes. */
  readonly onSuspend: () => void;
  /** Has the process stop working on a call. */
  readonly cancel: (call: PendingCall) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often a call may be suspended. */
const MAX_ROUNDS = 16;
/** Requests that a server sends at once may be read one by one, and each alone would be a round of its own. */
const COLLECT_MS = 5;

/** Requests of a process to its client in the middle of a call: the call is suspended until the client has answered them. */
export class ServerRequests {
  readonly #options: ServerRequestsOptions;
  readonly #calls: InFlightCalls;
  readonly #suspended: SuspendedCalls;
  readonly #unmatched: UnmatchedRequests;

  constructor(options: ServerRequestsOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#suspended = options.suspended;
    this.#unmatched = new UnmatchedRequests(options.clock, ({ id, method }) =>
      this.#reject(id, new RunError('INPUT_UNRELATED', { method })),
    );
  }

  /** The process has sent a request. */
  receive(request: ServerRequest): void {
    const { id, method, params, relatedRequestId } = request;
    if (method === 'ping') return this.#options.sendToProcess(frameOf({ id, result: {} }));
    const rejection = rejectionReason(this.#options.capabilities(), method, params);
    if (rejection !== undefined) return this.#reject(id, rejection);
    const call = ownerOf(this.#calls.values(), params, relatedRequestId);
    if (call !== undefined) return this.#assign(request, call);
    if (relatedRequestId === undefined) return this.#unmatched.keep(request);
    return this.#reject(id, new RunError('INPUT_UNRELATED', { method }));
  }

  /** A call has begun that earlier requests of the server may belong to. */
  assignUnmatched(): void {
    for (const request of this.#unmatched.takeAll()) this.receive(request);
  }

  /** Answers the client with a demand for the open input of a running call, together with requests that arrive right after it. */
  collectInput(call: PendingCall): void {
    if (call.isCollecting) return;
    call.isCollecting = true;
    this.#options.clock.after(COLLECT_MS, () => {
      call.isCollecting = false;
      const { caller } = call;
      if (caller !== undefined && call.serverRequests.size > 0) this.#suspend(call, caller);
    });
  }

  /** The process has answered a call that is suspended: the answer is kept for the client's retry. */
  keepFinal(call: PendingCall, final: Frame): void {
    call.final = final;
    // If another call may have sent the requests, the responses of the client are still wanted.
    if (!this.#mayBelongToOther(call)) call.serverRequests.clear();
  }

  /** A call has been answered: its open requests may belong to another call. */
  reassign(call: PendingCall): void {
    if (call.serverRequests.size === 0) return;
    const open = this.#mayBelongToOther(call) ? [...call.serverRequests.values()] : [];
    call.serverRequests.clear();
    for (const request of open) this.receive(request);
  }

  /** The process has cancelled a request of its own. */
  withdraw(id: unknown): void {
    if (!isRequestId(id)) return;
    // A client that sends a retry then waits for the answer alone.
    for (const call of this.#calls.values()) call.serverRequests.delete(id);
    this.#unmatched.remove(id);
  }

  discardOldestSuspended(): void {
    const oldest = this.#suspended.oldest();
    if (oldest === undefined) return;
    this.#suspended.remove(oldest);
    this.discard(oldest);
  }

  /** No retry came for a suspended call: the server receives the responses of an absent user, and may finish it. */
  discard(call: PendingCall): void {
    const { log, clock, graceMs, cancel } = this.#options;
    call.discard();
    log.info(
      { event: 'input.expired', method: call.request.method },
      'a client did not come back with the input asked for',
    );
    for (const request of call.serverRequests.values()) this.#answerExpired(request);
    call.serverRequests.clear();
    if (call.final !== undefined) return this.#calls.settle(call);
    clock.after(graceMs, () => {
      if (call.state === 'discarded') cancel(call);
    });
  }

  /** The process has ended. */
  clear(): void {
    this.#unmatched.takeAll();
  }

  #assign(request: ServerRequest, call: PendingCall): void {
    if (call.state === 'discarded') return this.#answerExpired(request);
    const { serverRequests, rounds } = call;
    if (serverRequests.size >= MAX_OPEN || rounds >= MAX_ROUNDS) {
      const max = rounds >= MAX_ROUNDS ? MAX_ROUNDS : MAX_OPEN;
      return this.#reject(request.id, new RunError('INPUT_TOO_MUCH', { max }));
    }
    call.serverRequestCount += 1;
    serverRequests.set(request.id, assigned(request, call.serverRequestCount));
    // The client of a suspended call is sent the request after its retry.
    if (call.state === 'running') this.collectInput(call);
  }

  /** Whether a call other than `call` may have sent the requests that were assigned to `call`. */
  #mayBelongToOther(call: PendingCall): boolean {
    if (this.#options.isExact) return false;
    return this.#calls.values().some((other) => other !== call && ownerOf([other], {}) !== undefined);
  }

  #suspend(call: PendingCall, caller: Caller): void {
    const { maxSuspended, serverInfo, onSuspend } = this.#options;
    if (this.#suspended.size >= maxSuspended) this.discardOldestSuspended();
    const inputRequests = Object.fromEntries(
      [...call.serverRequests.values()].map(({ key, method, params }) => [
        key,
        toInputRequest(method, params),
      ]),
    );
    this.#calls.suspend(call);
    const state = this.#suspended.add(call);
    const result = inputRequiredResult(inputRequests, state, serverInfo());
    caller.port.deliver(resultAnswer(caller, result));
    onSuspend();
  }

  #answerExpired(request: ServerRequest): void {
    this.#options.sendToProcess(expiredAnswer(request));
  }

  #reject(id: RequestId, error: RunError): void {
    this.#options.sendToProcess(faultFrame(error, id));
  }
}

function assigned(
  { id, method, params, relatedRequestId }: ServerRequest,
  number: number,
): AssignedServerRequest {
  return { id, method, params, relatedRequestId, key: `input-${number}` };
}
