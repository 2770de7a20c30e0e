import { toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import { LISTEN } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import { withId } from './messages.ts';
import { Post } from './post.ts';
import { isError } from './rejection-reason.ts';
import { untilCancelled, untilReached } from './retry.ts';
import { StreamableExchange, type ExchangeOptions } from './streamable-exchange.ts';
import type { StreamablePeer } from './streamable-peer.ts';
import type { StreamableReceiver } from './streamable-receiver.ts';

/** Methods of the first request to a server. */
const FIRST: ReadonlySet<string | undefined> = new Set(['initialize', 'server/discover']);
const MAX_PAGES = 100;

/** The requests to a server of Streamable HTTP: those of the client, and our own. */
export class StreamableRequests {
  readonly #peer: StreamablePeer;
  readonly #receiver: StreamableReceiver;
  readonly #exchange: StreamableExchange;
  readonly #posts = new Map<RequestId, Post>();
  #ownIds = 0;

  constructor(peer: StreamablePeer, receiver: StreamableReceiver, tryOlder: ExchangeOptions['tryOlder']) {
    const listTools = (post: Post): Promise<boolean> => this.#listTools(post);
    this.#peer = peer;
    this.#receiver = receiver;
    this.#exchange = new StreamableExchange({ peer, receiver, listTools, tryOlder });
  }

  find(id: RequestId): Post | undefined {
    return this.#posts.get(id);
  }

  /** @returns settles when the request is over, if others have to wait for it */
  send(frame: Frame, id: RequestId): Promise<void> | undefined {
    const post = new Post(frame, id, claimsModern(frame.message), this.#receiver);
    this.#posts.set(id, post);
    const done = this.#run(post).finally(() => {
      if (this.#posts.get(id) === post) this.#posts.delete(id);
      this.#peer.dropped.ended(id);
    });
    return frame.method === 'initialize' || this.#isFirst(post) ? done : undefined;
  }

  /**
   * Sends a request of our own.
   * @returns the answer, undefined if it was no success
   * @throws RunError `REQUEST_TIMEOUT`: requests of clients wait for it, and their time-outs do not end it
   */
  async sendOwn(request: Frame): Promise<Frame | undefined> {
    this.#ownIds += 1;
    const id = `mcpr:http:${this.#ownIds}`;
    const frame = withId(request, id);
    const { options, dropped, clock } = this.#peer;
    let answer: Frame | undefined;
    const post = new Post(frame, id, claimsModern(frame.message), {
      server: options.server,
      maxBytes: options.maxBytes,
      clock,
      take(message) {
        if (message.kind !== 'response') return options.deliver(message);
        answer = message;
        return undefined;
      },
      unreadable: (data, stream) => dropped.unreadable(data, stream),
      unmatched: (other) => dropped.answer(other),
    });
    this.#posts.set(id, post);
    try {
      await post.within(options.initializeTimeoutMs, () => this.#exchange.attempt(post));
    } finally {
      this.#posts.delete(id);
      dropped.ended(id);
    }
    return answer;
  }

  /** A client that sends `initialize` after `server/discover` takes the server for an older one. */
  abandonDiscovery(): void {
    for (const post of this.#posts.values())
      if (this.#isFirst(post) && post.frame.method !== 'initialize') post.abort();
  }

  abortAll(): void {
    for (const post of this.#posts.values()) post.abort();
  }

  #isFirst({ frame }: Post): boolean {
    return FIRST.has(frame.method) && !this.#peer.hasWorked;
  }

  async #run(post: Post): Promise<void> {
    const peer = this.#peer;
    try {
      if (this.#isFirst(post)) await untilReached(post, this.#exchange, peer);
      else if (post.frame.method === LISTEN && post.isModern)
        await untilCancelled(post, this.#exchange, peer);
      else await this.#exchange.run(post);
    } catch (thrown) {
      if (post.isOver) return;
      const error = toRunError(thrown);
      peer.report(error);
      void peer.options.deliver(faultFrame(error, post.id), post.id);
    }
  }

  /** All tools, for their headers. @returns whether the server has listed them */
  async #listTools({ frame }: Post): Promise<boolean> {
    const _meta = frame.message.params?.['_meta'];
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = { ...(cursor !== undefined && { cursor }), _meta };
      const answer = await this.sendOwn(frameOf({ id: 0, method: 'tools/list', params }));
      if (answer === undefined || isError(answer)) return false;
      this.#peer.options.requestHeaders.learn(answer);
      cursor = answer.message.result?.['nextCursor'];
      if (typeof cursor !== 'string') break;
    }
    return true;
  }
}
