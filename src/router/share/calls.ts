import type { RequestId } from '../../protocol/frame.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import { Overlap } from './overlap.ts';

/** A client's request that the child has not answered. */
export interface Call<T> {
  readonly tenant: T;
  /** As the client has it. */
  readonly id: RequestId;
  /** The id's JSON text, to give it back digit for digit. */
  readonly idText: string;
  readonly tokenText: string | undefined;
  /** What is left to do when it is over. */
  readonly settled: ((isError: boolean) => void) | undefined;
  /** It is a subscription: nothing but what names it belongs to it. */
  readonly isListening?: boolean;
}

/** The calls of all clients of one child, under numbers of ours. */
export interface Calls<T> {
  /** @returns the number that the child is to know it by */
  start(call: Call<T>): number;
  get(number: unknown): Call<T> | undefined;
  settle(number: unknown): Call<T> | undefined;
  /** The client does not wait any more, but the child may go on. @returns its number, if it was running */
  abandon(tenant: T, id: unknown): number | undefined;
  /** @returns the numbers of all calls that this client left behind */
  abandonAll(tenant: T): number[];
  /** The child is dead. @returns what it has left unanswered, oldest first */
  settleAll(): Call<T>[];
  /**
   * The client that a message without correlation belongs to: the caller of the only running call.
   * @param about the number of the call whose own stream the message came by, where the link has such streams
   */
  soleCaller(about?: unknown): T | undefined;
}

/** How long a child may still work for, and speak of, a call that its client gave up: servers do not answer those. */
const ABANDONED_MS = 30_000;

export function createCalls<T>(): Calls<T> {
  let calls = new TransientMap<number, Call<T>>();
  /** The numbers of each client's calls, so that a client costs only its own. */
  let numbersOf = new TransientMap<T, Set<number>>();
  /** Who abandoned calls of late; undefined = several, or one that has left. */
  let abandoner: T | undefined;
  let abandonedUntil = 0;
  const overlap = new Overlap<T>();
  let next = 1;

  return {
    start(call) {
      const number = next;
      next += 1;
      calls.set(number, call);
      if (call.isListening !== true) overlap.begin(call.tenant);
      const numbers = numbersOf.get(call.tenant);
      if (numbers === undefined) numbersOf.set(call.tenant, new Set([number]));
      else numbers.add(number);
      return number;
    },
    get,
    settle,
    abandon(tenant, id) {
      const number = numberOf(tenant, id);
      if (number === undefined) return undefined;
      noteAbandoned(tenant);
      settle(number)?.settled?.(true);
      return number;
    },
    abandonAll(tenant) {
      const numbers = [...(numbersOf.get(tenant) ?? [])];
      const hadRunning = numbers.some((number) => calls.get(number)?.isListening !== true);
      for (const number of numbers) settle(number)?.settled?.(true);
      if (hadRunning) noteAbandoned(undefined);
      else if (abandoner === tenant) abandoner = undefined;
      return numbers;
    },
    settleAll() {
      const all = [...calls.values()];
      calls = new TransientMap();
      numbersOf = new TransientMap();
      overlap.clear();
      abandonedUntil = 0;
      abandoner = undefined;
      for (const call of all) call.settled?.(true);
      return all;
    },
    soleCaller(about) {
      let sole: T | undefined;
      for (const { tenant, isListening } of calls.values()) {
        if (isListening === true) continue;
        if (sole !== undefined) return undefined;
        sole = tenant;
      }
      if (about !== undefined && (get(about)?.tenant !== sole || sole === undefined || !overlap.isSole(sole)))
        return undefined;
      // What another client's abandoned call still says must not pass for this one's.
      return abandoner === sole || Date.now() >= abandonedUntil ? sole : undefined;
    },
  };

  function get(number: unknown): Call<T> | undefined {
    return typeof number === 'number' ? calls.get(number) : undefined;
  }

  function settle(number: unknown): Call<T> | undefined {
    const call = get(number);
    if (call === undefined || typeof number !== 'number') return undefined;
    calls.delete(number);
    if (call.isListening !== true) overlap.end();
    const numbers = numbersOf.get(call.tenant);
    numbers?.delete(number);
    if (numbers?.size === 0) numbersOf.delete(call.tenant);
    return call;
  }

  function numberOf(tenant: T, id: unknown): number | undefined {
    for (const number of numbersOf.get(tenant) ?? []) if (calls.get(number)?.id === id) return number;
    return undefined;
  }

  function noteAbandoned(tenant: T | undefined): void {
    const now = Date.now();
    abandoner = now >= abandonedUntil || abandoner === tenant ? tenant : undefined;
    abandonedUntil = now + ABANDONED_MS;
  }
}
