import { createHash, randomBytes } from 'node:crypto';
import type { Json } from '../../era/json.ts';
import type { RequestStates } from '../../era/request-state.ts';
import type { PendingCall } from './pending-call.ts';

/** What a client brings back proves to belong to. */
export type Return =
  /** A call that waits for it. */
  | { readonly kind: 'call'; readonly call: PendingCall }
  /** Nothing is held: the request is to be made anew. */
  | { readonly kind: 'replay' }
  /** The process that held it is gone. */
  | { readonly kind: 'lost' };

/** The calls of one process that wait for their clients' input. */
export interface SuspendedCalls {
  readonly size: number;
  /** @returns the state that the client has to bring back */
  park(call: PendingCall): string;
  /** A state for a request that holds nothing here. */
  replay(digest: string): string;
  /** Takes what a state stands for; each can be taken once. @returns undefined for a state that is not good here */
  take(state: unknown, digest: string): Return | undefined;
  /** @returns the call parked longest */
  oldest(): PendingCall | undefined;
  remove(call: PendingCall): void;
  /** The process is gone: its calls are not coming back. @returns them */
  loseAll(): PendingCall[];
}

export interface SuspendedCallsOptions {
  readonly states: RequestStates;
  /** Whose states these are. */
  readonly keyText: () => string;
  readonly ttlMs: number;
  readonly onExpire: (call: PendingCall) => void;
}

interface Parked {
  readonly call: PendingCall;
  readonly timer: NodeJS.Timeout;
}

/** Handles of lost calls that are remembered, so that their clients are told what happened. */
const MAX_LOST = 256;

export function createSuspendedCalls({
  states,
  keyText,
  ttlMs,
  onExpire,
}: SuspendedCallsOptions): SuspendedCalls {
  const parked = new Map<string, Parked>();
  const handles = new Map<PendingCall, string>();
  const lost = new Set<string>();

  return {
    get size() {
      return parked.size;
    },
    park(call) {
      // 128 bits: whoever has one was given it.
      const handle = randomBytes(16).toString('base64url');
      const timer = setTimeout(() => {
        remove(call);
        onExpire(call);
      }, ttlMs);
      timer.unref();
      parked.set(handle, { call, timer });
      handles.set(call, handle);
      return seal({ h: handle, d: call.digest() });
    },
    replay: (digest) => seal({ d: digest }),
    take(state, digest) {
      const opened = states.open(state);
      if (opened === undefined || !isGood(opened, digest)) return undefined;
      const { h: handle } = opened;
      if (handle === undefined) return { kind: 'replay' };
      if (typeof handle !== 'string') return undefined;
      if (lost.delete(handle)) return { kind: 'lost' };
      const found = parked.get(handle);
      if (found === undefined) return undefined;
      remove(found.call);
      return { kind: 'call', call: found.call };
    },
    oldest() {
      for (const { call } of parked.values()) return call;
      return undefined;
    },
    remove,
    loseAll() {
      const calls = [...handles.keys()];
      for (const handle of handles.values()) {
        lost.add(handle);
        for (const first of lost) if (lost.size > MAX_LOST) lost.delete(first);
      }
      for (const call of calls) remove(call);
      return calls;
    },
  };

  function seal(state: Json): string {
    return states.seal({ ...state, k: digestOf(keyText()), e: Date.now() + ttlMs });
  }

  function isGood({ k, d, e }: Json, digest: string): boolean {
    return k === digestOf(keyText()) && d === digest && typeof e === 'number' && e > Date.now();
  }

  function remove(call: PendingCall): void {
    const handle = handles.get(call);
    if (handle === undefined) return;
    clearTimeout(parked.get(handle)?.timer);
    handles.delete(call);
    parked.delete(handle);
  }
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
