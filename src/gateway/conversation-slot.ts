import { RunError } from '../errors.ts';
import type { Conversation } from '../router/conversation/conversation.ts';
import type { ProcessSlot, ProcessSlots, SlotOwner } from './process-slots.ts';

/** The process slot of one conversation, released when that is closed. */
export class ConversationSlot {
  readonly #slots: ProcessSlots;
  readonly #owner: SlotOwner;
  #slot: ProcessSlot | undefined;
  #conversation: Pick<Conversation, 'isClosed'> | undefined;

  constructor(slots: ProcessSlots, owner: Omit<SlotOwner, 'isLeaving'>) {
    this.#slots = slots;
    this.#owner = { ...owner, isLeaving: () => this.#conversation?.isClosed === true };
  }

  /** @throws RunError `TOO_MANY_CHILDREN` */
  reserve(): void {
    this.#slot ??= this.#slots.acquire(this.#owner);
  }

  /** Counts a process that is started in any case. */
  reserveAlways(): void {
    this.#slot ??= this.#slots.acquireAlways(this.#owner);
  }

  /** Resolves when the process may start. @throws RunError `CLIENT_GONE` */
  async ready(): Promise<void> {
    await this.#slot?.ready();
    if (this.#conversation?.isClosed === true) throw new RunError('CLIENT_GONE');
  }

  follow(conversation: Pick<Conversation, 'isClosed' | 'closed'>): void {
    this.#conversation = conversation;
    void conversation.closed.then(() => this.#slot?.release());
  }
}
