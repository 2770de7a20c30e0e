import type { Json } from '../../era/json.ts';
import { cancellationFrame } from '../../protocol/cancellation.ts';
import { OWN_ID } from '../../protocol/constants.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';

type Wait = void | Promise<void>;

/** A request that a client has to answer for its server. */
export interface ClientRequest {
  readonly method: string;
  readonly params: Json;
}

type AnswerHandler = (answer: Frame) => Wait;

/** Requests that the client has yet to answer. */
export class ClientRequests {
  readonly #deliver: (frame: Frame, relatedRequestId: RequestId) => Wait;
  readonly #open = new Map<RequestId, AnswerHandler>();
  #count = 0;

  constructor(deliver: (frame: Frame, relatedRequestId: RequestId) => Wait) {
    this.#deliver = deliver;
  }

  nextId(): string {
    this.#count += 1;
    return `${OWN_ID}${this.#count}`;
  }

  /**
   * @param relatedRequestId the client's request that it is sent for, which decides the stream it leaves by
   * @param onAnswer may be called before this returns, if the client does not support requests
   */
  send(id: string, request: ClientRequest, relatedRequestId: RequestId, onAnswer: AnswerHandler): Wait {
    const { method, params } = request;
    const frame = frameOf({ id, method, params: { ...params } });
    this.#open.set(id, onAnswer);
    return this.#deliver(frame, relatedRequestId);
  }

  /** @returns the handler of this answer, once */
  take(id: RequestId | undefined): AnswerHandler | undefined {
    if (id === undefined) return undefined;
    const onAnswer = this.#open.get(id);
    this.#open.delete(id);
    return onAnswer;
  }

  /** Sends a cancellation, unless the client has answered. */
  cancel(id: string, relatedRequestId: RequestId, reason: string): Wait {
    if (!this.#open.delete(id)) return undefined;
    return this.#deliver(cancellationFrame(id, reason), relatedRequestId);
  }

  clear(): void {
    this.#open.clear();
  }
}
