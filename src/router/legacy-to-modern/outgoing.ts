import type { Clock } from '../../clock.ts';
import { Requester, type AnswerHandler } from '../../link/requester.ts';
import type { Link } from '../../link/link.ts';
import type { Frame } from '../../protocol/frame.ts';

/** Requests to the server, under numbers of which each is used once. */
export class Outgoing {
  readonly #requester: Requester;

  /** @param onCancelled called for each request that is cancelled */
  constructor(server: Link, onCancelled: (id: number) => void, clock: Clock) {
    this.#requester = new Requester({ link: server, idOf: (count) => count, onCancelled, clock });
  }

  /** @param build makes the request that goes by this number, before anything can come back */
  send(build: (id: number) => Frame, onAnswer: AnswerHandler): void | Promise<void> {
    return this.#requester.start(build(this.#requester.nextId()), onAnswer);
  }

  /** Stops waiting for the answer to this request. @returns its handler, once */
  take(id: unknown): AnswerHandler | undefined {
    return this.#requester.take(id);
  }

  /** Sends the server a cancellation, if the request is pending. */
  cancel(id: number, reason?: string): void | Promise<void> {
    return this.#requester.cancel(id, reason);
  }

  /** Forgets all requests. */
  clear(): void {
    this.#requester.clear();
  }
}
