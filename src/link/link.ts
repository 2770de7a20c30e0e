import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Principal } from './principal.ts';

/** *legacy*: revisions with the `initialize` handshake. *modern*: per-request metadata, no handshake (2026-07-28). */
export type Era = 'legacy' | 'modern';

/** What a link's peer can be sent besides answers. */
export interface PeerSupport {
  /** Notifications that belong to no request have somewhere to go. */
  readonly notifications: boolean;
  /** Requests have somewhere to go, and their answers a way back. */
  readonly requests: boolean;
}

/**
 * A two-way channel of frames to one peer. Handlers are set once, before the first frame arrives; a link
 * delivers nothing before `onframe` is called.
 */
export interface Link {
  readonly peer: 'client' | 'server';
  readonly era: Era;
  /** The proven identity of the peer; its id is `local` on an unauthenticated loopback listener, `parent` over stdio. */
  readonly principal: Principal;
  /** May change over time: a client that closed its input can no longer be asked. */
  readonly supports: PeerSupport;
  /**
   * Sends one frame. `relatedRequestId` is the peer's request that it belongs to, which decides the stream it leaves by.
   * A promise means backpressure: wait for it before sending more. Never rejects; a dead peer is `onclose`.
   */
  send(frame: Frame, relatedRequestId?: RequestId): void | Promise<void>;
  /**
   * `handler` may return a promise to hold the next frames back. `relatedRequestId` is our own request that the frame belongs to,
   * where the transport tells (a POST's own stream); over stdio nothing does.
   */
  onframe(handler: (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void>): void;
  /** The peer will send nothing more but still reads: answer what is pending, then close. */
  onend(handler: () => void): void;
  /** The link is gone, by `close` or by itself; called exactly once. */
  onclose(handler: (error?: Error) => void): void;
  /** The answer to `id` will never be sent (the peer cancelled it): release what waits for it. */
  abandonResponse(id: RequestId): void;
  /** Idempotent. Resolves when everything behind the link has been released. */
  close(reason?: Error): Promise<void>;
}
