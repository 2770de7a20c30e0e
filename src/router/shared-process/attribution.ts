import type { Clock } from '../../clock.ts';
import { Overlap } from './overlap.ts';

/** How long a process may still work for, and speak of, a call that has not ended with its result. */
export const QUARANTINE_MS = 30_000;
/** Owners whose quarantine is kept apart from that of all others. */
const MAX_SUSPECTS = 64;

/**
 * Tells which client the messages of a shared process are about that name no call: the only one that has calls running, unless
 * they may as well be about another client's work that has outlived its call.
 * @typeParam C what stands for a client
 */
export class Attribution<C> {
  readonly #overlap = new Overlap<C>();
  readonly #clock: Pick<Clock, 'now'>;
  /** The end of the quarantine of each client, as the clock tells it. */
  #suspects = new Map<C, number>();
  /** The end of the quarantine of all clients that there was no room for. */
  #othersUntil = -Infinity;

  /** @param clock one that never runs backwards */
  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** A call begins to run. */
  begin(owner: C): void {
    this.#overlap.begin(owner);
  }

  /** A call does not run any more. @param outlivedMs how long the process may still work for it; 0 if it is done with it */
  end(owner: C, outlivedMs: number): void {
    this.#overlap.end();
    if (outlivedMs > 0) this.suspect(owner, outlivedMs);
  }

  /** The process may still speak of what this client has asked for. */
  suspect(owner: C, ms = QUARANTINE_MS): void {
    const now = this.#clock.now();
    const until = Math.max(now + ms, this.#suspects.get(owner) ?? 0);
    // The newest one is the last one.
    this.#suspects.delete(owner);
    for (const [other, end] of this.#suspects) if (end <= now) this.#suspects.delete(other);
    this.#suspects.set(owner, until);
    const [oldest] = this.#suspects;
    if (this.#suspects.size <= MAX_SUSPECTS || oldest === undefined) return;
    this.#suspects.delete(oldest[0]);
    this.#othersUntil = Math.max(this.#othersUntil, oldest[1]);
  }

  /** The process is gone, and all that it worked on with it. */
  clear(): void {
    this.#overlap.clear();
    this.#suspects = new Map();
    this.#othersUntil = -Infinity;
  }

  /** The only client that a message may be about. */
  sole(): C | undefined {
    const { sole } = this.#overlap;
    if (sole === undefined) return undefined;
    const now = this.#clock.now();
    if (this.#othersUntil > now) return undefined;
    for (const [owner, until] of this.#suspects) if (owner !== sole && until > now) return undefined;
    return sole;
  }
}
