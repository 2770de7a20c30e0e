import { RunError, toRunError } from '../../errors.ts';
import { claimedRevision, claimsModern } from '../../era/envelope.ts';
import { isLegacyRevision, RPC } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import { HEADER } from '../../protocol/mirrored-headers.ts';
import { createScope } from './connection.ts';
import { DroppedMessages } from './dropped-messages.ts';
import { failureCode, logFailure } from './failure.ts';
import { discard, type HttpRequest, type HttpResponse } from './http-call.ts';
import { cancelledId, sortMessages, withId } from './messages.ts';
import { createHandshakeBarrier } from './handshake-barrier.ts';
import { untilCancelled, untilReached } from './retry.ts';
import { Post, type PostOptions } from './post.ts';
import {
  codeOf,
  detailOf,
  isError,
  isFull,
  isProcessed,
  mayBeOlder,
  readRejectionReason,
  isMoreSpecific,
  rejectionReason,
  type RejectionReason,
} from './rejection-reason.ts';
import { createSession, type SessionKey } from './session.ts';
import { openStandaloneStream, type StandaloneStream } from './standalone-stream.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

export interface StreamableOptions extends RemoteTransportOptions {
  /**
   * The server has refused `initialize` as one of an older transport does.
   * @returns why the other transport does not take the message over; undefined if it does
   */
  notStreamable?(initialize: Frame): Promise<RunError | undefined>;
  /** Takes what had to wait until somebody else had taken over. */
  passOn(frame: Frame): void;
}

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
/** Methods that are asked first. */
const FIRST: ReadonlySet<string | undefined> = new Set(['initialize', 'server/discover']);
const LISTEN = 'subscriptions/listen';
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
const MAX_PAGES = 100;
const DELETE_MS = 2_000;
/** How long a notification, or an answer, may take to be accepted. */
const TELL_MS = 30_000;
/** How long a cancellation may take to be, before the request is given up without. */
const CANCEL_MS = 1_000;

/**
 * Speaks Streamable HTTP with a server, in sessions of the 2025 revisions and without them as of 2026-07-28, whichever
 * each message is of.
 */
export function createStreamable(options: StreamableOptions): RemoteTransport {
  const { server, url, maxBytes, mirror, log } = options;
  const connection = createScope(options.connection);
  const posts = new Map<RequestId, Post>();
  const dropped = new DroppedMessages(log);
  const common: Omit<PostOptions, 'take'> = {
    server,
    maxBytes,
    unreadable: (data, post) => dropped.unreadable(data, post),
    unmatched: (id) => dropped.answer(id),
  };
  const session = createSession({ server, ask, tell, onRenewed });
  const order = createHandshakeBarrier((frame) =>
    closing === undefined ? route(frame) : options.passOn(frame),
  );
  /** Sessions that were ended because there is another one. */
  const replaced = new WeakSet<SessionKey>();
  let standing: StandaloneStream | undefined;
  /** Notifications leave one after the other. */
  let notified: Promise<void> = Promise.resolve();
  let ownIds = 0;
  let hasWorked = false;
  let closing: Promise<void> | undefined;

  return {
    send(frame) {
      if (closing !== undefined) return;
      if (frame.method === 'initialize') giveUpAsking();
      order.pass(frame);
    },
    close() {
      if (closing === undefined) {
        closing = close();
        order.release();
      }
      return closing;
    },
  };

  function route(frame: Frame): void {
    if (frame.kind === 'request' && frame.id !== undefined) return request(frame, frame.id);
    if (frame.kind === 'notification') return notify(frame);
    void tell(frame);
  }

  // Requests

  /** Whoever has asked what the server is, and waited in vain, takes it for an older one. */
  function giveUpAsking(): void {
    for (const post of posts.values()) if (isFirst(post) && post.frame.method !== 'initialize') post.abort();
  }

  function request(frame: Frame, id: RequestId): void {
    const post = new Post(frame, id, claimsModern(frame.message), { ...common, take });
    posts.set(id, post);
    const done = run(post).finally(() => {
      if (posts.get(id) === post) posts.delete(id);
      dropped.ended(id);
    });
    if (frame.method === 'initialize' || isFirst(post)) order.holdBack(done);
  }

  function isFirst({ frame }: Post): boolean {
    return FIRST.has(frame.method) && !hasWorked;
  }

  async function run(post: Post): Promise<void> {
    try {
      if (isFirst(post))
        await untilReached(post, exchange, { ...options, isClosed: () => closing !== undefined });
      else if (post.frame.method === LISTEN && post.isModern) await untilCancelled(post, exchange, report);
      else await exchange(post);
    } catch (thrown) {
      if (post.isAborted || post.isAnswered) return;
      const error = toRunError(thrown);
      report(error);
      void options.deliver(faultFrame(error, post.id), post.id);
    }
  }

  /** @throws RunError */
  async function exchange(post: Post): Promise<void> {
    const isOver = (): boolean => post.isAnswered || post.isAborted;
    for (let tries = 0; !isOver(); tries += 1) {
      if (post.frame.method !== 'initialize') await session.settled();
      if (isOver()) return;
      const used = session.key;
      const refusal = await attempt(post);
      if (isOver()) return;
      if (refusal === undefined) await resume(post);
      else if (tries > 0 || !(await isMended(post, refusal, used))) await refuse(post, refusal);
    }
  }

  async function attempt(post: Post): Promise<RejectionReason | undefined> {
    const { frame } = post;
    const isRepeatable = REPEATABLE.has(frame.method);
    const own = postOf(frame, post.isModern);
    const request = isRepeatable ? own : { ...own, isAnswer: (body: Buffer) => isProcessed(body, post.id) };
    const response = await post.send(connection, request, isRepeatable);
    if (frame.method === 'initialize' && response.status < 300) session.opened(response);
    noteStatus(response);
    return await post.read(response);
  }

  function postOf(frame: Frame, isModern: boolean): HttpRequest {
    const isInitialize = frame.method === 'initialize';
    const own = isModern ? mirror.headersOf(frame) : isInitialize ? claimedHeaders(frame) : session.headers();
    const post: HttpRequest = {
      method: 'POST',
      url,
      headers: { ...JSON_HEADERS, ...own },
      body: frame.bytes,
    };
    return isInitialize && options.makeRoom !== undefined ? { ...post, makeRoom } : post;
  }

  /** A session that its client left without a word keeps a place there until it is idle for long enough here. */
  async function makeRoom(response: HttpResponse): Promise<boolean> {
    const refusal = await readRejectionReason(response, maxBytes);
    return isFull(refusal) && (await options.makeRoom?.()) === true;
  }

  /** The stream has ended before the answer (2025-11-25, basic/transports, resumability and redelivery). */
  async function resume(post: Post): Promise<void> {
    for (let failures = 0; !post.isAnswered && !post.isAborted;) {
      const { position } = post;
      if (post.isModern || !position.isKnown || failures >= MAX_RESUMES) throw lost(post.frame);
      await post.pause(position.retryMs * 2 ** failures);
      if (post.isAborted) return;
      try {
        const headers = { ...session.headers(), ...position.headers() };
        const response = await post.send(connection, { method: 'GET', url, headers }, true);
        noteStatus(response);
        if ((await post.read(response)) !== undefined) throw lost(post.frame);
        failures = 0;
      } catch (thrown) {
        const error = toRunError(thrown);
        if (error.code !== 'UPSTREAM_UNREACHABLE' || failureCode(error.cause) === 'ECONNREFUSED') throw error;
        failures += 1;
      }
    }
  }

  /** @returns whether it is worth asking again */
  async function isMended(post: Post, refusal: RejectionReason, used: SessionKey): Promise<boolean> {
    const { method } = post.frame;
    if (post.isModern)
      return (
        codeOf(refusal.error) === RPC.headerMismatch && method === 'tools/call' && (await listTools(post))
      );
    const isForgotten = method !== 'initialize' && session.isForgotten(refusal, used, post.id);
    return isForgotten && (await replace(used, refusal.status));
  }

  /**
   * Begins another session. A server that has not said so with 404 may still keep the one before.
   * @returns whether there is another one
   */
  async function replace(used: SessionKey, status: number): Promise<boolean> {
    const isRenewed = await session.renew(used);
    if (isRenewed && status !== 404 && session.key.id !== used.id && !replaced.has(used)) {
      replaced.add(used);
      void end(used);
    }
    return isRenewed;
  }

  async function refuse(post: Post, refusal: RejectionReason): Promise<void> {
    const { status, error } = refusal;
    // A server that has answered a POST before is of no older transport.
    const isOlder = post.frame.method === 'initialize' && !hasWorked && mayBeOlder(refusal);
    if (isOlder && options.notStreamable !== undefined) {
      const failure = await options.notStreamable(post.frame);
      if (failure === undefined) {
        post.isAnswered = true;
        return;
      }
      if (isMoreSpecific(failure, refusal)) throw failure;
    }
    const result = status < 300 || post.frame.method === 'initialize' ? undefined : refusal.result;
    if (result !== undefined) {
      post.isAnswered = true;
      return void take(result, post);
    }
    if (error === undefined)
      throw new RunError('UPSTREAM_HTTP', { server, status, detail: options.mask(detailOf(refusal)) });
    post.isAnswered = true;
    // It may not have known whom it answers.
    void options.deliver(withId(error, post.id), post.id);
  }

  function take(frame: Frame, post: Post): void | Promise<void> {
    if (frame.kind === 'response') return options.deliver(answered(withId(frame, post.id), post), post.id);
    if (post.isModern && frame.method === 'notifications/subscriptions/acknowledged') {
      // The client has seen one.
      if (post.isAcknowledged) return undefined;
      post.isAcknowledged = true;
    }
    return options.deliver(frame, post.id);
  }

  function answered(answer: Frame, post: Post): Frame {
    hasWorked = true;
    if (!post.isModern) session.accepted(post.frame, answer);
    return post.isModern && post.frame.method === 'tools/list' ? mirror.learn(answer) : answer;
  }

  // Requests of our own

  /**
   * @returns the answer, undefined if it was no success
   * @throws RunError `REQUEST_TIMEOUT`: others wait for it, and no client's patience ends it
   */
  async function ask(asked: Frame): Promise<Frame | undefined> {
    ownIds += 1;
    const id = `mcpr:http:${ownIds}`;
    const frame = withId(asked, id);
    let answer: Frame | undefined;
    const post = new Post(frame, id, claimsModern(frame.message), {
      ...common,
      take(message) {
        if (message.kind !== 'response') return options.deliver(message);
        answer = message;
        return undefined;
      },
    });
    posts.set(id, post);
    try {
      await post.within(options.initializeTimeoutMs, () => attempt(post));
    } finally {
      posts.delete(id);
      dropped.ended(id);
    }
    return answer;
  }

  /** All tools, for their headers. */
  async function listTools({ frame }: Post): Promise<boolean> {
    const _meta = frame.message.params?.['_meta'];
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = { ...(cursor !== undefined && { cursor }), _meta };
      const answer = await ask(frameOf({ id: 0, method: 'tools/list', params }));
      if (answer === undefined || isError(answer)) return false;
      mirror.learn(answer);
      cursor = answer.message.result?.['nextCursor'];
      if (typeof cursor !== 'string') break;
    }
    return true;
  }

  // What belongs to no request

  function onRenewed(): void {
    log.info(
      { event: 'remote.session-renewed' },
      'the server has forgotten the session: there is another one',
    );
    openStanding();
  }

  function openStanding(): void {
    if (closing !== undefined) return;
    standing?.close();
    standing = openStandaloneStream({
      server,
      url,
      connection,
      maxBytes,
      headers: session.headers,
      event: unrelated,
      reached: options.reached,
      isForgotten: (status, text) => session.isForgotten(rejectionReason(status, text), session.key),
      renew: (status) => replace(session.key, status),
    });
  }

  function unrelated(data: string, stream: object): void | Promise<void> {
    const { frames, faults } = sortMessages(Buffer.from(data));
    if (faults.length > 0) dropped.unreadable(data, stream);
    const waits = frames.flatMap((frame) => {
      if (frame.kind !== 'response') return options.deliver(frame) ?? [];
      // No answer comes by this way: its request has a stream of its own.
      if (frame.id !== undefined) dropped.answer(frame.id);
      return [];
    });
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  // Notifications and answers

  function notify(frame: Frame): void {
    if (frame.method === 'notifications/cancelled') return cancel(frame);
    if (frame.method === 'notifications/initialized') {
      session.notified(frame);
      return order.holdBack(tell(frame).then(openStanding));
    }
    notified = notified.then(() => tell(frame));
  }

  /** Closing the stream is what cancels a modern request; an older server has to be told. */
  function cancel(frame: Frame): void {
    const id = cancelledId(frame);
    const post = id === undefined ? undefined : posts.get(id);
    if (post?.isModern === true || !session.isBegun) return post?.abort();
    if (post !== undefined) setTimeout(() => post.abort(), CANCEL_MS).unref();
    void tell(frame).then(() => post?.abort());
  }

  /** Never rejects: nobody waits for an answer. */
  async function tell(frame: Frame): Promise<void> {
    const isModern = frame.kind === 'notification' && claimsModern(frame.message);
    for (let tries = 0; tries < 2 && closing === undefined; tries += 1) {
      const used = session.key;
      try {
        const sending = connection.send(postOf(frame, isModern), true);
        const timer = setTimeout(() => sending.abort(), TELL_MS);
        const response = await sending.response.finally(() => clearTimeout(timer));
        discard(response);
        noteStatus(response);
        const { status } = response;
        if (status < 300) return;
        log.debug({ event: 'remote.refused', status }, `refused ${frame.method ?? 'an answer'}`);
        const isForgotten = session.isForgotten(rejectionReason(status), used);
        // An answer is for the session that has asked; what begins a session is not said again by itself.
        const isLost = frame.kind === 'response' || frame.method === 'notifications/initialized';
        if (isLost || !isForgotten || !(await session.renew(used))) return;
      } catch (error) {
        if (closing === undefined) report(toRunError(error));
        return;
      }
    }
  }

  // Life and death

  function noteStatus({ status }: HttpResponse): void {
    if (status < 500) options.reached(undefined);
    else if (status > 501) options.reached(new RunError('UPSTREAM_HTTP', { server, status, detail: '' }));
  }

  function report(error: RunError): void {
    logFailure(log, error);
    if (error.code === 'UPSTREAM_UNREACHABLE') options.reached(error);
  }

  async function close(): Promise<void> {
    standing?.close();
    for (const post of posts.values()) post.abort();
    connection.abort();
    if (session.key.id === undefined) return;
    // The server may keep a session for as long as it likes if nobody tells.
    await end(session.key);
  }

  /** Never rejects. */
  async function end(key: SessionKey): Promise<void> {
    const sending = connection.send({ method: 'DELETE', url, headers: session.headers(key) }, true);
    const timer = setTimeout(() => sending.abort(), DELETE_MS);
    await sending.response.then(discard, () => {});
    clearTimeout(timer);
  }

  function lost({ method = '' }: Frame): RunError {
    return new RunError('UPSTREAM_STREAM_LOST', { server, method });
  }
}

/** An `initialize` with metadata repeats it in headers, as all requests to a modern server do. */
function claimedHeaders({ message }: Frame): Readonly<Record<string, string>> {
  const version = claimedRevision(message);
  if (!isLegacyRevision(version)) return {};
  return { [HEADER.protocolVersion]: version, [HEADER.method]: 'initialize' };
}
