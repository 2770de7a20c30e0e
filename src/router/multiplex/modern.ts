import { RunError, toRunError } from '../../errors.ts';
import { readEnvelope } from '../../era/envelope.ts';
import { listenResult, readFilter } from '../../era/listen.ts';
import { jsonOf } from '../../era/json.ts';
import type { Log } from '../../observe/log.ts';
import { META } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { severityOf } from '../log-levels.ts';
import type { ModernBackend } from '../modern-backend.ts';
import { InFlightRequest, type RequestScope } from '../shared-process/in-flight-request.ts';
import { InFlightRequests } from '../shared-process/in-flight.ts';
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
import { SendBufferLimit } from '../shared-process/send-buffer-limit.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { PortSet } from '../shared-process/port-set.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';
import { TaskOwners } from './task-owners.ts';

export interface ModernMultiplexerOptions {
  readonly server: string;
  /** A process that runs already. */
  readonly first: Link | undefined;
  /** Opens the process, or the next one after it has died. Rejects with a RunError. */
  readonly openChild: () => Promise<Link>;
  /** What all clients together may leave unread before the worst of them is cut off. */
  readonly maxUnreadBytes: number;
  /** A process that nobody uses for so long is stopped. */
  readonly idleMs: number;
  /** The only principal that it serves: its process may end for another one of that principal. */
  readonly principal?: string;
  /** What the clients of other processes leave unread counts as well. */
  readonly unread?: SendBufferLimit;
  /** Called when there is neither a client nor a process. */
  readonly onUnused?: () => void;
  readonly log: Log;
}

type Call = InFlightRequest<ModernPort>;

const LISTEN = 'subscriptions/listen';

/**
 * One process of a modern server for all clients: it knows nobody but by the request at hand (2026-07-28, basic/index,
 * statelessness). Ids, progress tokens and subscriptions become numbers of ours; everything else passes as it came.
 */
export function createModernMultiplexer(options: ModernMultiplexerOptions): ModernBackend {
  const { server, log, maxUnreadBytes } = options;
  const closed = new RunError('UPSTREAM_CLOSED', { server });
  const ports = new PortSet<ModernPort>();
  const unread = options.unread ?? new SendBufferLimit(maxUnreadBytes, log);
  const calls = new InFlightRequests<ModernPort>();
  const unmatched = new UnmatchedAnswers(log);
  /** Undefined where all clients are of one principal. */
  const taskOwners = options.principal === undefined ? new TaskOwners() : undefined;
  let pending = 0;
  let child: Link | undefined;
  let starting: Promise<Link> | undefined;
  /** One that serves no more may still run for a while: the next one must not start beside it. */
  let ending: Promise<void> | undefined;
  /** Processes that were left idle, and have not ended yet. */
  let resting = 0;
  let idleTimer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  const handlers: ModernPortHandlers = { fromClient, onLeave };
  if (options.first !== undefined) take(options.first);

  return {
    get pending() {
      return pending;
    },
    open({ principal }) {
      const port = new ModernPort({ era: 'modern', principal, unread, closed }, handlers);
      ports.add(port);
      return port;
    },
    // One that several principals use is not for one of them to end.
    evictIdle: (principal) => principal === options.principal && rest(),
    close(reason) {
      closing ??= shut(reason);
      return closing;
    },
  };

  // The process

  function running(): Promise<Link> {
    if (child !== undefined) return Promise.resolve(child);
    starting ??= start().finally(() => {
      starting = undefined;
      checkUse();
    });
    return starting;
  }

  async function start(): Promise<Link> {
    if (ending !== undefined) await ending;
    if (closing !== undefined) throw new RunError('SHUTTING_DOWN');
    return take(await options.openChild());
  }

  function take(link: Link): Link {
    child = link;
    link.onclose((error) => lost(link, toRunError(error ?? closed)));
    link.onframe(fromChild);
    restIfIdle();
    return link;
  }

  /** A dead process never answers: fail its callers now. Those who listen are told in good order, and listen anew. */
  function lost(link: Link, reason: RunError): void {
    if (child !== link) return;
    child = undefined;
    taskOwners?.clear();
    const end = link.close(reason).finally(() => {
      if (ending === end) ending = undefined;
      checkUse();
    });
    ending = end;
    clearTimeout(idleTimer);
    for (const call of calls.settleAll()) finish(call, reason);
  }

  function finish({ port, id, scope }: Call, reason: RunError): void {
    pending -= 1;
    port.deliver(
      scope !== 'call' ? frameOf({ id, result: { ...listenResult(id, undefined) } }) : faultFrame(reason, id),
    );
  }

  function restIfIdle(): void {
    clearTimeout(idleTimer);
    if (pending > 0 || child === undefined) return;
    idleTimer = setTimeout(rest, options.idleMs);
    idleTimer.unref();
  }

  /** Ends a process that nothing is asked of. @returns whether there is one */
  function rest(): boolean {
    if (pending > 0 || child === undefined) return false;
    const idle = child;
    // Not before: what comes meanwhile has another one started.
    child = undefined;
    taskOwners?.clear();
    clearTimeout(idleTimer);
    resting += 1;
    void idle.close(closed).finally(() => {
      resting -= 1;
      checkUse();
    });
    return true;
  }

  function checkUse(): void {
    const isStopped = child === undefined && starting === undefined && ending === undefined && resting === 0;
    if (isStopped && ports.size === 0) options.onUnused?.();
  }

  async function shut(reason: RunError): Promise<void> {
    clearTimeout(idleTimer);
    for (const call of calls.settleAll()) finish(call, reason);
    for (const port of ports.values()) port.end(reason);
    const link = child ?? (await starting?.catch(() => undefined));
    child = undefined;
    await (link?.close(reason) ?? ending);
  }

  // From the process

  function fromChild(message: Frame, relatedRequestId?: RequestId): void {
    const read = scanFromServer(message, options);
    if (read === undefined) return undefined;
    const { frame, scanned } = read;
    const { id, method } = scanned;
    if (method === undefined) return answered(frame, scanned);
    if (id === undefined) return notified(scanned, frame, relatedRequestId);
    // Nobody may answer it (2026-07-28, basic/transports/stdio, receiving messages).
    log.warn(
      { event: 'server.request-dropped', method },
      `a request, which this revision has none of: ${method}`,
    );
    return undefined;
  }

  function answered(frame: Frame, scanned: Scanned): void {
    const call = calls.settle(scanned.id, outlivedMs(scanned, frame));
    if (call === undefined) {
      unmatched.report(frame);
      return undefined;
    }
    pending -= 1;
    restIfIdle();
    const { port, id, idText, scope } = call;
    taskOwners?.learn(frame, port.principal);
    if (scope !== 'call' && !scanned.isError) return port.deliver(listenEnd(frame, call));
    return port.deliver(replaceValues(scanned, id, [{ place: 'id', text: idText }]));
  }

  /** The result names the subscription as well. */
  function listenEnd(frame: Frame, { id }: Call): Frame {
    try {
      const { result } = frame.message;
      const _meta = { ...jsonOf(result?.['_meta']), [META.subscriptionId]: id };
      return frameOf({ ...frame.message, id, result: { ...result, _meta } });
    } catch (error) {
      // Its outline was sound, what it holds is not.
      return faultFrame(new RunError('MALFORMED_ANSWER', { server, method: LISTEN }, { cause: error }), id);
    }
  }

  function notified(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    if (scanned.method === 'notifications/progress') {
      const call = calls.get(valueAt(scanned, 'params.progressToken'));
      if (call?.tokenText === undefined) return undefined;
      return pass(call, scanned, { place: 'params.progressToken', text: call.tokenText });
    }
    if (scanned.method === 'notifications/cancelled') return tornDown(valueAt(scanned, 'params.requestId'));
    if (scanned.find('subscription') !== undefined) {
      const call = calls.get(valueAt(scanned, 'subscription'));
      if (call === undefined || call.scope === 'call') return undefined;
      return pass(call, scanned, { place: 'subscription', text: call.idText });
    }
    const caller = relatedRequestId === undefined ? callerOf(scanned) : calls.get(relatedRequestId);
    if (caller !== undefined) return caller.port.deliver(frame);
    log.debug(
      { event: 'server.notification-dropped', method: scanned.method },
      'a notification belongs to no single call',
    );
    return undefined;
  }

  /** The newest call that a message without correlation may belong to; a log line only if that call has asked for it. */
  function callerOf(scanned: Scanned): Call | undefined {
    const candidates = calls.candidates();
    if (scanned.method !== 'notifications/message') return candidates.at(-1);
    const severity = severityOf(valueAt(scanned, 'params.level'));
    const isSole = candidates.length === 1;
    return candidates.findLast(({ level }) => (level === undefined ? isSole : level <= severity));
  }

  /** A server cancels nothing but a subscription (2026-07-28, basic/patterns/cancellation). */
  function tornDown(number: unknown): void {
    const call = calls.get(number);
    if (call === undefined || call.scope === 'call') return;
    calls.settle(number, 0);
    finish(call, closed);
    restIfIdle();
  }

  function pass({ port }: Call, scanned: Scanned, replacement: Replacement): void {
    port.deliver(replaceValues(scanned, undefined, [replacement]));
  }

  // From the clients

  function fromClient(port: ModernPort, frame: Frame): void | Promise<void> {
    if (child !== undefined) return forward(port, frame, child);
    return running().then(
      (link) => forward(port, frame, link),
      (error: unknown) => {
        if (frame.kind === 'request') port.deliver(faultFrame(toRunError(error), frame.id));
      },
    );
  }

  function forward(port: ModernPort, frame: Frame, link: Link): void | Promise<void> {
    // It may have left while the process was starting. And the process asks nothing, so there is nothing to answer.
    if (!port.isOpen || frame.kind === 'response') return undefined;
    const scanned = scanMessage(frame);
    if (frame.kind === 'notification')
      return scanned === undefined ? undefined : tell(port, frame, scanned, link);
    if (scanned !== undefined) return call(port, frame, scanned, link);
    const detail = 'a key is there twice, or in two spellings';
    return port.deliver(faultFrame(new RunError('INVALID_REQUEST', { detail }), frame.id));
  }

  function call(port: ModernPort, frame: Frame, scanned: Scanned, link: Link): void | Promise<void> {
    const idText = textAt(scanned, 'id');
    if (frame.id === undefined || idText === undefined) return undefined;
    if (taskOwners?.isForeign(frame, port.principal) === true)
      return port.deliver(faultFrame(new RunError('NOT_SHARED', { method: frame.method ?? '' }), frame.id));
    const token = valueAt(scanned, 'token');
    const tokenText = isRequestId(token) ? textAt(scanned, 'token') : undefined;
    const call = new InFlightRequest(port, frame.id, idText, tokenText, scopeOf(frame));
    identify(call, frame);
    const number = calls.start(call);
    pending += 1;
    clearTimeout(idleTimer);
    const text = String(number);
    const replacements: Replacement[] = [{ place: 'id', text }];
    // Whatever stands there: it must not be another call's number.
    if (token !== undefined) replacements.push({ place: 'token', text });
    return link.send(replaceValues(scanned, number, replacements));
  }

  function tell(port: ModernPort, frame: Frame, scanned: Scanned, link: Link): void | Promise<void> {
    if (frame.method !== 'notifications/cancelled') return link.send(frame);
    const number = calls.abandon(port, valueAt(scanned, 'params.requestId'));
    if (number === undefined) return undefined;
    unmatched.abandoned(number);
    pending -= 1;
    restIfIdle();
    return link.send(
      replaceValues(scanned, undefined, [{ place: 'params.requestId', text: String(number) }]),
    );
  }

  /** Who goes has cancelled what it has asked for. */
  function onLeave(port: ModernPort): void {
    ports.delete(port);
    const left = calls.abandonAll(port);
    pending -= left.length;
    for (const requestId of left) {
      unmatched.abandoned(requestId);
      const params = { requestId, reason: 'the client is gone' };
      void child?.send(frameOf({ method: 'notifications/cancelled', params }));
    }
    if (left.length > 0) restIfIdle();
    checkUse();
  }
}

/** A client is a principal and a name; one without a name is known by its port alone. */
function identify(call: Call, frame: Frame): void {
  const reading = readEnvelope(frame.message);
  if ('fault' in reading) return;
  const { clientInfo, logLevel } = reading.envelope;
  if (clientInfo !== undefined) call.owner = JSON.stringify([call.port.principal, clientInfo]);
  if (logLevel !== undefined) call.level = severityOf(logLevel);
}

function scopeOf(frame: Frame): RequestScope {
  if (frame.method !== LISTEN) return 'call';
  const filter = readFilter(jsonOf(frame.message.params));
  return filter === undefined || filter.resourceSubscriptions.length > 0 ? 'watch' : 'listen';
}

interface ModernPortHandlers {
  fromClient(port: ModernPort, frame: Frame): void | Promise<void>;
  onLeave(port: ModernPort): void;
}

class ModernPort extends ClientPort {
  readonly #handlers: ModernPortHandlers;

  constructor(options: ClientPortOptions, handlers: ModernPortHandlers) {
    super(options);
    this.#handlers = handlers;
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.#handlers.fromClient(this, frame);
  }

  protected override onLeave(): void {
    this.#handlers.onLeave(this);
  }
}
