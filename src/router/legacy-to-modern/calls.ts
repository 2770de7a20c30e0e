import type { Call } from './call.ts';

/** A client's calls, and the call that a message of the server belongs to. */
export class Calls {
  readonly #calls = new Map<unknown, Call>();
  readonly #byUpstreamId = new Map<unknown, Call>();

  start(call: Call): void {
    this.#calls.set(call.id, call);
  }

  get(id: unknown): Call | undefined {
    return this.#calls.get(id);
  }

  /** By the request that the server has yet to answer. */
  byUpstreamId(id: unknown): Call | undefined {
    return this.#byUpstreamId.get(id);
  }

  /** The server got a request for it, or has answered one. */
  move(call: Call, upstreamId: number | undefined): void {
    this.#byUpstreamId.delete(call.upstreamId);
    call.upstreamId = upstreamId;
    if (upstreamId !== undefined) this.#byUpstreamId.set(upstreamId, call);
  }

  /** @returns false if it has been answered, failed or cancelled before */
  end(call: Call): boolean {
    this.move(call, undefined);
    return this.#calls.get(call.id) === call && this.#calls.delete(call.id);
  }

  clear(): void {
    this.#calls.clear();
    this.#byUpstreamId.clear();
  }
}
