import { randomBytes } from 'node:crypto';
import { RunError } from '../../errors.ts';
import type { SseSession } from './sse/session.ts';
import type { StreamableSession } from './streamable/session.ts';

/** One client's conversation over either of the two HTTP transports. */
export type HttpSession = StreamableSession | SseSession;

/** The sessions of a listener, found by id. */
export class Sessions {
  readonly #max: number;
  readonly #idleMs: number;
  // A Map: ids are chosen by clients, and `__proto__` must be an unknown id like any other.
  readonly #sessions = new Map<string, HttpSession>();

  constructor(max: number, idleMs: number) {
    this.#max = max;
    this.#idleMs = idleMs;
  }

  /** Makes room for one more: the session that the same principal left idle longest ends first. @throws RunError `TOO_MANY_SESSIONS` */
  makeRoom(principalId: string): void {
    if (this.#sessions.size < this.#max || this.evictIdle(principalId, undefined)) return;
    throw new RunError('TOO_MANY_SESSIONS', { max: this.#max });
  }

  add(session: HttpSession): void {
    this.#sessions.set(session.id, session);
  }

  remove(session: HttpSession): void {
    this.#sessions.delete(session.id);
  }

  /** @throws RunError `SESSION_NOT_FOUND`, also for another server's or another principal's session. */
  find<K extends HttpSession['kind']>(
    kind: K,
    id: string,
    server: string,
    principalId: string,
  ): Extract<HttpSession, { kind: K }> {
    const session = this.#sessions.get(id);
    if (
      session === undefined ||
      !isKind(session, kind) ||
      session.server !== server ||
      session.principal.id !== principalId
    ) {
      throw new RunError('SESSION_NOT_FOUND');
    }
    return session;
  }

  /** Ends the session that the principal left idle longest, of one server or of all; false if it has none to spare. */
  evictIdle(principalId: string, server: string | undefined): boolean {
    let idlest: HttpSession | undefined;
    for (const session of this.#sessions.values()) {
      if (session.principal.id !== principalId || session.isBusy || session.hasStream) continue;
      if (server !== undefined && session.server !== server) continue;
      if (idlest === undefined || session.lastMessageAt < idlest.lastMessageAt) idlest = session;
    }
    if (idlest === undefined) return false;
    this.#sessions.delete(idlest.id);
    void idlest.close();
    return true;
  }

  /** Called about once a second. Ends sessions without a message for `idleMs`: an open stream alone does not keep one. */
  tick(now: number): void {
    for (const session of this.#sessions.values()) {
      session.tick(now);
      if (session.kind === 'streamable' && !session.isBusy && now - session.lastMessageAt > this.#idleMs)
        void session.close();
    }
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }
}

function isKind<K extends HttpSession['kind']>(
  session: HttpSession,
  kind: K,
): session is Extract<HttpSession, { kind: K }> {
  return session.kind === kind;
}

/** 128 random bits in visible ASCII (2025-11-25, basic/transports, session management). */
export function createSessionId(): string {
  return randomBytes(16).toString('hex');
}
