import { RunError } from '../../errors.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { HEADER } from '../../protocol/mirrored-headers.ts';
import { isSessionForgotten } from './forgotten-session.ts';
import { Handshake } from './handshake.ts';
import type { HttpResponse } from './http-call.ts';
import { isError, type RejectionReason } from './rejection-reason.ts';

/** Names a session of a server up to 2025-11-25, which need not give it an id. */
export interface SessionKey {
  readonly id: string | undefined;
  readonly revision: string | undefined;
}

export interface SessionOptions {
  readonly server: string;
  /** Sends a request of our own. @returns the answer, undefined if it was no success */
  request(frame: Frame): Promise<Frame | undefined>;
  /** Sends a notification. Never rejects. */
  notify(frame: Frame): Promise<void>;
  /** There is another session, and it has been initialized. */
  onRenewed(): void;
}

const SESSION_HEADER = 'mcp-session-id';
/** Requests that a session remembers. */
const REMEMBERED: ReadonlySet<string | undefined> = new Set([
  'initialize',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);
const NO_SESSION: SessionKey = { id: undefined, revision: undefined };

/** A client's session, whichever one of the server's that is (2025-11-25, basic/transports, session management). */
export class HttpSession {
  readonly #options: SessionOptions;
  readonly #handshake = new Handshake();
  #key = NO_SESSION;
  #renewing: Promise<boolean> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get key(): SessionKey {
    return this.#key;
  }

  /** A client has begun one. */
  get isBegun(): boolean {
    return this.#handshake.initialize !== undefined;
  }

  /** The headers that belong to it: the id and the revision. @param of another session than the present one */
  headers({ id, revision }: SessionKey = this.#key): Record<string, string> {
    return {
      ...(id !== undefined && { [SESSION_HEADER]: id }),
      ...(revision !== undefined && { [HEADER.protocolVersion]: revision }),
    };
  }

  /** Notes the id that the server gives a session with its response to `initialize`. */
  opened(response: HttpResponse): void {
    const id = response.header(SESSION_HEADER);
    this.#key = { id: id === '' ? undefined : id, revision: undefined };
  }

  /** Notes a request that the server has accepted. */
  accepted(request: Frame, answer: Frame): void {
    if (!REMEMBERED.has(request.method) || isError(answer)) return;
    this.#handshake.accepted(request);
    if (request.method === 'initialize') this.#key = { id: this.#key.id, revision: revisionOf(answer) };
  }

  notified(notification: Frame): void {
    this.#handshake.notified(notification);
  }

  /** The result of `isSessionForgotten`; false without a session id. */
  isForgotten(reason: RejectionReason, used: SessionKey, requestId?: RequestId): boolean {
    return used.id !== undefined && isSessionForgotten(reason, used.id, requestId);
  }

  /**
   * Begins another one as the client began its first, unless that has happened since `used`; requests that need one at
   * the same time share it.
   * @returns whether there is another one
   * @throws RunError why there cannot be one
   */
  renew(used: SessionKey): Promise<boolean> {
    if (this.#renewing === undefined && this.#key !== used) return Promise.resolve(true);
    this.#renewing ??= this.#begin().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Resolves when no renewal is under way. */
  settled(): Promise<unknown> | undefined {
    return this.#renewing?.catch(() => {});
  }

  async #begin(): Promise<boolean> {
    const { initialize, initialized } = this.#handshake;
    if (initialize === undefined) return false;
    const settings = this.#handshake.settings();
    await this.#initialize(initialize);
    if (initialized !== undefined) {
      await this.#options.notify(initialized);
      this.#options.onRenewed();
    }
    for (const setting of settings) await this.#options.request(setting);
    return true;
  }

  /** @throws RunError if the server rejects it, with the key as it was */
  async #initialize(initialize: Frame): Promise<void> {
    const { server } = this.#options;
    const forgotten = this.#key;
    try {
      const answer = await this.#options.request(initialize);
      if (answer === undefined || isError(answer)) {
        const detail = ': the session is gone, and another one was refused';
        throw new RunError('UPSTREAM_HTTP', { server, status: 404, detail });
      }
      this.#key = { id: this.#key.id, revision: revisionOf(answer) };
    } catch (error) {
      this.#key = forgotten;
      throw error;
    }
  }
}

function revisionOf(answer: Frame): string | undefined {
  const revision = answer.message.result?.['protocolVersion'];
  return typeof revision === 'string' && /^[\w.-]{1,40}$/.test(revision) ? revision : undefined;
}
