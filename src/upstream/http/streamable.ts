import { RunError, isRunError, toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import { RPC } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import { HEADER } from '../../protocol/mirrored-headers.ts';
import { scanObject, spliceValues } from '../../protocol/scan.ts';
import { createHandshake } from './handshake.ts';
import { discard, type HttpResponse } from './http-call.ts';
import { readMessages } from './messages.ts';
import { Post, type Refusal } from './post.ts';
import { openStandingStream, type StandingStream } from './standing-stream.ts';
import { toolsOf } from './tool-list.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

export interface StreamableOptions extends RemoteTransportOptions {
  /**
   * The server has refused `initialize` as one of an older transport does.
   * @returns whether somebody else takes the message over
   */
  notStreamable?(initialize: Frame): Promise<boolean>;
  /** Takes what had to wait until somebody else had taken over. */
  passOn(frame: Frame): void;
}

/** A session of a server up to 2025-11-25; one need not give it an id. */
interface Session {
  readonly id: string | undefined;
  readonly revision: string | undefined;
}

const SESSION_HEADER = 'mcp-session-id';
const NO_SESSION: Session = { id: undefined, revision: undefined };
/** The answers by which a server says that it is of the older transport (2025-11-25, basic/transports, backward compatibility). */
const NOT_STREAMABLE: ReadonlySet<number> = new Set([400, 404, 405]);
/** Methods that are asked first. */
const FIRST: ReadonlySet<string | undefined> = new Set(['initialize', 'server/discover']);
const LISTEN = 'subscriptions/listen';
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
const SHORTEST_RETRY_MS = 100;
const MAX_RESUMES = 3;
const MAX_PAGES = 100;
const DELETE_MS = 2_000;

/**
 * Speaks Streamable HTTP with a server, in sessions of the 2025 revisions and without them as of 2026-07-28, whichever
 * each message is of.
 */
export function createStreamable(options: StreamableOptions): RemoteTransport {
  const { server, url, connection, mirror, log } = options;
  const posts = new Map<RequestId, Post>();
  const handshake = createHandshake();
  let session = NO_SESSION;
  let standing: StandingStream | undefined;
  /** What has to be over before anything else is said: `initialize`, what ends it, and a renewal. */
  let barrier: Promise<void> | undefined;
  let renewing: Promise<boolean> | undefined;
  /** Notifications leave one after the other. */
  let notified: Promise<void> = Promise.resolve();
  let ownIds = 0;
  let hasWorked = false;
  let closing: Promise<void> | undefined;

  return {
    send(frame) {
      if (closing !== undefined) return;
      if (barrier === undefined || frame.method === 'notifications/cancelled') route(frame);
      else void barrier.then(() => (closing === undefined ? route(frame) : options.passOn(frame)));
    },
    close() {
      closing ??= close();
      return closing;
    },
  };

  function route(frame: Frame): void {
    if (closing !== undefined) return;
    if (frame.kind === 'request' && frame.id !== undefined) return request(frame, frame.id);
    if (frame.kind === 'notification') return notify(frame);
    void tell(frame);
  }

  // Requests

  function request(frame: Frame, id: RequestId): void {
    const post = new Post(frame, id, claimsModern(frame.message), {
      server,
      maxBytes: options.maxBytes,
      take,
    });
    posts.set(id, post);
    const done = run(post).finally(() => {
      if (posts.get(id) === post) posts.delete(id);
    });
    if (frame.method === 'initialize') holdBack(done);
  }

  function holdBack(until: Promise<void>): void {
    const mine = until.finally(() => {
      if (barrier === mine) barrier = undefined;
    });
    barrier = mine;
  }

  async function run(post: Post): Promise<void> {
    try {
      if (FIRST.has(post.frame.method) && !hasWorked) await first(post);
      else if (post.frame.method === LISTEN && post.isModern) await listen(post);
      else await exchange(post);
    } catch (thrown) {
      if (post.isAborted || post.isAnswered) return;
      const error = toRunError(thrown);
      report(error);
      void options.deliver(faultFrame(error, post.id), post.id);
    }
  }

  /** Nothing is known of the server yet: it may be about to start. */
  async function first(post: Post): Promise<void> {
    const start = performance.now();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      try {
        await exchange(post);
        return;
      } catch (thrown) {
        const error = toRunError(thrown);
        if (post.isAborted || closing !== undefined) return;
        // A server that refuses what only newer ones know has said enough.
        if (post.frame.method !== 'initialize' && !isDown(error) && !isShut(error)) throw error;
        const leftMs = options.patienceMs - (performance.now() - start);
        if (!isDown(error) || leftMs <= pauseMs) return options.fail(error);
        log.info({ event: 'remote.waiting' }, `${error.message}; trying again`);
        await post.pause(pauseMs);
      }
    }
  }

  /** A subscription outlives its stream: what the server has taken up once, it is asked for again. */
  async function listen(post: Post): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      const wasAcknowledged = post.isAcknowledged;
      const begun = performance.now();
      try {
        await exchange(post);
        return;
      } catch (thrown) {
        const error = toRunError(thrown);
        const isLost = isRunError(error, 'UPSTREAM_STREAM_LOST') || isDown(error);
        if (post.isAborted || !post.isAcknowledged || !isLost) throw error;
        report(error);
        log.debug({ event: 'remote.listen-lost' }, 'a subscription is made again');
        if (!wasAcknowledged || performance.now() - begun > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
        await post.pause(pauseMs);
        if (post.isAborted) return;
      }
    }
  }

  /** @throws RunError */
  async function exchange(post: Post): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      if (renewing !== undefined && post.frame.method !== 'initialize') await renewing;
      const used = session;
      const refusal = await attempt(post);
      if (post.isAnswered || post.isAborted) return;
      if (refusal === undefined) await resume(post);
      else if (tries > 0 || !(await isMended(post, refusal, used))) return await refuse(post, refusal);
      if (post.isAnswered || post.isAborted) return;
    }
  }

  async function attempt(post: Post): Promise<Refusal | undefined> {
    const { frame } = post;
    const headers = headersOf(frame, post.isModern);
    // What may have been carried out is not asked for twice.
    const response = await post.send(
      connection,
      { method: 'POST', url, headers, body: frame.bytes },
      frame.method !== 'tools/call',
    );
    if (frame.method === 'initialize' && response.status < 300)
      session = { id: response.header(SESSION_HEADER), revision: undefined };
    noteStatus(response);
    return await post.read(response);
  }

  function headersOf(frame: Frame, isModern: boolean): Record<string, string> {
    const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    if (isModern) return { ...common, ...mirror.headersOf(frame) };
    return frame.method === 'initialize' ? common : { ...common, ...sessionHeaders() };
  }

  function sessionHeaders(): Record<string, string> {
    const { id, revision } = session;
    return {
      ...(id !== undefined && { [SESSION_HEADER]: id }),
      ...(revision !== undefined && { [HEADER.protocolVersion]: revision }),
    };
  }

  /** The stream has ended before the answer (2025-11-25, basic/transports, resumability and redelivery). */
  async function resume(post: Post): Promise<void> {
    for (let failures = 0; !post.isAnswered;) {
      const { lastEventId, frame } = post;
      if (post.isModern || lastEventId === undefined || failures >= MAX_RESUMES) throw lost(frame);
      await post.pause(Math.max(SHORTEST_RETRY_MS, post.retryMs) * 2 ** failures);
      if (post.isAborted) return;
      try {
        const headers = {
          ...sessionHeaders(),
          accept: 'text/event-stream',
          'accept-encoding': 'identity',
          'last-event-id': lastEventId,
        };
        const response = await post.send(connection, { method: 'GET', url, headers }, true);
        noteStatus(response);
        if ((await post.read(response)) !== undefined) throw lost(frame);
        if (post.isAborted) return;
        failures = 0;
      } catch (error) {
        if (!isRunError(error, 'UPSTREAM_UNREACHABLE') || isRefused(error)) throw error;
        failures += 1;
      }
    }
  }

  /** @returns whether it is worth asking again */
  async function isMended(post: Post, refusal: Refusal, used: Session): Promise<boolean> {
    const { status, error, text } = refusal;
    if (post.isModern)
      return (
        codeOf(error) === RPC.headerMismatch && post.frame.method === 'tools/call' && (await listTools(post))
      );
    if (post.frame.method === 'initialize' || used.id === undefined) return false;
    // Some servers have no word of their own for it.
    const isForgotten = status === 404 || (status === 400 && /session/i.test(text));
    return isForgotten && (session !== used || (await renew()));
  }

  async function refuse(post: Post, refusal: Refusal): Promise<void> {
    const { status, error } = refusal;
    const isOlder = NOT_STREAMABLE.has(status) && !isOfStreamable(codeOf(error));
    if (
      post.frame.method === 'initialize' &&
      isOlder &&
      (await options.notStreamable?.(post.frame)) === true
    ) {
      post.isAnswered = true;
      return;
    }
    if (error === undefined)
      throw new RunError('UPSTREAM_HTTP', { server, status, detail: detailOf(refusal) });
    post.isAnswered = true;
    // It may not have known whom it answers.
    const answer = error.id === post.id ? error : withId(error, post.id);
    void options.deliver(answer, post.id);
  }

  function take(frame: Frame, post: Post): void | Promise<void> {
    if (frame.kind === 'response') return options.deliver(answered(frame, post), post.id);
    if (frame.method === 'notifications/subscriptions/acknowledged' && post.isModern) {
      // The client has seen one.
      if (post.isAcknowledged) return undefined;
      post.isAcknowledged = true;
    }
    return options.deliver(frame, post.id);
  }

  function answered(frame: Frame, post: Post): Frame {
    const { method } = post.frame;
    hasWorked = true;
    if (method === 'tools/list' && post.isModern) return mirror.learn(frame);
    if (post.isModern || !isNoted(method) || isError(frame)) return frame;
    handshake.accepted(post.frame);
    if (method === 'initialize') session = { id: session.id, revision: revisionOf(frame) };
    return frame;
  }

  // The session

  /** Begins another session as the client began its first. Those who need one at the same time share it. */
  function renew(): Promise<boolean> {
    renewing ??= begin().finally(() => (renewing = undefined));
    return renewing;
  }

  async function begin(): Promise<boolean> {
    const { initialize, initialized } = handshake;
    if (initialize === undefined || closing !== undefined) return false;
    const settings = handshake.settings();
    standing?.close();
    session = NO_SESSION;
    const answer = await ask(initialize);
    if (answer === undefined || isError(answer))
      throw new RunError('UPSTREAM_HTTP', {
        server,
        status: 404,
        detail: ': the session is gone, and there is no other',
      });
    session = { id: session.id, revision: revisionOf(answer) };
    log.info(
      { event: 'remote.session-renewed' },
      'the server has forgotten the session: there is another one',
    );
    if (initialized !== undefined) {
      await tell(initialized);
      openStanding();
    }
    for (const setting of settings) await ask(setting);
    return true;
  }

  /** A request of our own. @returns the answer, undefined if it was no success */
  async function ask(asked: Frame): Promise<Frame | undefined> {
    ownIds += 1;
    const id = `mcpr:${ownIds}`;
    const frame = withId(asked, id);
    let answer: Frame | undefined;
    const post = new Post(frame, id, claimsModern(frame.message), {
      server,
      maxBytes: options.maxBytes,
      take(message) {
        if (message.kind !== 'response') return options.deliver(message);
        answer = message;
        return undefined;
      },
    });
    posts.set(id, post);
    try {
      await attempt(post);
    } finally {
      posts.delete(id);
    }
    return answer;
  }

  /** All tools, for their headers. */
  async function listTools(post: Post): Promise<boolean> {
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = { _meta: post.frame.message.params?.['_meta'], ...(cursor !== undefined && { cursor }) };
      const answer = await ask(frameOf({ id: 0, method: 'tools/list', params }));
      if (answer === undefined || isError(answer)) return false;
      mirror.learn(answer);
      cursor = answer.message.result?.['nextCursor'];
      if (typeof cursor !== 'string' || toolsOf(answer).length === 0) break;
    }
    return true;
  }

  function openStanding(): void {
    standing?.close();
    standing = openStandingStream({
      server,
      url,
      connection,
      maxBytes: options.maxBytes,
      headers: sessionHeaders,
      event: unrelated,
      reached: options.reached,
      async renew() {
        return await renew();
      },
    });
  }

  function unrelated(data: string): void | Promise<void> {
    let frames: Frame[];
    try {
      frames = readMessages(Buffer.from(data));
    } catch {
      log.warn({ event: 'remote.unreadable' }, 'the server sent something that is not JSON-RPC');
      return undefined;
    }
    // No answer comes by this way: its request has a stream of its own.
    const waits = frames.flatMap((frame) =>
      frame.kind === 'response' ? [] : (options.deliver(frame) ?? []),
    );
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  // Notifications and answers

  function notify(frame: Frame): void {
    if (frame.method === 'notifications/cancelled') return cancel(frame);
    if (frame.method === 'notifications/initialized') {
      handshake.notified(frame);
      holdBack(tell(frame).then(openStandingOnce));
      return;
    }
    notified = notified.then(() => tell(frame));
  }

  /** Closing the stream is what cancels a modern request; an older server has to be told. */
  function cancel(frame: Frame): void {
    const id = frame.message.params?.['requestId'];
    const post = typeof id === 'string' || typeof id === 'number' ? posts.get(id) : undefined;
    if (post?.isModern === true || (post === undefined && handshake.initialize === undefined))
      return post?.abort();
    notified = notified.then(() => tell(frame)).then(() => post?.abort());
  }

  function openStandingOnce(): void {
    if (closing === undefined) openStanding();
  }

  /** Never rejects: nobody waits for an answer. */
  async function tell(frame: Frame): Promise<void> {
    const isModern = frame.kind === 'notification' && claimsModern(frame.message);
    for (let tries = 0; tries < 2 && closing === undefined; tries += 1) {
      const used = session;
      try {
        const request = {
          method: 'POST',
          url,
          headers: headersOf(frame, isModern),
          body: frame.bytes,
        } as const;
        const response = await connection.send(request, true).response;
        discard(response);
        noteStatus(response);
        if (response.status < 300) return;
        log.debug(
          { event: 'remote.refused', status: response.status },
          `refused ${frame.method ?? 'an answer'}`,
        );
        const isForgotten = response.status === 404 && used.id !== undefined && frame.kind === 'notification';
        if (!isForgotten || renewing !== undefined || (session === used && !(await renew()))) return;
      } catch (error) {
        if (closing === undefined) report(toRunError(error));
        return;
      }
    }
  }

  // Life and death

  function noteStatus({ status }: HttpResponse): void {
    if (status < 500) options.reached(undefined);
    else if (isGatewayError(status))
      options.reached(new RunError('UPSTREAM_HTTP', { server, status, detail: '' }));
  }

  function report(error: RunError): void {
    log.debug({ event: 'remote.failed', reason: error.code.toLowerCase() }, error.message);
    if (isDown(error)) options.reached(error);
  }

  async function close(): Promise<void> {
    standing?.close();
    for (const post of posts.values()) post.abort();
    const { id } = session;
    if (id === undefined) return;
    // The server may keep a session for as long as it likes if nobody tells.
    const sending = connection.send({ method: 'DELETE', url, headers: sessionHeaders() }, true);
    const timer = setTimeout(() => sending.abort(), DELETE_MS);
    await sending.response.then(discard, () => {});
    clearTimeout(timer);
  }

  function lost({ method = '' }: Frame): RunError {
    return new RunError('UPSTREAM_STREAM_LOST', { server, method });
  }
}

function isNoted(method: string | undefined): boolean {
  return (
    method === 'initialize' || method === 'logging/setLevel' || method?.startsWith('resources/') === true
  );
}

function isError(answer: Frame): boolean {
  try {
    return answer.message.error !== undefined;
  } catch {
    return true;
  }
}

function codeOf(error: Frame | undefined): number | undefined {
  return error?.message.error?.code;
}

/** A server that has these to say knows what it has been sent, and by which transport. */
function isOfStreamable(code: number | undefined): boolean {
  return (
    code === RPC.methodNotFound ||
    code === RPC.headerMismatch ||
    code === RPC.missingClientCapability ||
    code === RPC.unsupportedProtocolVersion
  );
}

function revisionOf(answer: Frame): string | undefined {
  const revision = answer.message.result?.['protocolVersion'];
  return typeof revision === 'string' && /^[\w.-]{1,40}$/.test(revision) ? revision : undefined;
}

/** Nothing is there that could answer, or what is in front of it says so. */
function isDown({ code, fields }: RunError): boolean {
  return code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_HTTP' && Number(fields['status']) >= 500);
}

/** It does not let us in. */
function isShut({ code }: RunError): boolean {
  return code === 'AUTHORIZATION_REQUIRED' || code === 'AUTHORIZATION_FAILED' || code === 'UPSTREAM_REDIRECT';
}

function isGatewayError(status: number): boolean {
  return status >= 502 && status <= 504;
}

function isRefused({ cause }: RunError): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}

/** What a page says is for people, and none of ours. */
function detailOf({ status, text }: Refusal): string {
  if (status < 300) return ', but not with JSON or a stream of events';
  return text.trim() === '' || /^\s*</.test(text)
    ? ''
    : `: ${text.trim().slice(0, 200).replaceAll(/\s+/g, ' ')}`;
}

/** The same message under another id; everything else stays byte for byte. */
function withId(frame: Frame, id: RequestId): Frame {
  const bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.byteLength);
  const place = scanObject(bytes)?.find(({ key }) => key === 'id');
  if (place === undefined) return frameOf({ ...frame.message, id });
  return readMessages(spliceValues(bytes, [{ ...place, text: JSON.stringify(id) }]))[0] ?? frame;
}
