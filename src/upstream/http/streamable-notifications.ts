import { toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import type { Frame } from '../../protocol/frame.ts';
import { discard } from './http-call.ts';
import { rejectionReason } from './rejection-reason.ts';
import type { StreamablePeer } from './streamable-peer.ts';

/** How long a notification, or a response, may take to be accepted. */
const ACCEPT_MS = 30_000;

/** Notifications and responses to a server of Streamable HTTP, which are accepted and not answered. */
export class StreamableNotifications {
  readonly #peer: StreamablePeer;
  /** Resolves when those before have been accepted: notifications leave one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(peer: StreamablePeer) {
    this.#peer = peer;
  }

  enqueue(frame: Frame): void {
    this.#last = this.#last.then(() => this.send(frame));
  }

  /** Sends a message at once. Never rejects: a failure is reported. */
  async send(frame: Frame): Promise<void> {
    const peer = this.#peer;
    const isModern = frame.kind === 'notification' && claimsModern(frame.message);
    try {
      for (let tries = 0; tries < 2 && !peer.isClosing; tries += 1)
        if (!(await this.#attempt(frame, isModern))) return;
    } catch (error) {
      if (!peer.isClosing) peer.report(toRunError(error));
    }
  }

  /** @returns whether the message is worth sending again */
  async #attempt(frame: Frame, isModern: boolean): Promise<boolean> {
    const peer = this.#peer;
    const used = peer.session.key;
    const sending = peer.connection.send(peer.postOf(frame, isModern), true);
    const cancel = peer.clock.after(ACCEPT_MS, () => sending.abort(), true);
    const response = await sending.response.finally(cancel);
    discard(response, peer.clock);
    peer.noteStatus(response);
    const { status } = response;
    if (status < 300) return false;
    peer.options.log.debug({ event: 'remote.refused', status }, `refused ${frame.method ?? 'an answer'}`);
    const isForgotten = peer.session.isForgotten(rejectionReason(status), used);
    // A response is for the session with the request; the notification that begins a session is not sent again by itself.
    const isLost = frame.kind === 'response' || frame.method === 'notifications/initialized';
    return !isLost && isForgotten && (await peer.session.renew(used));
  }
}
