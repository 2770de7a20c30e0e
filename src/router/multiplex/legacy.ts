import { RunError, toRunError } from '../../errors.ts';
import { LOG_LEVELS } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { InFlightRequest } from '../shared-process/in-flight-request.ts';
import { InFlightRequests } from '../shared-process/in-flight.ts';
import { hasLogging, replayInitialize } from '../shared-process/initialize-replay.ts';
import { createRestarter } from '../shared-process/restarter.ts';
import { outlivedMs } from '../shared-process/outlived.ts';
import {
  replaceValues,
  scanMessage,
  textAt,
  valueAt,
  type Replacement,
  type Scanned,
} from '../../protocol/rewrite.ts';
import { scanFromServer } from '../shared-process/scan-from-server.ts';
import {
  createManagedProcess,
  type Running,
  type ManagedProcessOptions,
} from '../shared-process/managed-process.ts';
import { createSubscriptions } from '../shared-process/subscriptions.ts';
import { withoutTask } from './task.ts';
import { SendBufferLimit } from '../shared-process/send-buffer-limit.ts';
import { severityOf } from '../log-levels.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { PortSet } from '../shared-process/port-set.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';

export interface LegacyMultiplexerOptions extends Omit<
  ManagedProcessOptions,
  'onFrame' | 'onReady' | 'onLost' | 'onStopped'
> {
  /** What all clients together may leave unread before the worst of them is cut off. */
  readonly maxUnreadBytes: number;
  /** One that dies sooner is not started anew sooner, except by a client's call; a second by default. */
  readonly minLifeMs?: number;
  /** A process that no client uses for so long is stopped; never by default. */
  readonly idleMs?: number;
  /** What the clients of other processes leave unread counts as well. */
  readonly unread?: SendBufferLimit;
  /** Called when there is neither a client nor a process. */
  readonly onUnused?: () => void;
}

const MIN_LIFE_MS = 1_000;

/** One child for all clients. */
export interface LegacyMultiplexer {
  /** Starts the child ahead of the first client, and again whenever it has died. Failures are those of the first call. */
  keep(): void;
  /** A link for one more client. @param isSession whether its end says anything about the client; yes by default */
  open(options?: { readonly isSession: boolean }): Promise<Link>;
  /** Stops a process that no client uses; false if there is none. */
  endIdle(): boolean;
  close(): Promise<void>;
}

interface LegacyPortHandlers {
  fromClient(port: LegacyPort, frame: Frame): void | Promise<void>;
  onLeave(port: LegacyPort): void;
}

class LegacyPort extends ClientPort {
  /** Whether its end says anything about the client. */
  readonly isSession: boolean;
  /** Minimum severity of the log lines that the client wants; undefined = all. */
  level: number | undefined = undefined;
  isInitialized = false;
  /** The client has sent the server a request. */
  hasCalled = false;
  readonly #handlers: LegacyPortHandlers;

  constructor(options: ClientPortOptions, isSession: boolean, handlers: LegacyPortHandlers) {
    super(options);
    this.isSession = isSession;
    this.#handlers = handlers;
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.#handlers.fromClient(this, frame);
  }

  protected override onLeave(): void {
    this.#handlers.onLeave(this);
  }
}

/**
 * Shares one child between clients that know nothing of each other. Ids and progress tokens become numbers of ours; a
 * child is initialized once, without capabilities, so that it has no reason to ask; what cannot be told to belong to
 * one client reaches none.
 */
export function createLegacyMultiplexer(options: LegacyMultiplexerOptions): LegacyMultiplexer {
  const { server, log, maxUnreadBytes, minLifeMs = MIN_LIFE_MS } = options;
  const closed = new RunError('UPSTREAM_CLOSED', { server });
  const ports = new PortSet<LegacyPort>();
  const unread = options.unread ?? new SendBufferLimit(maxUnreadBytes, log);
  const calls = new InFlightRequests<LegacyPort>();
  const unmatched = new UnmatchedAnswers(log);
  const subscriptions = createSubscriptions<LegacyPort>();
  const child = createManagedProcess({
    ...options,
    onFrame: fromChild,
    onReady: childReady,
    onLost: childLost,
    onStopped: checkUse,
  });
  const keeper = createRestarter({ start: child.running, minLifeMs, log });
  let childLevel: number | undefined;
  let idleTimer: NodeJS.Timeout | undefined;

  return {
    keep: keeper.keep,
    async open({ isSession } = { isSession: true }) {
      const port = new LegacyPort({ era: 'legacy', principal: '', unread, closed }, isSession, {
        fromClient,
        onLeave,
      });
      ports.add(port);
      clearTimeout(idleTimer);
      return port;
    },
    endIdle,
    async close() {
      clearTimeout(idleTimer);
      keeper.stop();
      await child.close();
    },
  };

  // The child's life

  function childReady(): void {
    for (const uri of subscriptions.renew()) {
      ask('resources/subscribe', { uri }, () => subscriptions.confirm(uri));
    }
    childLevel = undefined;
    tellLevel();
    checkUse();
  }

  /** A dead child never answers: fail its callers now. Their conversations go on with the next one. */
  function childLost(reason: RunError, wasReady: boolean): void {
    for (const { port, id } of calls.settleAll()) port.deliver(faultFrame(reason, id));
    // A start that failed ends as such.
    if (wasReady) keeper.lost();
  }

  function endIdle(): boolean {
    if (ports.size > 0 || child.current === undefined) return false;
    child.stop();
    return true;
  }

  function checkUse(): void {
    clearTimeout(idleTimer);
    if (ports.size > 0) return;
    if (child.isStopped) return options.onUnused?.();
    if (options.idleMs === undefined) return;
    idleTimer = setTimeout(endIdle, options.idleMs);
    idleTimer.unref();
  }

  /** A request of our own that no client waits for. */
  function ask(method: string, params: Record<string, unknown>, accepted?: () => void): void {
    child.ask(method, params).then(
      ({ error }) => {
        if (error === undefined) accepted?.();
        else log.debug({ event: 'server.request-refused', method }, error.message);
      },
      (error: unknown) => log.debug({ event: 'server.request-failed', method }, toRunError(error).message),
    );
  }

  // From the child

  function fromChild(message: Frame, relatedRequestId?: RequestId): void {
    const read = scanFromServer(message, options);
    if (read === undefined) return undefined;
    const { frame, scanned } = read;
    const { id, method } = scanned;
    if (method === undefined) return answered(scanned, frame);
    if (id !== undefined) return refuse(method, id);
    return notified(scanned, frame, relatedRequestId);
  }

  function answered(scanned: Scanned, frame: Frame): void {
    const call = calls.settle(scanned.id, outlivedMs(scanned, frame));
    if (call === undefined) {
      unmatched.report(frame);
      return undefined;
    }
    call.onSettled?.(scanned.isError);
    return call.port.deliver(replaceValues(scanned, call.id, [{ place: 'id', text: call.idText }]));
  }

  /** The child was told that its client has no capabilities; whom would we ask? */
  function refuse(method: string, id: RequestId): void {
    const isPing = method === 'ping';
    void child.send(
      isPing ? frameOf({ id, result: {} }) : faultFrame(new RunError('CLIENT_CANNOT', { method }), id),
    );
  }

  function notified(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return progressed(scanned);
      case 'notifications/resources/updated': {
        const uri = valueAt(scanned, 'params.uri');
        return typeof uri === 'string' ? deliverAll(subscriptions.subscribersOf(uri), frame) : undefined;
      }
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        return deliverAll(
          ports.values().filter(({ isInitialized }) => isInitialized),
          frame,
        );
      case 'notifications/cancelled':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return toCaller(scanned, frame, relatedRequestId);
    }
  }

  function progressed(scanned: Scanned): void {
    const call = calls.get(valueAt(scanned, 'params.progressToken'));
    if (call?.tokenText === undefined) return undefined;
    const text = call.tokenText;
    return call.port.deliver(replaceValues(scanned, undefined, [{ place: 'params.progressToken', text }]));
  }

  /**
   * Log lines carry no correlation: they belong to the only client that has calls running. They are dropped if they may as
   * well be about another client's work: if its calls have overlapped with these, or if its work may have outlived its call.
   * That the stream of a call has brought a message proves little, since the server may have guessed the stream.
   */
  function toCaller(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    const caller = callerOf(relatedRequestId);
    if (caller === undefined) {
      log.debug(
        { event: 'server.notification-dropped', method: scanned.method },
        'a notification belongs to no single call',
      );
      return undefined;
    }
    if (scanned.method === 'notifications/message' && caller.level !== undefined) {
      if (severityOf(valueAt(scanned, 'params.level')) < caller.level) return undefined;
    }
    return caller.deliver(frame);
  }

  function callerOf(relatedRequestId: RequestId | undefined): LegacyPort | undefined {
    const sole = calls.candidates()[0]?.port;
    if (sole === undefined || subscriptions.hasOther(sole)) return undefined;
    return relatedRequestId === undefined || calls.get(relatedRequestId)?.port === sole ? sole : undefined;
  }

  function deliverAll(receivers: Iterable<LegacyPort>, frame: Frame): void {
    for (const port of receivers) port.deliver(frame);
  }

  // From the clients

  function fromClient(port: LegacyPort, frame: Frame): void | Promise<void> {
    if (child.current !== undefined) return forward(port, frame, child.current);
    return child.running().then(
      (started) => forward(port, frame, started),
      (error: unknown) => {
        if (frame.kind === 'request') port.deliver(faultFrame(toRunError(error), frame.id));
      },
    );
  }

  function forward(port: LegacyPort, frame: Frame, { initialized }: Running): void | Promise<void> {
    // It may have left while the child was starting. And the child was never let to ask, so there is nothing to answer.
    if (!port.isOpen || frame.kind === 'response') return undefined;
    if (frame.method === 'initialize') return port.deliver(replayInitialize(initialized, frame));
    // JSON.parse reads the last of two keys, but a child may read the first: it has to mean the same to both.
    const scanned = scanMessage(frame);
    if (scanned === undefined) return refuseAmbiguous(port, frame);
    return frame.kind === 'request'
      ? request(port, frame, scanned, initialized)
      : notification(port, frame, scanned);
  }

  function refuseAmbiguous(port: LegacyPort, frame: Frame): void {
    if (frame.kind !== 'request') return undefined;
    const detail = 'a key is there twice, or in two spellings';
    return port.deliver(faultFrame(new RunError('INVALID_REQUEST', { detail }), frame.id));
  }

  function request(
    port: LegacyPort,
    frame: Frame,
    scanned: Scanned,
    initialized: JsonRpcMessage,
  ): void | Promise<void> {
    const { method = '' } = frame;
    // A task belongs to whoever started it, and nothing in these requests says who that is.
    if (method.startsWith('tasks/'))
      return port.deliver(faultFrame(new RunError('NOT_SHARED', { method }), frame.id));
    switch (method) {
      case 'logging/setLevel':
        return setLevel(port, frame, scanned, initialized);
      case 'resources/subscribe':
        return subscribe(port, frame, scanned);
      case 'resources/unsubscribe':
        return unsubscribe(port, frame, scanned);
      case 'tools/call':
        return callTool(port, frame, scanned);
      default:
        return call(port, frame, scanned);
    }
  }

  /** A task would go on after the call, for a client that cannot ask for it: it is called as any other tool. */
  function callTool(port: LegacyPort, frame: Frame, scanned: Scanned): void | Promise<void> {
    if (scanned.find('params.task') === undefined) return call(port, frame, scanned);
    const plain = withoutTask(frame);
    const again = scanMessage(plain);
    return again === undefined ? refuseAmbiguous(port, frame) : call(port, plain, again);
  }

  function call(
    port: LegacyPort,
    frame: Frame,
    scanned: Scanned,
    settled?: (isError: boolean) => void,
  ): void | Promise<void> {
    const idText = textAt(scanned, 'id');
    if (frame.id === undefined || idText === undefined) return undefined;
    const token = valueAt(scanned, 'token');
    const tokenText = isRequestId(token) ? textAt(scanned, 'token') : undefined;
    port.hasCalled = true;
    const call = new InFlightRequest(port, frame.id, idText, tokenText);
    call.onSettled = settled;
    const number = calls.start(call);
    const text = String(number);
    const replacements: Replacement[] = [{ place: 'id', text }];
    // Whatever stands there: it must not be another call's number.
    if (token !== undefined) replacements.push({ place: 'token', text });
    return child.send(replaceValues(scanned, number, replacements));
  }

  function subscribe(port: LegacyPort, frame: Frame, scanned: Scanned): void | Promise<void> {
    const uri = valueAt(scanned, 'params.uri');
    if (typeof uri !== 'string') return call(port, frame, scanned);
    subscriptions.add(uri, port);
    if (subscriptions.isConfirmed(uri)) return done(port, frame);
    return call(port, frame, scanned, (isError) => {
      if (isError) subscriptions.remove(uri, port);
      else subscriptions.confirm(uri);
    });
  }

  function unsubscribe(port: LegacyPort, frame: Frame, scanned: Scanned): void | Promise<void> {
    const uri = valueAt(scanned, 'params.uri');
    const isLast = typeof uri === 'string' && subscriptions.remove(uri, port);
    return isLast ? call(port, frame, scanned) : done(port, frame);
  }

  function setLevel(
    port: LegacyPort,
    frame: Frame,
    scanned: Scanned,
    initialized: JsonRpcMessage,
  ): void | Promise<void> {
    const level = severityOf(valueAt(scanned, 'params.level'));
    // What the child does not offer or know, it refuses better than we could.
    if (level === -1 || !hasLogging(initialized)) return call(port, frame, scanned);
    port.level = level;
    tellLevel();
    return done(port, frame);
  }

  /** The child says what the most curious client wants to hear; the others have theirs filtered. */
  function tellLevel(): void {
    let wanted: number | undefined;
    for (const { level } of ports.values()) {
      if (level !== undefined && (wanted === undefined || level < wanted)) wanted = level;
    }
    if (wanted === undefined || wanted === childLevel) return;
    childLevel = wanted;
    ask('logging/setLevel', { level: LOG_LEVELS[wanted] });
  }

  function done(port: LegacyPort, frame: Frame): void {
    port.deliver(frameOf({ id: frame.id ?? null, result: {} }));
  }

  function notification(port: LegacyPort, frame: Frame, scanned: Scanned): void | Promise<void> {
    switch (frame.method) {
      case 'notifications/initialized':
        port.isInitialized = true;
        return undefined;
      case 'notifications/cancelled':
        return cancel(port, scanned);
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
        return undefined;
      default:
        return child.send(frame);
    }
  }

  function cancel(port: LegacyPort, scanned: Scanned): void | Promise<void> {
    const number = calls.abandon(port, valueAt(scanned, 'params.requestId'));
    if (number === undefined) return undefined;
    unmatched.abandoned(number);
    return child.send(
      replaceValues(scanned, undefined, [{ place: 'params.requestId', text: String(number) }]),
    );
  }

  /** Nothing of a client that has left stays with the child, but what it has begun may go on there. */
  function onLeave(port: LegacyPort): void {
    ports.delete(port);
    if (port.isSession && port.hasCalled) calls.suspect(port);
    const unwanted = subscriptions.removeAll(port);
    for (const requestId of calls.abandonAll(port)) {
      unmatched.abandoned(requestId);
      const params = { requestId, reason: 'the client is gone' };
      void child.send(frameOf({ method: 'notifications/cancelled', params }));
    }
    for (const uri of unwanted) ask('resources/unsubscribe', { uri });
    if (port.level !== undefined) tellLevel();
    checkUse();
  }
}
