import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Json } from '../../era/json.ts';
import type { RequestStates } from '../../era/request-state.ts';
import type { PendingCall } from './pending-call.ts';

/** The subject of a `requestState` that a client sends with its retry. */
export type ReturnedState =
  /** A suspended call. */
  | { readonly kind: 'call'; readonly call: PendingCall }
  /** No call is suspended: the request is sent anew. */
  | { readonly kind: 'replay' }
  /** The process of the suspended call has ended. */
  | { readonly kind: 'lost' };

export interface SuspendedCallsOptions {
  readonly states: RequestStates;
  /** The process key that the states belong to. */
  readonly keyText: () => string;
  readonly ttlMs: number;
  /** No retry came in time: the call is not suspended here any more. */
  readonly onExpire: (call: PendingCall) => void;
  readonly clock: Clock;
}

interface Entry {
  readonly call: PendingCall;
  readonly stopTimer: () => void;
}

/** Handles of lost calls that are remembered, so that their clients are sent the reason. */
const MAX_LOST = 256;

/** The calls of one process that wait for input of their clients. */
export class SuspendedCalls {
  readonly #options: SuspendedCallsOptions;
  /** By handle, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #handles = new Map<PendingCall, string>();
  readonly #lost = new Set<string>();

  constructor(options: SuspendedCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @returns the state that the client has to send with its retry */
  add(call: PendingCall): string {
    // 128 random bits cannot be guessed.
    const handle = randomBytes(16).toString('base64url');
    const { clock, ttlMs } = this.#options;
    const stopTimer = clock.after(ttlMs, () => this.#expire(call));
    this.#entries.set(handle, { call, stopTimer });
    this.#handles.set(call, handle);
    return this.#seal({ h: handle, d: call.digest });
  }

  /** A state for a request without a suspended call. @param digest of the request */
  replayState(digest: string): string {
    return this.#seal({ d: digest });
  }

  /** Takes the subject of a state; each can be taken once. @returns undefined for a state that is not valid here */
  take(state: unknown, digest: string): ReturnedState | undefined {
    const opened = this.#options.states.open(state);
    if (opened === undefined || !this.#isValid(opened, digest)) return undefined;
    const { h: handle } = opened;
    if (handle === undefined) return { kind: 'replay' };
    if (typeof handle !== 'string') return undefined;
    if (this.#lost.delete(handle)) return { kind: 'lost' };
    const found = this.#entries.get(handle);
    if (found === undefined) return undefined;
    this.remove(found.call);
    return { kind: 'call', call: found.call };
  }

  /** @returns the call that has been suspended longest */
  oldest(): PendingCall | undefined {
    for (const { call } of this.#entries.values()) return call;
    return undefined;
  }

  remove(call: PendingCall): void {
    const handle = this.#handles.get(call);
    if (handle === undefined) return;
    this.#entries.get(handle)?.stopTimer();
    this.#handles.delete(call);
    this.#entries.delete(handle);
  }

  /** The process has ended: retries of its calls are answered with that. */
  loseAll(): void {
    for (const [call, handle] of [...this.#handles]) {
      this.#lost.add(handle);
      this.remove(call);
    }
    for (const oldest of this.#lost) {
      if (this.#lost.size <= MAX_LOST) break;
      this.#lost.delete(oldest);
    }
  }

  #expire(call: PendingCall): void {
    this.remove(call);
    this.#options.onExpire(call);
  }

  #seal(state: Json): string {
    const { states, keyText, clock, ttlMs } = this.#options;
    return states.seal({ ...state, k: digestOf(keyText()), e: clock.now() + ttlMs });
  }

  #isValid({ k, d, e }: Json, digest: string): boolean {
    const { keyText, clock } = this.#options;
    return k === digestOf(keyText()) && d === digest && typeof e === 'number' && e > clock.now();
  }
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
