import { RunError } from '../errors.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import { ModernConversation, type ModernConversationOptions } from './modern-conversation.ts';

/** Principals are many only where tokens are. */
const MAX_CONVERSATIONS = 256;
/** A conversation that had no request for so long is dropped, at the latest after twice the time. */
const UNUSED_MS = 60_000;

/** The conversations of one server, one for each principal: made at the first request, and dropped when it is not used. */
export class ModernConversations {
  readonly #options: ModernConversationOptions;
  readonly #conversations = new Map<string, ModernConversation>();
  readonly #clientGone = new RunError('CLIENT_GONE');
  #stopTimer: (() => void) | undefined;
  #closedWith: RunError | undefined;

  constructor(options: ModernConversationOptions) {
    this.#options = options;
  }

  /** More than `MAX_CONVERSATIONS` only if each has an open request. */
  get size(): number {
    return this.#conversations.size;
  }

  /** Sends the request of `client` to the server. @throws RunError `SHUTTING_DOWN`, `INVALID_REQUEST`, before anything is sent */
  begin(client: ClientExchange): ServerExchange {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    const { id: principalId } = client.principal;
    const conversation = this.#conversations.get(principalId) ?? this.#add(principalId);
    return conversation.begin(client);
  }

  /** Resolves when no request is pending. */
  async idle(): Promise<void> {
    await Promise.all([...this.#conversations.values()].map((conversation) => conversation.idle()));
  }

  /** Answers what is open with `reason`, and takes nothing more. Idempotent. */
  close(reason: RunError): void {
    this.#closedWith ??= reason;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    for (const conversation of this.#conversations.values()) conversation.close(reason);
    this.#conversations.clear();
  }

  #add(principalId: string): ModernConversation {
    if (this.#conversations.size >= MAX_CONVERSATIONS) this.#dropOldest();
    const conversation = new ModernConversation(principalId, this.#clientGone, this.#options);
    this.#conversations.set(principalId, conversation);
    if (this.#stopTimer === undefined) this.#checkLater();
    return conversation;
  }

  #checkLater(): void {
    this.#stopTimer = this.#options.clock.after(UNUSED_MS, () => this.#dropUnused());
  }

  #dropUnused(): void {
    this.#stopTimer = undefined;
    const before = this.#options.clock.now() - UNUSED_MS;
    for (const [principalId, conversation] of this.#conversations) {
      if (conversation.isUnused && conversation.usedAt <= before) this.#drop(principalId, conversation);
    }
    if (this.#conversations.size > 0) this.#checkLater();
  }

  #dropOldest(): void {
    let oldest: [principalId: string, conversation: ModernConversation] | undefined;
    for (const entry of this.#conversations) {
      const [, conversation] = entry;
      if (!conversation.isUnused) continue;
      if (oldest === undefined || conversation.usedAt < oldest[1].usedAt) oldest = entry;
    }
    if (oldest !== undefined) this.#drop(...oldest);
  }

  #drop(principalId: string, conversation: ModernConversation): void {
    this.#conversations.delete(principalId);
    conversation.close(this.#clientGone);
  }
}
