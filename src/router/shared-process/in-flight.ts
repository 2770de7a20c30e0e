import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import { Attribution, QUARANTINE_MS } from './attribution.ts';
import type { ClientPort } from './client-port.ts';
import type { InFlightRequest } from './in-flight-request.ts';

/** The requests of all clients of one server, under numbers of ours. */
export class InFlightRequests<P extends ClientPort = ClientPort> {
  readonly #attribution: Attribution<unknown>;
  #requests = new TransientMap<number, InFlightRequest<P>>();
  #nextNumber = 1;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#attribution = new Attribution(clock);
  }

  get size(): number {
    return this.#requests.size;
  }

  /**
   * @returns the number that the server is to know it by
   * @throws RunError `DUPLICATE_ID` if a request of this port with the same id is in flight
   */
  start(request: InFlightRequest<P>): number {
    const { port, id } = request;
    if (port.findCall(id) !== undefined) throw new RunError('DUPLICATE_ID', { id: String(id) });
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    request.number = number;
    this.#requests.set(number, request);
    port.addCall(request);
    if (request.scope === 'call') this.#attribution.begin(request.owner);
    return number;
  }

  get(number: unknown): InFlightRequest<P> | undefined {
    return typeof number === 'number' ? this.#requests.get(number) : undefined;
  }

  /** The request has been answered. @param outlivedMs how long the server may still work for it after its answer */
  settle(request: InFlightRequest<P>, outlivedMs: number): void {
    this.#requests.delete(request.number);
    request.port.removeCall(request);
    if (request.scope === 'call') this.#attribution.end(request.owner, outlivedMs);
    else if (request.scope === 'watch') this.#attribution.suspect(request.owner);
  }

  /** The client does not wait any more, but the server may go on. @returns its number, if it was in flight */
  abandon(port: P, id: unknown): number | undefined {
    const request = port.findCall(id);
    if (request === undefined) return undefined;
    this.#abandon(request);
    return request.number;
  }

  /** @returns the numbers of all requests that this client left behind, oldest first */
  abandonAll(port: P): number[] {
    const requests = port.calls();
    for (const request of requests) this.#abandon(request);
    return requests.map(({ number }) => number);
  }

  /** The server may still speak of what this client has asked for. */
  suspect(owner: unknown): void {
    this.#attribution.suspect(owner);
  }

  /** The server's process is gone. @returns what it has left unanswered, oldest first */
  settleAll(): InFlightRequest<P>[] {
    const all = [...this.#requests.values()];
    this.#requests = new TransientMap();
    this.#attribution.clear();
    for (const request of all) request.port.removeCall(request);
    for (const request of all) request.onSettled?.(true);
    return all;
  }

  /** Requests that a message may belong to which names none: those of the only such client, oldest first. */
  candidates(): InFlightRequest<P>[] {
    const sole = this.#attribution.sole();
    if (sole === undefined) return [];
    const all = [...this.#requests.values()];
    if (all.some(({ scope, owner }) => scope === 'watch' && owner !== sole)) return [];
    return all.filter(({ scope }) => scope === 'call');
  }

  #abandon(request: InFlightRequest): void {
    const own = this.#requests.get(request.number);
    if (own !== undefined) this.settle(own, QUARANTINE_MS);
    request.onSettled?.(true);
  }
}
