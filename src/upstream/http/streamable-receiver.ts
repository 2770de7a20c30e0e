import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import { sortMessages, withId } from './messages.ts';
import type { Post, PostHandler } from './post.ts';
import type { StreamablePeer } from './streamable-peer.ts';

/** Messages from a server of Streamable HTTP: those about a request, and those about none. */
export class StreamableReceiver implements PostHandler {
  readonly server: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly #peer: StreamablePeer;

  constructor(peer: StreamablePeer) {
    this.server = peer.options.server;
    this.maxBytes = peer.options.maxBytes;
    this.clock = peer.clock;
    this.#peer = peer;
  }

  take(frame: Frame, post: Post): void | Promise<void> {
    const { options } = this.#peer;
    if (frame.kind === 'response')
      return options.deliver(this.#answered(withId(frame, post.id), post), post.id);
    if (post.isModern && frame.method === 'notifications/subscriptions/acknowledged') {
      // The client has received one for the stream before.
      if (post.isAcknowledged) return undefined;
      post.isAcknowledged = true;
    }
    return options.deliver(frame, post.id);
  }

  unreadable(data: string, post: Post): void {
    this.#peer.dropped.unreadable(data, post);
  }

  unmatched(id: RequestId): void {
    this.#peer.dropped.answer(id);
  }

  /** Takes the data of an event of the standalone stream. @param stream the same for all events of that stream */
  takeUnrelated(data: string, stream: object): void | Promise<void> {
    const { options, dropped } = this.#peer;
    const { frames, faults } = sortMessages(Buffer.from(data));
    if (faults.length > 0) dropped.unreadable(data, stream);
    const waits = frames.flatMap((frame) => {
      if (frame.kind !== 'response') return options.deliver(frame) ?? [];
      // No answer comes by this stream: its request has a stream of its own.
      if (frame.id !== undefined) dropped.answer(frame.id);
      return [];
    });
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  #answered(answer: Frame, post: Post): Frame {
    const peer = this.#peer;
    peer.hasWorked = true;
    if (!post.isModern) peer.session.accepted(post.frame, answer);
    else if (post.frame.method === 'tools/list') return peer.options.requestHeaders.learn(answer);
    return answer;
  }
}
