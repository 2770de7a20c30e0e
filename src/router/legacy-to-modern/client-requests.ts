import type { Json } from '../../era/json.ts';
import { OWN_ID } from '../../protocol/constants.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';

/** A request that a client has to answer for its server. */
export interface ClientRequest {
  readonly method: string;
  readonly params: Json;
}

type Answered = (answer: Frame) => void | Promise<void>;

/** Questions that the client has yet to answer. */
export interface ClientRequests {
  nextId(): string;
  /**
   * @param relatedRequestId the client's request that it is asked for, which decides the stream it leaves by
   * @param answered may be called before this returns, if the client cannot be asked
   */
  ask(
    id: string,
    question: ClientRequest,
    relatedRequestId: RequestId,
    answered: Answered,
  ): void | Promise<void>;
  /** @returns who waits for this answer, once */
  take(id: RequestId | undefined): Answered | undefined;
  /** It need not be answered any more. */
  withdraw(id: string, relatedRequestId: RequestId, reason: string): void | Promise<void>;
  clear(): void;
}

export function createClientRequests(
  deliver: (frame: Frame, relatedRequestId: RequestId) => void | Promise<void>,
): ClientRequests {
  const open = new Map<RequestId, Answered>();
  let next = 1;

  return {
    nextId() {
      const id = `${OWN_ID}${next}`;
      next += 1;
      return id;
    },
    ask(id, { method, params }, relatedRequestId, answered) {
      const request = frameOf({ id, method, params: { ...params } });
      open.set(id, answered);
      return deliver(request, relatedRequestId);
    },
    take(id) {
      if (id === undefined) return undefined;
      const answered = open.get(id);
      open.delete(id);
      return answered;
    },
    withdraw(id, relatedRequestId, reason) {
      if (!open.delete(id)) return undefined;
      return deliver(
        frameOf({ method: 'notifications/cancelled', params: { requestId: id, reason } }),
        relatedRequestId,
      );
    },
    clear: () => open.clear(),
  };
}
