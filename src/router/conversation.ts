import { listenResult } from '../era/listen.ts';
import { isRunError, RunError, timeoutError, toRunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { faultFrame } from '../protocol/fault.ts';
import { frameOf, type Frame } from '../protocol/frame.ts';
import type { Link } from '../link/link.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { createExchanges, LISTEN, type Exchange } from './exchanges.ts';
import { createUnmatchedAnswers } from './unmatched-answers.ts';
import {
  isWithheld,
  withoutCapabilities,
  withoutRequestCapabilities,
  type Capability,
} from '../link/capability-filter.ts';

export interface ConversationOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Opens the upstream at once and lets anything pass; otherwise `initialize` opens it, and nothing goes before. */
  readonly eager: boolean;
  /** What the client may declare and the server does not get to see. */
  readonly withheld: ReadonlySet<Capability>;
  readonly initializeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxRequestTimeMs: number;
  /** Observations since `time`, in ms since 1970, that may explain why the server does not answer. */
  readonly remarkSince?: (time: number) => string | undefined;
  /** Called before the upstream is opened for an `initialize`. @throws RunError if there is no room for it. */
  readonly reserve: () => void;
  /** Rejects with a RunError. `abandoned` aborts when nobody waits for the server any more. */
  readonly openUpstream: (abandoned: AbortSignal) => Promise<Link>;
  readonly log: Log;
}

/** One client's conversation with a server. */
export interface Conversation {
  /** It takes no more messages, and its server is ending or has ended. */
  readonly isClosed: boolean;
  /** Client requests without an answer. */
  readonly pending: number;
  /** Resolves when both links are closed, with what ended the upstream or the conversation. Never rejects. */
  readonly closed: Promise<RunError>;
  /** Resolves when nothing is pending. */
  idle(): Promise<void>;
  /** Answers what is pending with `reason`, then closes both links. Idempotent. */
  close(reason: RunError): Promise<void>;
}

/** Questions of one server that may be open; servers that ping for ever would fill our memory with them. */
const MAX_ASKED = 1_000;

type Phase = 'new' | 'initializing' | 'ready' | 'closed';

/**
 * Joins a client to a server of its own. A message's way is `fromClient` → upstream and `fromServer` → downstream,
 * and it leaves as the bytes that it came in. A request that the conversation does not accept is thrown back at the
 * downstream link as a RunError, which answers it in its transport's own form.
 */
export function joinLinks(downstream: Link, options: ConversationOptions): Conversation {
  const { server, log } = options;
  const exchanges = createExchanges();
  const strays = createUnmatchedAnswers(log);
  const callLimits = { timeoutMs: options.requestTimeoutMs, maxMs: options.maxRequestTimeMs };
  const initializeLimits = { timeoutMs: options.initializeTimeoutMs, maxMs: options.maxRequestTimeMs };
  /** Requests of the server that the client has yet to answer. */
  const asked = new Set<RequestId>();
  let phase: Phase = 'new';
  let clientEnded = false;
  let upstream: Link | undefined;
  let opening: Promise<void> | undefined;
  const abandoned = new AbortController();
  let upstreamEnd: RunError | undefined;
  let idleWaiters: (() => void)[] = [];
  let resolveClosed: (reason: RunError) => void = () => {};
  const closed = new Promise<RunError>((resolve) => {
    resolveClosed = resolve;
  });

  downstream.onframe(fromClient);
  downstream.onend(clientEnd);
  downstream.onclose(() => void close(new RunError('CLIENT_GONE')));
  if (options.eager) void open();

  return {
    get isClosed() {
      return phase === 'closed';
    },
    get pending() {
      return exchanges.size;
    },
    closed,
    idle: () =>
      exchanges.size === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve)),
    close,
  };

  // From the client to the server

  function fromClient(frame: Frame): void | Promise<void> {
    switch (frame.kind) {
      case 'request':
        return request(frame);
      case 'response':
        return reply(frame);
      case 'notification':
        return notification(frame);
    }
  }

  function request(frame: Frame): void | Promise<void> {
    const { id, method } = frame;
    if (id === undefined || method === undefined) return undefined;
    if (phase === 'closed') throw new RunError('CLIENT_GONE');
    if (exchanges.has(id)) throw new RunError('DUPLICATE_ID', { id: String(id) });
    const isInitialize = method === 'initialize';
    if (isInitialize && phase !== 'new') throw new RunError('ALREADY_INITIALIZED');
    if (!isInitialize && phase === 'new' && !options.eager) throw new RunError('NOT_INITIALIZED', { method });

    if (!isInitialize) {
      const declared = downstream.era === 'modern' ? withoutDeclared(frame) : frame;
      exchanges.start(declared, callLimits, timedOut);
      return toServer(declared);
    }
    // What can be refused is refused before anything has begun.
    const allowed = withoutWithheld(frame);
    if (upstream === undefined) options.reserve();
    exchanges.start(frame, initializeLimits, timedOut);
    phase = 'initializing';
    return toServer(allowed);
  }

  function reply(frame: Frame): void | Promise<void> {
    if (frame.id !== undefined && asked.delete(frame.id)) return toServer(frame);
    log.debug(
      { event: 'client.answer-dropped', id: frame.id },
      'the client answered a request that is not open',
    );
    return undefined;
  }

  function notification(frame: Frame): void | Promise<void> {
    if (frame.method === 'notifications/roots/list_changed' && options.withheld.has('roots'))
      return undefined;
    if (frame.method === 'notifications/cancelled') cancelled(frame);
    return toServer(frame);
  }

  /** Servers do not answer a cancelled request, and a client does not wait for the answer. */
  function cancelled(frame: Frame): void {
    const id = frame.message.params?.['requestId'];
    if (!isRequestId(id)) return;
    if (exchanges.get(id)?.method === 'initialize') return;
    if (exchanges.settle(id) === undefined) return;
    strays.gaveUp(id);
    downstream.abandonResponse(id);
    checkIdle();
  }

  function withoutWithheld(frame: Frame): Frame {
    const stripped = withoutCapabilities(frame, options.withheld);
    if (stripped === undefined) return frame;
    const { names } = stripped;
    log.info(
      { event: 'client.withheld', capabilities: names },
      `withheld from the server: the client's ${names.join(', ')} ("allow" in the server's entry passes them on)`,
    );
    return stripped.frame;
  }

  /** Each request declares anew what its client can do, so that every one would be told about. */
  function withoutDeclared(frame: Frame): Frame {
    const stripped = withoutRequestCapabilities(frame, options.withheld);
    if (stripped === undefined) return frame;
    const { names } = stripped;
    log.debug(
      { event: 'client.withheld', capabilities: names },
      `withheld from the server: ${names.join(', ')}`,
    );
    return stripped.frame;
  }

  function toServer(frame: Frame): void | Promise<void> {
    if (upstream !== undefined) return upstream.send(frame);
    if (phase === 'new' && !options.eager) return undefined;
    return open().then(() => upstream?.send(frame));
  }

  // From the server to the client

  /** @param relatedRequestId the client's request that the frame belongs to, where the link knows */
  function fromServer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    switch (frame.kind) {
      case 'request':
        return ask(frame, relatedRequestId);
      case 'response':
        return answer(frame);
      case 'notification':
        return notify(frame, relatedRequestId);
    }
  }

  /** What belongs to a call that is over goes with no other one. */
  function ownerOf(relatedRequestId: RequestId | undefined): RequestId | undefined {
    return (relatedRequestId === undefined ? exchanges.likely() : exchanges.get(relatedRequestId))?.id;
  }

  function answer(frame: Frame): void | Promise<void> {
    const exchange = exchanges.settle(frame.id);
    if (exchange === undefined) {
      strays.report(frame);
      return undefined;
    }
    const wait = downstream.send(exchange.method === 'initialize' ? initialized(frame) : frame, exchange.id);
    checkIdle();
    return wait;
  }

  /** Both sides read this answer, so it is the one that has to be sound throughout and not only at its ends. */
  function initialized(frame: Frame): Frame {
    try {
      phase = frame.message.error === undefined ? 'ready' : 'new';
      return frame;
    } catch (error) {
      phase = 'new';
      return faultFrame(
        new RunError('MALFORMED_ANSWER', { server, method: 'initialize' }, { cause: error }),
        frame.id,
      );
    }
  }

  function ask(frame: Frame, relatedRequestId: RequestId | undefined): void | Promise<void> {
    const { id, method = '' } = frame;
    if (id === undefined) return undefined;
    if (isWithheld(method, options.withheld) || !downstream.supports.requests)
      return toServer(faultFrame(new RunError('CLIENT_CANNOT', { method }), id));
    asked.add(id);
    if (asked.size > MAX_ASKED) giveUpOldest();
    return downstream.send(frame, ownerOf(relatedRequestId));
  }

  /** Nobody may ever answer: a client without a stream does not even see the question. */
  function giveUpOldest(): void {
    const [oldest] = asked;
    if (oldest === undefined) return;
    asked.delete(oldest);
    void toServer(faultFrame(new RunError('CLIENT_SILENT', { max: MAX_ASKED }), oldest));
  }

  function notify(frame: Frame, relatedRequestId: RequestId | undefined): void | Promise<void> {
    switch (frame.method) {
      case 'notifications/progress':
        return downstream.send(frame, exchanges.progressed(paramOf(frame, 'progressToken'))?.id);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return downstream.send(frame);
      case 'notifications/cancelled': {
        const id = paramOf(frame, 'requestId');
        if (isRequestId(id)) asked.delete(id);
        return downstream.send(frame, ownerOf(relatedRequestId));
      }
      default:
        return downstream.send(frame, ownerOf(relatedRequestId));
    }
  }

  // Life and death

  function open(): Promise<void> {
    opening ??= options.openUpstream(abandoned.signal).then(
      (link) => {
        upstream = link;
        link.onclose((error) => {
          upstreamEnd = error === undefined ? new RunError('UPSTREAM_CLOSED', { server }) : toRunError(error);
          void close(upstreamEnd);
        });
        link.onframe(fromServer);
      },
      (error: unknown) => void close(toRunError(error)),
    );
    return opening;
  }

  function timedOut(exchange: Exchange, timeoutMs: number): void {
    const { id, method, startedAt } = exchange;
    // A line that a server has written before it was asked may be the very reason why it does not start.
    const remark = options.remarkSince?.(method === 'initialize' ? 0 : startedAt);
    const error = timeoutError({ server, method, timeoutMs }, [remark, strays.remarkSince(startedAt)]);
    const text = [error.message, error.hint].filter((part) => part !== '').join('. ');
    log.warn({ event: 'exchange.timeout', method, timeoutMs }, text);
    strays.gaveUp(id);
    void downstream.send(faultFrame(error, id), id);
    if (method === 'initialize') void close(error);
    else
      void toServer(
        frameOf({ method: 'notifications/cancelled', params: { requestId: id, reason: 'timeout' } }),
      );
    checkIdle();
  }

  function clientEnd(): void {
    clientEnded = true;
    // Nobody is left to answer the server's questions: say so now, or the calls that asked them never end.
    for (const id of asked) void toServer(faultFrame(new RunError('CLIENT_GONE'), id));
    asked.clear();
    checkIdle();
  }

  function checkIdle(): void {
    if (exchanges.size > 0) return;
    const waiters = idleWaiters;
    idleWaiters = [];
    for (const resolve of waiters) resolve();
    if (clientEnded) void close(new RunError('CLIENT_GONE'));
  }

  function close(reason: RunError): Promise<void> {
    // Not twice: closing a link calls `close` back before `shut` has returned.
    if (phase !== 'closed') void shut(reason);
    return closed.then(() => {});
  }

  async function shut(reason: RunError): Promise<void> {
    phase = 'closed';
    // Only who still waits has to hear of it: an abort costs more than the rest of a short conversation.
    if (upstream === undefined) abandoned.abort();
    // A dead peer never answers: fail its callers now rather than at each one's own timeout.
    for (const exchange of exchanges.settleAll())
      void downstream.send(lastAnswerTo(exchange, reason), exchange.id);
    await Promise.all([downstream.close(reason), closeUpstream(reason)]);
    checkIdle();
    resolveClosed(upstreamEnd ?? reason);
  }

  /** A subscription that ends with us ends in good order (2026-07-28, basic/patterns/subscriptions, graceful closure). */
  function lastAnswerTo({ id, method }: Exchange, reason: RunError): Frame {
    return method === LISTEN && isRunError(reason, 'SHUTTING_DOWN')
      ? frameOf({ id, result: { ...listenResult(id, undefined) } })
      : faultFrame(reason, id);
  }

  async function closeUpstream(reason: RunError): Promise<void> {
    await opening;
    await upstream?.close(reason);
  }
}

function paramOf(frame: Frame, name: string): unknown {
  try {
    return frame.message.params?.[name];
  } catch {
    // Its ends looked like a message, its middle is no JSON: pass it on as it came, without a guess.
    return undefined;
  }
}
