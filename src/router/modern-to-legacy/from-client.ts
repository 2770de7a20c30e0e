import { RunError, toRunError } from '../../errors.ts';
import type { Envelope } from '../../era/envelope.ts';
import { discoverFromInitialize } from '../../era/handshake.ts';
import { mayNeedInput, requestDigest } from '../../era/input.ts';
import { isJson, jsonOf, type Json } from '../../era/json.ts';
import { readFilter } from '../../era/listen.ts';
import { LISTEN, LOG_LEVELS } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import { severityOf } from '../log-levels.ts';
import { readRequest, type RequestParts } from '../request-parts.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { hasLogging } from '../shared-process/initialize-replay.ts';
import type { ManagedProcess, Running } from '../shared-process/managed-process.ts';
import { resultAnswer, type RequestIdentity } from './answer.ts';
import type { CallSettlement } from './call-settlement.ts';
import type { InFlightCalls } from './in-flight-calls.ts';
import { Caller, type PendingCall } from './pending-call.ts';
import { legacyRequest } from './request.ts';
import type { ServerRequests } from './server-requests.ts';
import type { SubscriptionStreams } from './subscriptions.ts';
import type { SuspendedCalls } from './suspended-calls.ts';

type Wait = void | Promise<void>;

export interface FromClientOptions {
  readonly server: string;
  readonly process: ManagedProcess;
  readonly calls: InFlightCalls;
  readonly suspended: SuspendedCalls;
  readonly serverRequests: ServerRequests;
  readonly subscriptions: SubscriptionStreams;
  readonly settlement: CallSettlement;
  /** A client does not wait any more: the process may be idle now. */
  readonly onSettled: () => void;
}

/** Messages of clients on their way to the process. */
export class FromClient {
  readonly #options: FromClientOptions;
  readonly #process: ManagedProcess;
  readonly #calls: InFlightCalls;
  /** The level that the process has been set to log at. */
  #level: number | undefined;
  #waitingForProcess = 0;

  constructor(options: FromClientOptions) {
    this.#options = options;
    this.#process = options.process;
    this.#calls = options.calls;
  }

  /** Requests that wait for the process to start. */
  get waitingForProcess(): number {
    return this.#waitingForProcess;
  }

  request(port: ClientPort, frame: Frame, envelope: Envelope): Wait {
    const { current } = this.#process;
    if (current === undefined) return this.#requestWhenRunning(port, frame, envelope);
    return this.#dispatch(port, frame, envelope, current);
  }

  notify(port: ClientPort, frame: Frame): Wait {
    if (frame.method !== 'notifications/cancelled') return this.#process.send(frame);
    const id = frame.message.params?.['requestId'];
    if (this.#options.subscriptions.cancel(port, id)) return this.#options.onSettled();
    const call = this.#calls.findRunning(port, id);
    if (call !== undefined) this.#options.settlement.cancel(call);
    return undefined;
  }

  /** A client has left: its running calls are cancelled, its suspended ones are not. */
  leave(port: ClientPort): void {
    const { subscriptions, settlement, onSettled } = this.#options;
    subscriptions.removeClient(port);
    for (const call of this.#calls.runningOf(port)) settlement.cancel(call);
    onSettled();
  }

  /** Sends a call to the process, or continues it with the input of its client. The call holds its slot if it needs one. */
  run(call: PendingCall, input: Json | undefined): void {
    if (input === undefined) this.#send(call);
    else this.#resume(call, input);
  }

  /** Another process has been initialized. */
  processReady(): void {
    this.#level = undefined;
  }

  async #requestWhenRunning(port: ClientPort, frame: Frame, envelope: Envelope): Promise<void> {
    const running = await this.#start(port, frame);
    if (running !== undefined && port.isOpen) await this.#dispatch(port, frame, envelope, running);
    else this.#options.onSettled();
  }

  async #start(port: ClientPort, frame: Frame): Promise<Running | undefined> {
    this.#waitingForProcess += 1;
    try {
      return await this.#process.running();
    } catch (error) {
      port.deliver(faultFrame(toRunError(error), frame.id));
      return undefined;
    } finally {
      this.#waitingForProcess -= 1;
    }
  }

  #dispatch(port: ClientPort, frame: Frame, { logLevel }: Envelope, { initialized }: Running): Wait {
    const { id, method = '' } = frame;
    if (id === undefined) return undefined;
    const request = readRequest(frame);
    const idText = request.idText?.toString() ?? JSON.stringify(id);
    if (method === 'server/discover')
      return this.#answer(
        port,
        resultAnswer({ id, idText }, discoverFromInitialize(jsonOf(initialized.result))),
      );
    if (method === LISTEN) return this.#listen(port, frame, { id, idText }, jsonOf(initialized.result));
    if (port.findCall(id) !== undefined) throw new RunError('DUPLICATE_ID', { id: String(id) });
    const caller = new Caller(port, id, idText, request.tokenText?.toString());
    if (logLevel !== undefined) caller.level = severityOf(logLevel);
    return isRetry(frame, method) ? this.#retry(caller, frame, request) : this.#begin(caller, frame, request);
  }

  /** Answers a request that the process does not get. */
  #answer(port: ClientPort, answer: Frame): void {
    port.deliver(answer);
    this.#options.onSettled();
  }

  #listen(port: ClientPort, frame: Frame, request: RequestIdentity, initializeResult: Json): Wait {
    const filter = readFilter(jsonOf(frame.message.params));
    if (filter !== undefined)
      return this.#options.subscriptions.open(port, request, filter, initializeResult);
    const error = new RunError('INVALID_PARAMS', { detail: '"notifications" must say what to listen to' });
    return this.#answer(port, faultFrame(error, frame.id));
  }

  #begin(caller: Caller, frame: Frame, request: RequestParts): void {
    const call = this.#calls.begin(frame, request, caller);
    if (!mayNeedInput(request.method) || this.#calls.acquireSlot(call)) this.#send(call);
  }

  #send(call: PendingCall): void {
    this.#setLevel(call.caller?.level);
    void this.#process.send(legacyRequest(call.request, call.number));
    if (mayNeedInput(call.request.method)) this.#options.serverRequests.assignUnmatched();
  }

  /** The process logs at the lowest level of all calls; for the other calls its log lines are filtered. */
  #setLevel(wanted: number | undefined): void {
    const { current } = this.#process;
    if (wanted === undefined || current === undefined || !hasLogging(current.initialized)) return;
    if (this.#level !== undefined && this.#level <= wanted) return;
    this.#level = wanted;
    this.#process.ask('logging/setLevel', { level: LOG_LEVELS[wanted] }).catch(() => {});
  }

  /** A client has sent the request again, with the input that the server needs. */
  #retry(caller: Caller, frame: Frame, request: RequestParts): void {
    const { port, id } = caller;
    const { server, suspended } = this.#options;
    const params = jsonOf(frame.message.params);
    const found = suspended.take(params['requestState'], requestDigest(request.method, params));
    switch (found?.kind) {
      case undefined:
        return this.#answer(port, faultFrame(new RunError('INPUT_STATE_INVALID'), id));
      case 'lost':
        return this.#answer(port, faultFrame(new RunError('UPSTREAM_RESTARTED', { server }), id));
      case 'replay':
        return this.#begin(caller, frame, request);
      case 'call': {
        const input = jsonOf(params['inputResponses']);
        this.#calls.resume(found.call, caller);
        if (this.#calls.acquireSlot(found.call, input)) this.#resume(found.call, input);
      }
    }
  }

  #resume(call: PendingCall, responses: Json): void {
    const { serverRequests } = call;
    this.#setLevel(call.caller?.level);
    for (const { id, key } of serverRequests.values()) {
      const response = Object.hasOwn(responses, key) ? responses[key] : undefined;
      if (!isJson(response)) continue;
      serverRequests.delete(id);
      void this.#process.send(frameOf({ id, result: { ...response } }));
    }
    if (call.final !== undefined) this.#options.settlement.answer(call, call.final);
    // The server still waits for the responses that are missing.
    else if (serverRequests.size > 0) this.#options.serverRequests.collectInput(call);
  }
}

/** Whether a request brings input for one that was sent before (2026-07-28, basic/patterns/mrtr). */
function isRetry(frame: Frame, method: string): boolean {
  if (!mayNeedInput(method)) return false;
  const { params } = frame.message;
  return params?.['requestState'] !== undefined || params?.['inputResponses'] !== undefined;
}
