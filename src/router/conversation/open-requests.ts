import type { RequestId } from '../../protocol/request-id.ts';

/** Requests of one server that may be open; a server that sends pings for ever would fill the memory with them. */
export const MAX_OPEN_REQUESTS = 1_000;

/** Requests of a server that its client has yet to answer. */
export class OpenRequests {
  readonly #ids = new Set<RequestId>();

  /** @returns the oldest request, if it has to be given up: a client without a stream may never see it */
  add(id: RequestId): RequestId | undefined {
    this.#ids.add(id);
    if (this.#ids.size <= MAX_OPEN_REQUESTS) return undefined;
    const [oldest] = this.#ids;
    if (oldest !== undefined) this.#ids.delete(oldest);
    return oldest;
  }

  /** @returns whether the request was open */
  settle(id: RequestId): boolean {
    return this.#ids.delete(id);
  }

  /** Settles all, oldest first. */
  settleAll(): RequestId[] {
    const all = [...this.#ids];
    this.#ids.clear();
    return all;
  }
}
