import type { Frame } from '../../protocol/frame.ts';
import { cancelledId } from './messages.ts';

/** Sends messages in the order in which they came, and holds them back until the handshake has come far enough. */
export class HandshakeBarrier {
  readonly #send: (frame: Frame) => void;
  /** Oldest first. A message waits for the barrier as well as for those before it. */
  readonly #queue: Frame[] = [];
  #barriers = 0;
  #state: 'active' | 'released' = 'active';

  constructor(send: (frame: Frame) => void) {
    this.#send = send;
  }

  /** Sends a message, at once or when its turn comes. */
  pass(frame: Frame): void {
    if (frame.method === 'notifications/cancelled') return this.#cancel(frame);
    // The server may wait for the response before it goes on with the handshake.
    if (frame.kind === 'response') return this.#send(frame);
    if (this.#isOpen() && this.#queue.length === 0) this.#send(frame);
    else this.#queue.push(frame);
  }

  /** Messages that come from now on wait for this promise, which never rejects. */
  waitFor(until: Promise<void>): void {
    this.#barriers += 1;
    void until.then(() => {
      this.#barriers -= 1;
      this.#drain();
    });
  }

  /** Sends all messages that wait, and makes no message wait any more: another transport takes them over, or none. */
  release(): void {
    this.#state = 'released';
    this.#drain();
  }

  #isOpen(): boolean {
    return this.#barriers === 0 || this.#state === 'released';
  }

  /** Sending a message may raise the next barrier. */
  #drain(): void {
    while (this.#isOpen()) {
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      this.#send(frame);
    }
  }

  /** A cancellation overtakes. A request that has not been sent need not be cancelled. */
  #cancel(frame: Frame): void {
    const id = cancelledId(frame);
    const index = this.#queue.findIndex((queued) => queued.kind === 'request' && queued.id === id);
    if (id === undefined || index === -1) this.#send(frame);
    else this.#queue.splice(index, 1);
  }
}
