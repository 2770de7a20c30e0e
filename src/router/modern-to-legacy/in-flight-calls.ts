import type { Clock } from '../../clock.ts';
import type { Json } from '../../era/json.ts';
import type { Frame } from '../../protocol/frame.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import type { RequestParts } from '../request-parts.ts';
import { Attribution, QUARANTINE_MS } from '../shared-process/attribution.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { Overlap } from '../shared-process/overlap.ts';
import { Caller, PendingCall } from './pending-call.ts';
import { Semaphore } from './semaphore.ts';

export interface InFlightCallsOptions {
  /** Whether calls that may need input run one at a time. */
  readonly isExact: boolean;
  /** The client that sent a request: messages for one and the same client are not kept apart. */
  readonly ownerOf: (caller: Caller) => unknown;
  /** A queued call has its slot now. @param input the responses that its client has sent, if it is resumed */
  readonly onSlot: (call: PendingCall, input: Json | undefined) => void;
  readonly clock: Clock;
}

/** A call in the queue, and the request of the client that it was queued for. */
interface Queued {
  readonly call: PendingCall;
  readonly caller: Caller | undefined;
  readonly input: Json | undefined;
}

/** The calls of one process, by the numbers that are their ids there. */
export class InFlightCalls {
  readonly #calls = new TransientMap<number, PendingCall>();
  readonly #slots: Semaphore<Queued>;
  readonly #attribution: Attribution<unknown>;
  readonly #overlaps = { all: new Overlap<Caller>(), listeners: new Overlap<Caller>() };
  readonly #options: InFlightCallsOptions;
  #next = 1;
  #running = 0;

  constructor(options: InFlightCallsOptions) {
    this.#options = options;
    this.#slots = new Semaphore(options.isExact ? 1 : Infinity);
    this.#attribution = new Attribution(options.clock);
  }

  /** Calls in the state *running*. */
  get running(): number {
    return this.#running;
  }

  begin(frame: Frame, request: RequestParts, caller: Caller): PendingCall {
    const call = new PendingCall(this.#next, frame, request, caller);
    this.#next += 1;
    this.#calls.set(call.number, call);
    this.#beginRunning(call, caller);
    return call;
  }

  get(number: unknown): PendingCall | undefined {
    return typeof number === 'number' ? this.#calls.get(number) : undefined;
  }

  /** The running call that a request of a client waits for, if it is one of these. */
  findRunning(port: ClientPort, id: unknown): PendingCall | undefined {
    const request = port.findCall(id);
    return request instanceof Caller ? this.#own(request) : undefined;
  }

  /** The running calls that requests of a client wait for, oldest first. */
  runningOf(port: ClientPort): PendingCall[] {
    if (!port.hasCalls) return [];
    return port.calls().flatMap((request) => (request instanceof Caller ? (this.#own(request) ?? []) : []));
  }

  /** Oldest first. */
  values(): PendingCall[] {
    return [...this.#calls.values()];
  }

  /** Whether no other call, or no other call that wants log lines, has run at the same time. */
  isAlone(caller: Caller, among: 'all' | 'listeners'): boolean {
    return this.#overlaps[among].isSole(caller);
  }

  /** The client waits for a suspended call again. */
  resume(call: PendingCall, caller: Caller): void {
    call.resume(caller);
    this.#beginRunning(call, caller);
  }

  suspend(call: PendingCall): void {
    const { caller } = call;
    call.suspend();
    this.#endRunning(call, caller, QUARANTINE_MS);
  }

  /** The server is sent another request for the same call. */
  renumber(call: PendingCall): void {
    this.#calls.delete(call.number);
    call.number = this.#next;
    this.#next += 1;
    this.#calls.set(call.number, call);
  }

  /**
   * Settles a call that is still in flight.
   * @param outlivedMs how long the process may still work for it; as for an abandoned call by default
   */
  settle(call: PendingCall, outlivedMs = QUARANTINE_MS): void {
    if (!this.#calls.delete(call.number)) return;
    const { caller } = call;
    call.settle();
    this.#endRunning(call, caller, outlivedMs);
  }

  /** The process has ended, and all its work with it. */
  processLost(): void {
    this.#attribution.clear();
  }

  /** Requests that a message without a related request may belong to: those of the only client, oldest first. */
  candidates(): Caller[] {
    if (this.#attribution.sole() === undefined) return [];
    const callers: Caller[] = [];
    for (const { caller } of this.#calls.values()) if (caller !== undefined) callers.push(caller);
    return callers;
  }

  /** @returns whether the call may run now; otherwise `onSlot` is called when it may, if its client still waits then */
  acquireSlot(call: PendingCall, input?: Json): boolean {
    if (!this.#slots.tryAcquire()) {
      this.#slots.enqueue({ call, caller: call.caller, input });
      return false;
    }
    call.hasSlot = true;
    return true;
  }

  /** A client may have calls in several processes. */
  #own({ call }: Caller): PendingCall | undefined {
    return call !== undefined && this.#calls.get(call.number) === call ? call : undefined;
  }

  #beginRunning(call: PendingCall, caller: Caller): void {
    caller.call = call;
    caller.number = call.number;
    caller.owner = this.#options.ownerOf(caller);
    caller.port.addCall(caller);
    this.#running += 1;
    this.#attribution.begin(caller.owner);
    this.#overlaps.all.begin(caller);
    if (caller.level !== undefined) this.#overlaps.listeners.begin(caller);
  }

  #endRunning(call: PendingCall, caller: Caller | undefined, outlivedMs: number): void {
    if (caller !== undefined) {
      caller.port.removeCall(caller);
      this.#running -= 1;
      this.#attribution.end(caller.owner, outlivedMs);
      this.#overlaps.all.end();
      if (caller.level !== undefined) this.#overlaps.listeners.end();
    }
    this.#releaseSlot(call);
  }

  #releaseSlot(call: PendingCall): void {
    if (!call.hasSlot) return;
    call.hasSlot = false;
    for (let next = this.#slots.release(); next !== undefined; next = this.#slots.release()) {
      // Its client may have left, or sent another request, while it was queued.
      if (next.call.caller === undefined || next.call.caller !== next.caller) continue;
      next.call.hasSlot = true;
      return this.#options.onSlot(next.call, next.input);
    }
  }
}
