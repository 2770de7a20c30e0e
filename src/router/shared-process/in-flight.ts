import type { RequestId } from '../../protocol/frame.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import { Attribution, QUARANTINE_MS } from './attribution.ts';

/** A client's request that the child has not answered. */
export interface InFlightRequest<T, C = T> {
  readonly port: T;
  /** The client behind the tenant. */
  readonly owner: C;
  /** As the client has it. */
  readonly id: RequestId;
  /** The id's JSON text, to give it back digit for digit. */
  readonly idText: string;
  readonly tokenText: string | undefined;
  /** What is left to do when it is over. */
  readonly settled: ((isError: boolean) => void) | undefined;
  /** It is a subscription: nothing but what names it belongs to it. */
  readonly isListening?: boolean;
  /** It is a subscription to resources, which the child may speak of at any time. */
  readonly isWatching?: boolean;
  /** Least severity of the log lines that it has asked for; undefined = it does not say. */
  readonly level?: number | undefined;
}

/** The calls of all clients of one child, under numbers of ours. */
export interface InFlightRequests<T, C = T> {
  /** @returns the number that the child is to know it by */
  start(call: InFlightRequest<T, C>): number;
  get(number: unknown): InFlightRequest<T, C> | undefined;
  /** @param outlivedMs how long the child may still work for it after its answer */
  settle(number: unknown, outlivedMs: number): InFlightRequest<T, C> | undefined;
  /** The client does not wait any more, but the child may go on. @returns its number, if it was running */
  abandon(port: T, id: unknown): number | undefined;
  /** @returns the numbers of all calls that this client left behind */
  abandonAll(port: T): number[];
  /** The child may still speak of what this client has asked for. */
  suspect(owner: C): void;
  /** The child is dead. @returns what it has left unanswered, oldest first */
  settleAll(): InFlightRequest<T, C>[];
  /** Running calls that a message may belong to which names none: those of the only such client, oldest first. */
  candidates(): InFlightRequest<T, C>[];
}

export function createInFlightRequests<T, C = T>(): InFlightRequests<T, C> {
  let calls = new TransientMap<number, InFlightRequest<T, C>>();
  /** The numbers of each client's calls, so that a client costs only its own. */
  let numbersOf = new TransientMap<T, Set<number>>();
  const attribution = new Attribution<C>();
  let next = 1;

  return {
    start(call) {
      const number = next;
      next += 1;
      calls.set(number, call);
      if (call.isListening !== true) attribution.begin(call.owner);
      const numbers = numbersOf.get(call.port);
      if (numbers === undefined) numbersOf.set(call.port, new Set([number]));
      else numbers.add(number);
      return number;
    },
    get,
    settle,
    abandon(port, id) {
      const number = numberOf(port, id);
      if (number !== undefined) giveUp(number);
      return number;
    },
    abandonAll(port) {
      const numbers = [...(numbersOf.get(port) ?? [])];
      for (const number of numbers) giveUp(number);
      return numbers;
    },
    suspect: (owner) => attribution.suspect(owner),
    settleAll() {
      const all = [...calls.values()];
      calls = new TransientMap();
      numbersOf = new TransientMap();
      attribution.clear();
      for (const call of all) call.settled?.(true);
      return all;
    },
    candidates() {
      const sole = attribution.sole();
      if (sole === undefined) return [];
      const all = [...calls.values()];
      if (all.some(({ isWatching, owner }) => isWatching === true && owner !== sole)) return [];
      return all.filter(({ isListening }) => isListening !== true);
    },
  };

  function get(number: unknown): InFlightRequest<T, C> | undefined {
    return typeof number === 'number' ? calls.get(number) : undefined;
  }

  function settle(number: unknown, outlivedMs: number): InFlightRequest<T, C> | undefined {
    const call = get(number);
    if (call === undefined || typeof number !== 'number') return undefined;
    calls.delete(number);
    if (call.isListening !== true) attribution.end(call.owner, outlivedMs);
    else if (call.isWatching === true) attribution.suspect(call.owner);
    const numbers = numbersOf.get(call.port);
    numbers?.delete(number);
    if (numbers?.size === 0) numbersOf.delete(call.port);
    return call;
  }

  function giveUp(number: number): void {
    settle(number, QUARANTINE_MS)?.settled?.(true);
  }

  function numberOf(port: T, id: unknown): number | undefined {
    for (const number of numbersOf.get(port) ?? []) if (calls.get(number)?.id === id) return number;
    return undefined;
  }
}
