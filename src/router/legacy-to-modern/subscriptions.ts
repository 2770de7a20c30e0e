import { RunError } from '../../errors.ts';
import type { Json } from '../../era/json.ts';
import { filterOf, isEmptyFilter, readFilter, type Filter } from '../../era/listen.ts';
import type { Log } from '../../observe/log.ts';
import { RPC } from '../../protocol/constants.ts';
import type { Frame } from '../../protocol/frame.ts';

export interface SubscriptionsOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Of the server, as its client knows them. */
  readonly capabilities: Json;
  /** Sends `subscriptions/listen`; `begun` gets its id before anything can come back, `ended` the answer to it. */
  readonly open: (filter: Filter, begun: (id: number) => void, ended: (answer: Frame) => void) => void;
  readonly cancel: (id: number) => void;
  readonly log: Log;
}

/**
 * What a server tells without being asked. Legacy clients hear of changed lists by themselves and subscribe to one
 * resource after another; a server of 2026-07-28 wants one request that names it all, and another one for any change
 * of it (2026-07-28, basic/patterns/subscriptions).
 */
export interface Subscriptions {
  /** From now on, the client hears of changes. */
  start(): void;
  /** @param settled called when the server has accepted or refused it */
  subscribe(uri: string, settled: Settled): void;
  unsubscribe(uri: string): void;
  /** What the client is to hear, if it comes by this subscription: by an older or newer one it would come twice. */
  wanted(subscriptionId: unknown): Filter | undefined;
  acknowledged(subscriptionId: unknown, params: Json): void;
  /** The server ends this subscription without an answer. @returns false if it is none of ours */
  cancelled(subscriptionId: unknown): boolean;
  clear(): void;
}

export type Settled = (refusal?: RunError) => void;

interface Listen {
  readonly id: number;
  readonly uris: ReadonlySet<string>;
}

/** Subscriptions of one client: each change of them names all the others again. */
const MAX_URIS = 1_024;
const ACKNOWLEDGE_MS = 30_000;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;

export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { server, capabilities, log } = options;
  const uris = new Set<string>();
  const waiting = new Map<string, Settled[]>();
  /** The one that counts, and the one that is about to take its place. */
  let current: Listen | undefined;
  let opening: Listen | undefined;
  /** Something else is wanted by now than what is being opened. */
  let isOutdated = false;
  let isStarted = false;
  /** The server has accepted nothing of it: then it is welcome to end it. */
  let isVain = false;
  let currentSince = 0;
  let pauseMs = FIRST_PAUSE_MS;
  /** For the acknowledgement, or for the next try. */
  let timer: NodeJS.Timeout | undefined;

  return {
    start() {
      if (isStarted) return;
      isStarted = true;
      renew();
    },
    subscribe(uri, settled) {
      if (uris.has(uri) && current?.uris.has(uri) === true) return settled();
      if (!uris.has(uri) && uris.size >= MAX_URIS)
        return settled(refusalOf(uri, `a client may have ${MAX_URIS} subscriptions`));
      uris.add(uri);
      waiting.set(uri, [...(waiting.get(uri) ?? []), settled]);
      if (opening?.uris.has(uri) !== true) renew();
    },
    unsubscribe(uri) {
      if (!uris.delete(uri)) return;
      settle(uri);
      renew();
    },
    wanted: (id) => (id === undefined || (current !== undefined && current.id === id) ? filter() : undefined),
    acknowledged,
    cancelled(id) {
      const isOurs = opening?.id === id || current?.id === id;
      ended(id);
      return isOurs;
    },
    clear() {
      clearTimeout(timer);
      waiting.clear();
      uris.clear();
      current = undefined;
      opening = undefined;
    },
  };

  function filter(): Filter {
    return filterOf(capabilities, [...uris]);
  }

  /** Has the server tell what is wanted now, and only then no longer what was wanted before. */
  function renew(): void {
    if (opening !== undefined) {
      isOutdated = true;
      return;
    }
    clearTimeout(timer);
    isOutdated = false;
    const wanted = filter();
    if (isEmptyFilter(wanted)) return replaceWith(undefined);
    options.open(
      wanted,
      (id) => {
        opening = { id, uris: new Set(wanted.resourceSubscriptions) };
        later(ACKNOWLEDGE_MS, () => unacknowledged(id));
      },
      (answer) => ended(answer.id, answer),
    );
  }

  function acknowledged(id: unknown, params: Json): void {
    if (opening === undefined || opening.id !== id) return;
    clearTimeout(timer);
    const honoured = readFilter(params);
    isVain = honoured === undefined || isEmptyFilter(honoured);
    const accepted = new Set(honoured?.resourceSubscriptions);
    replaceWith(opening);
    for (const uri of current?.uris ?? []) {
      if (accepted.has(uri)) settle(uri);
      else if (uris.has(uri)) refuse(uri, 'it does not accept the subscription');
    }
    if (isOutdated) renew();
  }

  function replaceWith(next: Listen | undefined): void {
    const previous = current;
    current = next;
    opening = undefined;
    currentSince = Date.now();
    if (previous !== undefined) options.cancel(previous.id);
  }

  function unacknowledged(id: number): void {
    options.cancel(id);
    ended(id);
  }

  function ended(id: unknown, answer?: Frame): void {
    if (opening !== undefined && opening.id === id) return failed(opening, answer);
    if (current === undefined || current.id !== id) return;
    current = undefined;
    if (Date.now() - currentSince >= MAX_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
    if (opening === undefined && !isVain) retry();
  }

  function failed(listen: Listen, answer: Frame | undefined): void {
    clearTimeout(timer);
    opening = undefined;
    const error = errorOf(answer);
    const detail = error?.message ?? 'it does not acknowledge';
    log.debug({ event: 'listen.failed' }, `subscriptions/listen: ${detail}`);
    for (const uri of listen.uris) if (waiting.has(uri)) refuse(uri, detail);
    if (isOutdated) return renew();
    // Asked the same again, it would say the same again.
    if (error?.code !== RPC.methodNotFound && error?.code !== RPC.invalidParams) retry();
  }

  function retry(): void {
    later(pauseMs, renew);
    pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
  }

  function refuse(uri: string, detail: string): void {
    uris.delete(uri);
    settle(uri, refusalOf(uri, detail));
  }

  function settle(uri: string, refusal?: RunError): void {
    const all = waiting.get(uri) ?? [];
    waiting.delete(uri);
    for (const settled of all) settled(refusal);
  }

  function refusalOf(uri: string, detail: string): RunError {
    return new RunError('SUBSCRIPTION_REFUSED', { server, uri, detail });
  }

  function later(ms: number, run: () => void): void {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
    timer.unref();
  }
}

function errorOf(answer: Frame | undefined): { readonly code: number; readonly message: string } | undefined {
  try {
    return answer?.message.error;
  } catch {
    return undefined;
  }
}
