import { randomBytes } from 'node:crypto';
import { RunError } from '../../errors.ts';
import type { SseSession } from './sse/session.ts';
import type { StreamableSession } from './streamable/session.ts';

/** One client's conversation over HTTP, whichever of the two transports carries it. */
export type HttpSession = StreamableSession | SseSession;

export interface Sessions {
  readonly size: number;
  /** Makes room for one more: the session that the same principal left idle longest ends first. @throws RunError `TOO_MANY_SESSIONS` */
  makeRoom(principal: string): void;
  /** Ends the session that the principal left idle longest, of one server or of all; false if it has none to spare. */
  evictIdle(principal: string, server: string | undefined): boolean;
  add(session: HttpSession): void;
  remove(session: HttpSession): void;
  /** @throws RunError `SESSION_NOT_FOUND`, also for another server's or another principal's session. */
  find<K extends HttpSession['kind']>(
    kind: K,
    id: string,
    server: string,
    principal: string,
  ): Extract<HttpSession, { kind: K }>;
  /** Called about once a second. Ends sessions without a message for `idleMs`: an open stream alone does not keep one. */
  tick(now: number): void;
  closeAll(): Promise<void>;
}

export function createSessions(max: number, idleMs: number): Sessions {
  // A Map: ids are chosen by clients, and `__proto__` must be an unknown id like any other.
  const sessions = new Map<string, HttpSession>();

  return {
    get size() {
      return sessions.size;
    },
    makeRoom(principal) {
      if (sessions.size < max || endIdlest(principal, undefined)) return;
      throw new RunError('TOO_MANY_SESSIONS', { max });
    },
    evictIdle: endIdlest,
    add: (session) => void sessions.set(session.id, session),
    remove: (session) => void sessions.delete(session.id),
    find(kind, id, server, principal) {
      const session = sessions.get(id);
      if (
        session === undefined ||
        !isKind(session, kind) ||
        session.server !== server ||
        session.principal !== principal
      ) {
        throw new RunError('SESSION_NOT_FOUND');
      }
      return session;
    },
    tick(now) {
      for (const session of sessions.values()) {
        session.tick(now);
        if (session.kind === 'streamable' && !session.isBusy && now - session.lastMessageAt > idleMs)
          void session.close();
      }
    },
    async closeAll() {
      await Promise.all([...sessions.values()].map((session) => session.close()));
    },
  };

  function endIdlest(principal: string, server: string | undefined): boolean {
    let idlest: HttpSession | undefined;
    for (const session of sessions.values()) {
      if (session.principal !== principal || session.isBusy || session.hasStream) continue;
      if (server !== undefined && session.server !== server) continue;
      if (idlest === undefined || session.lastMessageAt < idlest.lastMessageAt) idlest = session;
    }
    if (idlest === undefined) return false;
    sessions.delete(idlest.id);
    void idlest.close();
    return true;
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
