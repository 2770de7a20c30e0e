import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Json } from '../../era/json.ts';
import { filterOf, isEmptyFilter, readFilter, type Filter } from '../../era/listen.ts';
import type { Log } from '../../observe/log.ts';
import { RPC } from '../../protocol/constants.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Client } from './client.ts';
import type { Outgoing } from './outgoing.ts';
import { listenRequest } from './request.ts';

export interface SubscriptionsOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Of the server, as its client knows them. */
  readonly capabilities: Json;
  readonly client: Client;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly log: Log;
}

export type Settled = (refusal?: RunError) => void;

/** A `subscriptions/listen` that the server has not acknowledged yet. */
interface OpeningListen {
  readonly id: number;
  readonly uris: ReadonlySet<string>;
}

interface AcknowledgedListen extends OpeningListen {
  readonly since: number;
  /** The server accepts nothing of it, and may end it at any time. */
  readonly isEmpty: boolean;
}

/** Subscriptions of one client: each change of them names all the others again. */
const MAX_URIS = 1_024;
const ACKNOWLEDGE_MS = 30_000;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;

/**
 * The notifications that a server sends outside of calls. Legacy clients receive changes of lists without asking, and
 * subscribe to one resource after another; a server of 2026-07-28 takes one request that names all of it, and another one
 * for any change (2026-07-28, basic/patterns/subscriptions).
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #uris = new Set<string>();
  /** URI → the client's requests that wait for the server to accept it. */
  readonly #waiting = new Map<string, Settled[]>();
  /** The subscription that counts, and the one that is about to take its place. */
  #current: AcknowledgedListen | undefined;
  #opening: OpeningListen | undefined;
  /** The client's subscriptions have changed since `#opening` was sent. */
  #isOutdated = false;
  #isStarted = false;
  #pauseMs = FIRST_PAUSE_MS;
  /** Of the wait for the acknowledgement, or for the next attempt. */
  #cancelTimer: () => void = () => {};

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  // From the client

  /** From now on, the client receives changes. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#renew();
  }

  /** @param settled called when the server has accepted or refused it */
  subscribe(uri: string, settled: Settled): void {
    if (this.#uris.has(uri) && this.#current?.uris.has(uri) === true) return settled();
    if (!this.#uris.has(uri) && this.#uris.size >= MAX_URIS)
      return settled(this.#refusal(uri, `a client may have ${MAX_URIS} subscriptions`));
    this.#uris.add(uri);
    this.#waiting.set(uri, [...(this.#waiting.get(uri) ?? []), settled]);
    if (this.#opening?.uris.has(uri) !== true) this.#renew();
  }

  unsubscribe(uri: string): void {
    if (!this.#uris.delete(uri)) return;
    this.#settle(uri);
    this.#renew();
  }

  clear(): void {
    this.#cancelTimer();
    this.#waiting.clear();
    this.#uris.clear();
    this.#current = undefined;
    this.#opening = undefined;
  }

  // From the server

  /**
   * What the client may receive by this subscription; undefined: by an older or newer one, every notification would come
   * twice.
   */
  filterFor(subscriptionId: unknown): Filter | undefined {
    const isCurrent = this.#current !== undefined && this.#current.id === subscriptionId;
    return subscriptionId === undefined || isCurrent ? this.#filter() : undefined;
  }

  acknowledged(subscriptionId: unknown, params: Json): void {
    const opened = this.#opening;
    if (opened === undefined || opened.id !== subscriptionId) return;
    this.#cancelTimer();
    const honoured = readFilter(params);
    const isEmpty = honoured === undefined || isEmptyFilter(honoured);
    const accepted = new Set(honoured?.resourceSubscriptions);
    this.#replaceWith({ ...opened, since: this.#options.clock.now(), isEmpty });
    for (const uri of opened.uris) {
      if (accepted.has(uri)) this.#settle(uri);
      else if (this.#uris.has(uri)) this.#refuse(uri, 'it does not accept the subscription');
    }
    if (this.#isOutdated) this.#renew();
  }

  /** The server ends this subscription without an answer. @returns false if it is none of ours */
  cancelled(subscriptionId: unknown): boolean {
    const isOurs = this.#opening?.id === subscriptionId || this.#current?.id === subscriptionId;
    this.#ended(subscriptionId);
    return isOurs;
  }

  #ended(id: unknown, answer?: Frame): void {
    if (this.#opening !== undefined && this.#opening.id === id) return this.#failed(this.#opening, answer);
    const ended = this.#current;
    if (ended === undefined || ended.id !== id) return;
    this.#current = undefined;
    if (this.#options.clock.now() - ended.since >= MAX_PAUSE_MS) this.#pauseMs = FIRST_PAUSE_MS;
    if (this.#opening === undefined && !ended.isEmpty) this.#retryLater();
  }

  #failed(listen: OpeningListen, answer: Frame | undefined): void {
    this.#cancelTimer();
    this.#opening = undefined;
    const error = errorOf(answer);
    const detail = error?.message ?? 'it does not acknowledge';
    this.#options.log.debug({ event: 'listen.failed' }, `subscriptions/listen: ${detail}`);
    for (const uri of listen.uris) if (this.#waiting.has(uri)) this.#refuse(uri, detail);
    if (this.#isOutdated) return this.#renew();
    // The same request would get the same answer.
    if (error?.code !== RPC.methodNotFound && error?.code !== RPC.invalidParams) this.#retryLater();
  }

  // The request to the server

  #filter(): Filter {
    return filterOf(this.#options.capabilities, [...this.#uris]);
  }

  /** Opens a subscription for the current filter; the one before is cancelled when it has been acknowledged. */
  #renew(): void {
    if (this.#opening !== undefined) {
      this.#isOutdated = true;
      return;
    }
    this.#cancelTimer();
    this.#isOutdated = false;
    const filter = this.#filter();
    if (isEmptyFilter(filter)) this.#replaceWith(undefined);
    else this.#open(filter);
  }

  #open(filter: Filter): void {
    const { outgoing, client } = this.#options;
    void outgoing.send(
      (id) => {
        this.#opening = { id, uris: new Set(filter.resourceSubscriptions) };
        this.#later(ACKNOWLEDGE_MS, () => this.#unacknowledged(id));
        return listenRequest(id, client.envelope, filter);
      },
      (answer) => this.#ended(answer.id, answer),
    );
  }

  #replaceWith(next: AcknowledgedListen | undefined): void {
    const previous = this.#current;
    this.#current = next;
    this.#opening = undefined;
    if (previous !== undefined) void this.#options.outgoing.cancel(previous.id);
  }

  #unacknowledged(id: number): void {
    void this.#options.outgoing.cancel(id);
    this.#ended(id);
  }

  #retryLater(): void {
    this.#later(this.#pauseMs, () => this.#renew());
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }

  #later(ms: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(ms, run);
  }

  // The client's requests

  #refuse(uri: string, detail: string): void {
    this.#uris.delete(uri);
    this.#settle(uri, this.#refusal(uri, detail));
  }

  #settle(uri: string, refusal?: RunError): void {
    const all = this.#waiting.get(uri) ?? [];
    this.#waiting.delete(uri);
    for (const settled of all) settled(refusal);
  }

  #refusal(uri: string, detail: string): RunError {
    return new RunError('SUBSCRIPTION_REFUSED', { server: this.#options.server, uri, detail });
  }
}

function errorOf(answer: Frame | undefined): { readonly code: number; readonly message: string } | undefined {
  try {
    return answer?.message.error;
  } catch {
    return undefined;
  }
}
