import type { Clock } from '../../clock.ts';
import type { RequestId } from '../../protocol/frame.ts';
import type { ServerRequest } from './pending-call.ts';

/** How long a request of the server may precede the call that it belongs to. */
const WAIT_MS = 20_000;

interface Kept {
  readonly request: ServerRequest;
  readonly stopTimer: () => void;
}

/** Requests of a server that arrived before the call that they belong to, as far as stdio shows. */
export class UnmatchedRequests {
  readonly #kept = new Map<RequestId, Kept>();
  readonly #clock: Clock;
  readonly #onExpire: (request: ServerRequest) => void;

  /** @param onExpire called with a request that no call has come for */
  constructor(clock: Clock, onExpire: (request: ServerRequest) => void) {
    this.#clock = clock;
    this.#onExpire = onExpire;
  }

  keep(request: ServerRequest): void {
    this.remove(request.id);
    const stopTimer = this.#clock.after(WAIT_MS, () => {
      this.#kept.delete(request.id);
      this.#onExpire(request);
    });
    this.#kept.set(request.id, { request, stopTimer });
  }

  /** The server has withdrawn it, or a call has been found for it. */
  remove(id: RequestId): void {
    this.#kept.get(id)?.stopTimer();
    this.#kept.delete(id);
  }

  /** Removes all. @returns them, oldest first */
  takeAll(): ServerRequest[] {
    if (this.#kept.size === 0) return [];
    const requests = [...this.#kept.values()].map(({ request }) => request);
    for (const { id } of requests) this.remove(id);
    return requests;
  }
}
