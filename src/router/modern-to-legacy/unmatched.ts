import type { RequestId } from '../../protocol/frame.ts';

/** A question of a server that belongs to no call. */
export interface UnmatchedRequest {
  readonly id: RequestId;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Our request that it came with, where the link knows. */
  readonly relatedRequestId: RequestId | undefined;
}

/** Questions that came before the call that they are about, as far as stdio shows: they wait for it a little. */
export interface UnmatchedRequests {
  keep(question: UnmatchedRequest): void;
  /** The server has taken it back. */
  forget(id: RequestId): void;
  /** Takes all of them. */
  takeAll(): UnmatchedRequest[];
}

const WAIT_MS = 20_000;

/** @param onExpire no call has come */
export function createUnmatchedRequests(onExpire: (question: UnmatchedRequest) => void): UnmatchedRequests {
  const waiting = new Map<
    RequestId,
    { readonly question: UnmatchedRequest; readonly timer: NodeJS.Timeout }
  >();

  return {
    keep(question) {
      forget(question.id);
      const timer = setTimeout(() => {
        waiting.delete(question.id);
        onExpire(question);
      }, WAIT_MS);
      timer.unref();
      waiting.set(question.id, { question, timer });
    },
    forget,
    takeAll() {
      const questions = [...waiting.values()].map(({ question }) => question);
      for (const { id } of questions) forget(id);
      return questions;
    },
  };

  function forget(id: RequestId): void {
    clearTimeout(waiting.get(id)?.timer);
    waiting.delete(id);
  }
}
