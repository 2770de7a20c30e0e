import { RunError } from '../../errors.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { HEADER } from '../../protocol/mirrored-headers.ts';
import { isSessionForgotten } from './forgotten-session.ts';
import { createHandshake } from './handshake.ts';
import type { HttpResponse } from './http-call.ts';
import { isError, type RejectionReason } from './rejection-reason.ts';

/** Names a session of a server up to 2025-11-25, which need not give it an id. */
export interface SessionKey {
  readonly id: string | undefined;
  readonly revision: string | undefined;
}

/** A client's session, whichever one of the server's that is. */
export interface HttpSession {
  readonly key: SessionKey;
  /** A client has begun one. */
  readonly isBegun: boolean;
  /** What belongs to it: the id and the revision. @param of another session than the present one */
  headers(of?: SessionKey): Record<string, string>;
  /** Notes the id that the server gives a session with its response to `initialize`. */
  opened(response: HttpResponse): void;
  /** Notes what the server has accepted. */
  accepted(request: Frame, answer: Frame): void;
  notified(notification: Frame): void;
  /** The result of `isSessionForgotten`; false without a session id. */
  isForgotten(refusal: RejectionReason, used: SessionKey, requestId?: RequestId): boolean;
  /**
   * Begins another one as the client began its first, unless somebody has since `used`; those who need one at the same
   * time share it.
   * @returns whether there is another one
   * @throws RunError why there cannot be one
   */
  renew(used: SessionKey): Promise<boolean>;
  /** Resolves when no renewal is under way. */
  settled(): Promise<unknown> | undefined;
}

export interface SessionOptions {
  readonly server: string;
  /** Sends a request of our own. @returns the answer, undefined if it was no success */
  ask(request: Frame): Promise<Frame | undefined>;
  tell(notification: Frame): Promise<void>;
  /** There is another one, and it has been initialized. */
  onRenewed(): void;
}

const SESSION_HEADER = 'mcp-session-id';
/** What a session remembers. */
const NOTED: ReadonlySet<string | undefined> = new Set([
  'initialize',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);
const NO_SESSION: SessionKey = { id: undefined, revision: undefined };

/** 2025-11-25, basic/transports, session management. */
export function createSession({ server, ask, tell, onRenewed }: SessionOptions): HttpSession {
  const handshake = createHandshake();
  let key = NO_SESSION;
  let renewing: Promise<boolean> | undefined;

  return {
    get key() {
      return key;
    },
    get isBegun() {
      return handshake.initialize !== undefined;
    },
    headers({ id, revision } = key) {
      return {
        ...(id !== undefined && { [SESSION_HEADER]: id }),
        ...(revision !== undefined && { [HEADER.protocolVersion]: revision }),
      };
    },
    opened(response) {
      const id = response.header(SESSION_HEADER);
      key = { id: id === '' ? undefined : id, revision: undefined };
    },
    accepted(request, answer) {
      if (!NOTED.has(request.method) || isError(answer)) return;
      handshake.accepted(request);
      if (request.method === 'initialize') key = { id: key.id, revision: revisionOf(answer) };
    },
    notified: handshake.notified,
    isForgotten: (refusal, { id }, requestId) =>
      id !== undefined && isSessionForgotten(refusal, id, requestId),
    renew(used) {
      if (renewing === undefined && key !== used) return Promise.resolve(true);
      renewing ??= begin().finally(() => (renewing = undefined));
      return renewing;
    },
    settled: () => renewing?.catch(() => {}),
  };

  async function begin(): Promise<boolean> {
    const { initialize, initialized } = handshake;
    if (initialize === undefined) return false;
    const settings = handshake.settings();
    const forgotten = key;
    const answer = await ask(initialize).catch((error: unknown) => {
      key = forgotten;
      throw error;
    });
    if (answer === undefined || isError(answer)) {
      key = forgotten;
      const detail = ': the session is gone, and another one was refused';
      throw new RunError('UPSTREAM_HTTP', { server, status: 404, detail });
    }
    key = { id: key.id, revision: revisionOf(answer) };
    if (initialized !== undefined) {
      await tell(initialized);
      onRenewed();
    }
    for (const setting of settings) await ask(setting);
    return true;
  }
}

function revisionOf(answer: Frame): string | undefined {
  const revision = answer.message.result?.['protocolVersion'];
  return typeof revision === 'string' && /^[\w.-]{1,40}$/.test(revision) ? revision : undefined;
}
