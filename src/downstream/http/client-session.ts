import type { Clock } from '../../clock.ts';
import { RelayLink } from '../../link/forward.ts';
import type { Era } from '../../link/link.ts';
import type { Principal } from '../../link/principal.ts';
import type { Frame } from '../../protocol/frame.ts';
import { requireAnswerable } from './admit/unanswered.ts';

export interface ClientSessionOptions {
  readonly id: string;
  readonly server: string;
  readonly principal: Principal;
  readonly clock: Clock;
}

/** A session over either of the two HTTP transports; as a link it is the client's end of a conversation. */
export abstract class ClientSession extends RelayLink {
  readonly peer = 'client';
  readonly era: Era = 'legacy';
  readonly id: string;
  readonly server: string;
  readonly principal: Principal;
  protected readonly clock: Clock;
  #lastMessageAt: number;
  /** Notifications and responses that the server has not taken yet. */
  #untaken = 0;

  constructor({ id, server, principal, clock }: ClientSessionOptions) {
    super();
    this.id = id;
    this.server = server;
    this.principal = principal;
    this.clock = clock;
    this.#lastMessageAt = clock.now();
  }

  /** By the session's clock. */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** A message has come or left: the session is not idle. */
  protected noteMessage(): void {
    this.#lastMessageAt = this.clock.now();
  }

  /**
   * Hands over messages that have no answer, each when the server has taken the one before.
   * @throws RunError `TOO_MANY_REQUESTS`
   */
  protected async deliverInOrder(frames: readonly Frame[]): Promise<void> {
    requireAnswerable(this.#untaken + frames.length);
    this.#untaken += frames.length;
    try {
      for (const frame of frames) await this.deliver(frame);
    } finally {
      this.#untaken -= frames.length;
    }
  }
}
