import { RunError, toRunError } from '../../errors.ts';
import { LISTEN, RPC } from '../../protocol/constants.ts';
import type { Frame } from '../../protocol/frame.ts';
import { failureCode } from './failure.ts';
import { withId } from './messages.ts';
import type { Post } from './post.ts';
import {
  codeOf,
  detailOf,
  isMoreSpecific,
  isProcessed,
  mayBeOlder,
  type RejectionReason,
} from './rejection-reason.ts';
import type { Exchange } from './retry.ts';
import type { SessionKey } from './session.ts';
import type { StreamablePeer } from './streamable-peer.ts';
import type { StreamableReceiver } from './streamable-receiver.ts';

export interface ExchangeOptions {
  readonly peer: StreamablePeer;
  readonly receiver: StreamableReceiver;
  /** Lists all tools with the metadata of a request, for their headers. @returns whether that was a success */
  listTools(post: Post): Promise<boolean>;
  /**
   * The server has rejected `initialize` as one of an older transport does.
   * @returns why the other transport does not take the message over; undefined if it does
   */
  readonly tryOlder: ((initialize: Frame) => Promise<RunError | undefined>) | undefined;
}

/** Methods that change nothing, or the same again. A request of any other method is not sent again if it may have been processed. */
const REPEATABLE: ReadonlySet<string | undefined> = new Set([
  'completion/complete',
  'initialize',
  'logging/setLevel',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'server/discover',
  LISTEN,
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tools/list',
]);
const MAX_RESUMES = 3;

/** Has a server of Streamable HTTP answer a request: one POST, and what has to follow it. */
export class StreamableExchange implements Exchange {
  readonly #options: ExchangeOptions;
  readonly #peer: StreamablePeer;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#peer = options.peer;
  }

  /** @throws RunError */
  async run(post: Post): Promise<void> {
    const { session } = this.#peer;
    for (let tries = 0; !post.isOver; tries += 1) {
      if (post.frame.method !== 'initialize') await session.settled();
      if (post.isOver) return;
      const used = session.key;
      const reason = await this.attempt(post);
      if (post.isOver) return;
      if (reason === undefined) await this.#resume(post);
      else if (tries > 0 || !(await this.#isMended(post, reason, used))) await this.#reject(post, reason);
    }
  }

  /**
   * Sends the request once.
   * @returns why the server rejects it, if it does
   * @throws RunError
   */
  async attempt(post: Post): Promise<RejectionReason | undefined> {
    const peer = this.#peer;
    const { frame } = post;
    const isRepeatable = REPEATABLE.has(frame.method);
    const own = peer.postOf(frame, post.isModern);
    const request = isRepeatable ? own : { ...own, isAnswer: (body: Buffer) => isProcessed(body, post.id) };
    const response = await post.send(peer.connection, request, isRepeatable);
    if (frame.method === 'initialize' && response.status < 300) peer.session.opened(response);
    peer.noteStatus(response);
    return await post.read(response);
  }

  /** The stream has ended before the answer (2025-11-25, basic/transports, resumability and redelivery). */
  async #resume(post: Post): Promise<void> {
    const { session, connection, options } = this.#peer;
    for (let failures = 0; !post.isOver;) {
      const { position } = post;
      if (post.isModern || !position.isKnown || failures >= MAX_RESUMES) throw this.#peer.lost(post.frame);
      await post.pause(position.retryMs * 2 ** failures);
      if (post.isAborted) return;
      try {
        const headers = { ...session.headers(), ...position.headers() };
        const response = await post.send(connection, { method: 'GET', url: options.url, headers }, true);
        this.#peer.noteStatus(response);
        if ((await post.read(response)) !== undefined) throw this.#peer.lost(post.frame);
        failures = 0;
      } catch (thrown) {
        const error = toRunError(thrown);
        if (error.code !== 'UPSTREAM_UNREACHABLE' || failureCode(error.cause) === 'ECONNREFUSED') throw error;
        failures += 1;
      }
    }
  }

  /** @returns whether the request is worth sending again */
  async #isMended(post: Post, reason: RejectionReason, used: SessionKey): Promise<boolean> {
    const { method } = post.frame;
    if (post.isModern) {
      const isHeaderMissing = codeOf(reason.error) === RPC.headerMismatch && method === 'tools/call';
      return isHeaderMissing && (await this.#options.listTools(post));
    }
    const isForgotten = method !== 'initialize' && this.#peer.session.isForgotten(reason, used, post.id);
    return isForgotten && (await this.#peer.replaceSession(used, reason.status));
  }

  /** Answers the request, or throws, as the response says. */
  async #reject(post: Post, reason: RejectionReason): Promise<void> {
    const { options } = this.#peer;
    const { status, error } = reason;
    if (await this.#isTakenOver(post, reason)) return;
    const result = status < 300 || post.frame.method === 'initialize' ? undefined : reason.result;
    if (result !== undefined) {
      post.isAnswered = true;
      return void this.#options.receiver.take(result, post);
    }
    if (error === undefined) {
      const detail = options.mask(detailOf(reason));
      throw new RunError('UPSTREAM_HTTP', { server: options.server, status, detail });
    }
    post.isAnswered = true;
    // The server may not have known which request it answers.
    void options.deliver(withId(error, post.id), post.id);
  }

  /**
   * @returns whether the older transport answers the request
   * @throws RunError of that transport, if it says more than this one's
   */
  async #isTakenOver(post: Post, reason: RejectionReason): Promise<boolean> {
    const { tryOlder } = this.#options;
    // A server that has answered a POST before is of no older transport.
    const isOlder = post.frame.method === 'initialize' && !this.#peer.hasWorked && mayBeOlder(reason);
    if (!isOlder || tryOlder === undefined) return false;
    const failure = await tryOlder(post.frame);
    if (failure !== undefined) {
      if (isMoreSpecific(failure, reason)) throw failure;
      return false;
    }
    post.isAnswered = true;
    return true;
  }
}
