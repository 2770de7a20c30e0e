import type { RunError } from '../../errors.ts';
import type { Frame } from '../../protocol/frame.ts';
import { HandshakeBarrier } from './handshake-barrier.ts';
import { cancelledId } from './messages.ts';
import { rejectionReason } from './rejection-reason.ts';
import { StandaloneStream } from './standalone-stream.ts';
import { StreamableNotifications } from './streamable-notifications.ts';
import { StreamablePeer } from './streamable-peer.ts';
import { StreamableReceiver } from './streamable-receiver.ts';
import { StreamableRequests } from './streamable-requests.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

export interface StreamableOptions extends RemoteTransportOptions {
  /**
   * The server has rejected `initialize` as one of an older transport does.
   * @returns why the other transport does not take the message over; undefined if it does
   */
  readonly tryOlder?: (initialize: Frame) => Promise<RunError | undefined>;
  /** Takes a message that had to wait until this transport was closed. */
  handOver(frame: Frame): void;
}

/** How long a cancellation may take to be accepted before the request is given up without. */
const CANCEL_MS = 1_000;

/**
 * Speaks Streamable HTTP with a server, in sessions of the 2025 revisions and without them as of 2026-07-28, by the
 * revision of each message.
 */
export class Streamable implements RemoteTransport {
  readonly #options: StreamableOptions;
  readonly #peer: StreamablePeer;
  readonly #receiver: StreamableReceiver;
  readonly #requests: StreamableRequests;
  readonly #notifications: StreamableNotifications;
  readonly #barrier: HandshakeBarrier;
  #standalone: StandaloneStream | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: StreamableOptions) {
    this.#options = options;
    this.#peer = new StreamablePeer(options, {
      request: (frame) => this.#requests.sendOwn(frame),
      notify: (frame) => this.#notifications.send(frame),
      onRenewed: () => this.#onRenewed(),
    });
    this.#receiver = new StreamableReceiver(this.#peer);
    this.#requests = new StreamableRequests(this.#peer, this.#receiver, options.tryOlder);
    this.#notifications = new StreamableNotifications(this.#peer);
    this.#barrier = new HandshakeBarrier((frame) => this.#route(frame));
  }

  send(frame: Frame): void {
    if (this.#closing !== undefined) return;
    if (frame.method === 'initialize') this.#requests.abandonDiscovery();
    this.#barrier.pass(frame);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#peer.isClosing = true;
      this.#closing = this.#close();
      this.#barrier.release();
    }
    return this.#closing;
  }

  #route(frame: Frame): void {
    if (this.#closing !== undefined) return this.#options.handOver(frame);
    if (frame.kind === 'request' && frame.id !== undefined) {
      const done = this.#requests.send(frame, frame.id);
      if (done !== undefined) this.#barrier.waitFor(done);
      return;
    }
    if (frame.kind !== 'notification') return void this.#notifications.send(frame);
    if (frame.method === 'notifications/cancelled') return this.#cancel(frame);
    if (frame.method === 'notifications/initialized') return this.#onInitialized(frame);
    this.#notifications.enqueue(frame);
  }

  #onInitialized(frame: Frame): void {
    this.#peer.session.notified(frame);
    this.#barrier.waitFor(this.#notifications.send(frame).then(() => this.#openStandalone()));
  }

  /** The closed stream is the cancellation of a modern request; an older server needs the notification. */
  #cancel(frame: Frame): void {
    const id = cancelledId(frame);
    const post = id === undefined ? undefined : this.#requests.find(id);
    if (post?.isModern === true || !this.#peer.session.isBegun) return post?.abort();
    if (post !== undefined) this.#peer.clock.after(CANCEL_MS, () => post.abort());
    void this.#notifications.send(frame).then(() => post?.abort());
  }

  #onRenewed(): void {
    this.#options.log.info(
      { event: 'remote.session-renewed' },
      'the server has forgotten the session: there is another one',
    );
    this.#openStandalone();
  }

  #openStandalone(): void {
    if (this.#closing !== undefined) return;
    const { options, session, connection, clock } = this.#peer;
    this.#standalone?.close();
    this.#standalone = new StandaloneStream({
      server: options.server,
      url: options.url,
      connection,
      clock,
      maxBytes: options.maxBytes,
      headers: () => session.headers(),
      event: (data, stream) => this.#receiver.takeUnrelated(data, stream),
      reached: (failure) => options.reached(failure),
      isForgotten: (status, text) => session.isForgotten(rejectionReason(status, text), session.key),
      renew: (status) => this.#peer.replaceSession(session.key, status),
    });
    this.#standalone.open();
  }

  async #close(): Promise<void> {
    this.#standalone?.close();
    this.#requests.abortAll();
    await this.#peer.close();
  }
}
