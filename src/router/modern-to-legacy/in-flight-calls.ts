import type { Frame } from '../../protocol/frame.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import { Attribution, QUARANTINE_MS } from '../shared-process/attribution.ts';
import { Overlap } from '../shared-process/overlap.ts';
import { createPendingCall, type PendingCall, type Waiting } from './pending-call.ts';
import { createSemaphore } from './semaphore.ts';

/** The calls of one process, by the numbers that it knows them by. */
export interface InFlightCalls {
  /** Calls that somebody waits for. */
  readonly running: number;
  begin(frame: Frame, waiting: Waiting): PendingCall;
  get(number: unknown): PendingCall | undefined;
  has(call: PendingCall): boolean;
  /** Oldest first. */
  values(): PendingCall[];
  /** Whether no other call, or no other call that wants log lines, has run at the same time. */
  isAlone(waiting: Waiting, among: 'all' | 'listeners'): boolean;
  /** Somebody waits for a parked call again. */
  attend(call: PendingCall, waiting: Waiting): void;
  /** Nobody does until its client comes back. */
  park(call: PendingCall): void;
  /** The server is asked for it by another request. */
  renumber(call: PendingCall): void;
  /** @param outlivedMs how long the process may still work for it; as for a call that has been given up by default */
  remove(call: PendingCall, outlivedMs?: number): void;
  /** The process is gone, and all that it worked on with it. */
  restarted(): void;
  /** Running calls that a message may belong to which names none: those of the only such client, oldest first. */
  candidates(): Waiting[];
  /** Runs `go` when the call may ask: at once, or when it is its turn, if `waiting` still waits for it then. */
  withSlot(call: PendingCall, waiting: Waiting, go: () => void): void;
}

/**
 * @param isExact whether calls that may ask run one at a time
 * @param ownerOf the client behind a request
 */
export function createInFlightCalls(isExact: boolean, ownerOf: (waiting: Waiting) => unknown): InFlightCalls {
  const calls = new TransientMap<number, PendingCall>();
  const slot = createSemaphore(isExact);
  let next = 1;
  let running = 0;
  const attribution = new Attribution<unknown>();
  const overlaps = { all: new Overlap<Waiting>(), listeners: new Overlap<Waiting>() };

  return {
    get running() {
      return running;
    },
    begin(frame, waiting) {
      const call = createPendingCall(next, frame, waiting);
      next += 1;
      calls.set(call.number, call);
      wait(waiting);
      return call;
    },
    get: (number) => (typeof number === 'number' ? calls.get(number) : undefined),
    has: (call) => calls.get(call.number) === call,
    values: () => [...calls.values()],
    isAlone: (waiting, among) => overlaps[among].isSole(waiting),
    attend(call, waiting) {
      call.waiting = waiting;
      wait(waiting);
    },
    park: (call) => park(call, QUARANTINE_MS),
    renumber(call) {
      calls.delete(call.number);
      call.number = next;
      next += 1;
      calls.set(call.number, call);
    },
    remove(call, outlivedMs = QUARANTINE_MS) {
      if (calls.delete(call.number)) park(call, outlivedMs);
    },
    restarted: () => attribution.clear(),
    candidates() {
      const sole = attribution.sole();
      if (sole === undefined) return [];
      return [...calls.values()].flatMap(({ waiting }) => waiting ?? []);
    },
    withSlot(call, waiting, go) {
      slot.acquire(() => {
        call.hasSlot = true;
        if (call.waiting === waiting) go();
        else release(call);
      });
    },
  };

  function wait(waiting: Waiting): void {
    running += 1;
    attribution.begin(ownerOf(waiting));
    overlaps.all.begin(waiting);
    if (waiting.level !== undefined) overlaps.listeners.begin(waiting);
  }

  function park(call: PendingCall, outlivedMs: number): void {
    if (call.waiting !== undefined) {
      running -= 1;
      attribution.end(ownerOf(call.waiting), outlivedMs);
      overlaps.all.end();
      if (call.waiting.level !== undefined) overlaps.listeners.end();
    }
    call.waiting = undefined;
    release(call);
  }

  function release(call: PendingCall): void {
    if (!call.hasSlot) return;
    call.hasSlot = false;
    slot.release();
  }
}
