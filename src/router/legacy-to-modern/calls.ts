import type { Call } from './call.ts';

/** A client's calls, and which of them a message of the server belongs to. */
export interface Calls {
  start(call: Call): void;
  get(id: unknown): Call | undefined;
  /** By the request that the server has yet to answer. */
  byUpstreamId(id: unknown): Call | undefined;
  /** The server got a request for it, or has answered one. */
  move(call: Call, upstreamId: number | undefined): void;
  /** @returns false if it has been answered, failed or cancelled before */
  end(call: Call): boolean;
  clear(): void;
}

export function createCalls(): Calls {
  const calls = new Map<unknown, Call>();
  const byUpstreamId = new Map<unknown, Call>();

  return {
    start: (call) => void calls.set(call.id, call),
    get: (id) => calls.get(id),
    byUpstreamId: (id) => byUpstreamId.get(id),
    move,
    end(call) {
      move(call, undefined);
      return calls.get(call.id) === call && calls.delete(call.id);
    },
    clear() {
      calls.clear();
      byUpstreamId.clear();
    },
  };

  function move(call: Call, upstreamId: number | undefined): void {
    byUpstreamId.delete(call.upstreamId);
    call.upstreamId = upstreamId;
    if (upstreamId !== undefined) byUpstreamId.set(upstreamId, call);
  }
}
