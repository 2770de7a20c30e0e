import { RunError } from '../../errors.ts';
import { requestDigest } from '../../era/input.ts';
import { jsonOf, type Json } from '../../era/json.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { RequestParts } from '../request-parts.ts';
import { InFlightRequest } from '../shared-process/in-flight-request.ts';

/** A request of the server to its client. */
export interface ServerRequest {
  readonly id: RequestId;
  readonly method: string;
  readonly params: Json;
  /** The call that it came with, where the link knows. */
  readonly relatedRequestId: RequestId | undefined;
}

/** A request of the server that is taken to belong to a call. */
export interface AssignedServerRequest extends ServerRequest {
  /** Its name in `inputRequests`. */
  readonly key: string;
}

/** The client's request that a running call answers. */
export class Caller extends InFlightRequest {
  /** Set when the call begins, or is resumed. */
  call: PendingCall | undefined;
}

/**
 * - *running*: a request of the client waits for the answer.
 * - *suspended*: that request has been answered with a demand for input; the client is to send a retry.
 * - *discarded*: no retry came in time. The server may finish the call, and its answer is dropped.
 * - *settled*: over.
 */
export type CallState = 'running' | 'suspended' | 'discarded' | 'settled';

const TRANSITIONS: Readonly<Record<CallState, readonly CallState[]>> = {
  running: ['suspended', 'settled'],
  suspended: ['running', 'discarded', 'settled'],
  discarded: ['settled'],
  settled: [],
};

/**
 * One request to the server. For its client it may be several, one after the other: each but the last is answered with a
 * demand for input (2026-07-28, basic/patterns/mrtr), and the call is suspended until the client sends the next one.
 */
export class PendingCall {
  /** Its id for the server, and its progress token. */
  number: number;
  readonly request: RequestParts;
  /** Those that are open, by their id. */
  readonly serverRequests = new Map<RequestId, AssignedServerRequest>();
  /** How many there have been. */
  serverRequestCount = 0;
  /** The server's answer, if it came while the call was suspended. */
  final: Frame | undefined;
  /** Its client is about to be sent all server requests that arrive at the same moment. */
  isCollecting = false;
  /** It holds a permit to run among the calls that may need input. */
  hasSlot = false;
  /** 2025-11-25, basic/utilities/tasks: the task that the call has become. */
  task: { readonly id: string } | 'creating' | undefined;
  readonly #frame: Frame;
  #digest: string | undefined;
  #state: CallState = 'running';
  #caller: Caller | undefined;
  #rounds = 0;

  constructor(number: number, frame: Frame, request: RequestParts, caller: Caller) {
    this.number = number;
    this.#frame = frame;
    this.request = request;
    this.#caller = caller;
  }

  get state(): CallState {
    return this.#state;
  }

  /** Undefined unless the call is running. */
  get caller(): Caller | undefined {
    return this.#caller;
  }

  /** How often it has been suspended. */
  get rounds(): number {
    return this.#rounds;
  }

  /** A retry belongs to this call only if its digest is the same. */
  get digest(): string {
    this.#digest ??= requestDigest(this.request.method, jsonOf(this.#frame.message.params));
    return this.#digest;
  }

  /** running → suspended. @throws RunError `INTERNAL` in any other state */
  suspend(): void {
    this.#enter('suspended');
    this.#caller = undefined;
    this.#rounds += 1;
  }

  /** suspended → running. @throws RunError `INTERNAL` in any other state */
  resume(caller: Caller): void {
    this.#enter('running');
    this.#caller = caller;
  }

  /** suspended → discarded. @throws RunError `INTERNAL` in any other state */
  discard(): void {
    this.#enter('discarded');
  }

  /** The end, from any state but itself. @throws RunError `INTERNAL` if it is settled */
  settle(): void {
    this.#enter('settled');
    this.#caller = undefined;
  }

  #enter(next: CallState): void {
    if (!TRANSITIONS[this.#state].includes(next))
      throw new RunError('INTERNAL', { detail: `a call that is ${this.#state} cannot become ${next}` });
    this.#state = next;
  }
}
