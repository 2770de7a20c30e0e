import type { AttributionMode } from '../../config/types.ts';
import { isRunError, RunError, toRunError } from '../../errors.ts';
import type { Envelope } from '../../era/envelope.ts';
import { discoverFromInitialize, legacyInitializeParams } from '../../era/handshake.ts';
import { inputRequiredResult, mayNeedInput, requestDigest, urlElicitationsOf } from '../../era/input.ts';
import { isJson, jsonOf, type Json } from '../../era/json.ts';
import { readFilter } from '../../era/listen.ts';
import type { RequestStates } from '../../era/request-state.ts';
import type { Log } from '../../observe/log.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { LOG_LEVELS } from '../../protocol/constants.ts';
import { isTooDeep } from '../../protocol/depth.ts';
import { faultFrame, forParent, withParentView } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';

import { readRequest } from '../request-parts.ts';
import { hasLogging } from '../shared-process/initialize-replay.ts';
import { replaceValues, valueAt, type Scanned } from '../../protocol/rewrite.ts';
import { scanFromServer } from '../shared-process/scan-from-server.ts';
import { ManagedProcess, type Running } from '../shared-process/managed-process.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { outlivedMs } from '../shared-process/outlived.ts';
import { severityOf } from '../log-levels.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { modernAnswer, modernErrorAnswer, resultAnswer } from './answer.ts';
import { createServerRequests } from './server-requests.ts';
import { createInFlightCalls } from './in-flight-calls.ts';
import type { PendingCall, Waiting } from './pending-call.ts';
import { isNamed, type ProcessKey } from './key.ts';
import { createListenStreams } from './subscriptions.ts';
import { createSuspendedCalls } from './suspended-calls.ts';
import { legacyRequest } from './request.ts';
import { needsTask, taskIdOf, taskRequest, taskResultRequest } from './tasks.ts';

type Wait = void | Promise<void>;

export interface LegacyProcessOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  readonly initializeTimeoutMs: number;
  readonly inputTtlMs: number;
  /** Calls of this process that may wait for input. */
  readonly maxParked: number;
  readonly maxListens: number;
  readonly attribution: AttributionMode;
  readonly states: RequestStates;
  /** Rejects with a RunError. */
  readonly openChild: () => Promise<Link>;
  /** A call is parked: there may be too many of all processes. */
  readonly onPark: () => void;
  /** Nothing is left to do for anybody. */
  readonly onIdle: () => void;
  /** As `RouterOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly log: Log;
}

/** A process of a legacy server, and the one client that it is told of. */
export interface LegacyProcess {
  readonly key: ProcessKey;
  /** Requests that a client waits for. */
  readonly running: number;
  readonly parked: number;
  readonly isIdle: boolean;
  /** Gives a process that was started for nobody to its first client. */
  adopt(key: ProcessKey): void;
  /** Has the process started ahead of its first request. */
  warmUp(): void;
  request(port: ClientPort, frame: Frame, envelope: Envelope): Wait;
  notify(port: ClientPort, frame: Frame): Wait;
  /** The client is gone: what it waits for is cancelled, and what is parked is not. */
  leave(port: ClientPort): void;
  /** Gives up the call that has been parked longest. */
  dropOldestParked(): void;
  close(reason: RunError): Promise<void>;
}

export function createLegacyProcess(first: ProcessKey, options: LegacyProcessOptions): LegacyProcess {
  const { server, log } = options;
  /** Another one once it is taken over; its capabilities stay. */
  let key = first;
  const book = createInFlightCalls(options.attribution === 'exact', ({ port }) =>
    isNamed(key) ? server : port,
  );
  const unmatched = new UnmatchedAnswers(log);
  const parking = createSuspendedCalls({
    states: options.states,
    keyText: () => key.text,
    ttlMs: options.inputTtlMs,
    onExpire: (call) => {
      asking.discard(call);
      whenIdle();
    },
  });
  const asking = createServerRequests({
    isExact: options.attribution === 'exact',
    capabilities: () => key.capabilities,
    serverInfo,
    book,
    parking,
    maxParked: options.maxParked,
    graceMs: options.inputTtlMs,
    toChild: (frame) => void child.send(frame),
    onPark: options.onPark,
    cancel,
    log,
  });
  const child = new ManagedProcess({
    ...options,
    openUpstream: options.openChild,
    initializeParams: legacyInitializeParams(key.capabilities, key.clientInfo),
    onFrame: fromChild,
    onReady: () => (level = undefined),
    onLost: childLost,
  });
  const listens = createListenStreams(options.maxListens, subscribe, unsubscribe);
  let level: number | undefined;

  return {
    get key() {
      return key;
    },
    adopt: (owner) => void (key = owner),
    get running() {
      return book.running;
    },
    get parked() {
      return parking.size;
    },
    get isIdle() {
      return isIdle();
    },
    warmUp: () => void child.running().catch(() => {}),
    request,
    notify,
    leave,
    dropOldestParked: asking.dropOldestParked,
    async close(reason) {
      listens.endAll();
      for (const call of book.values()) fail(call, reason);
      parking.loseAll();
      asking.clear();
      await child.close();
    },
  };

  // From the client

  function request(port: ClientPort, frame: Frame, envelope: Envelope): Wait {
    const { current } = child;
    if (current !== undefined) return take(port, frame, envelope, current);
    return child.running().then(
      (started) => (port.isOpen ? take(port, frame, envelope, started) : undefined),
      (error: unknown) => port.deliver(faultFrame(toRunError(error), frame.id)),
    );
  }

  function take(port: ClientPort, frame: Frame, { logLevel }: Envelope, current: Running): Wait {
    const { id, method = '' } = frame;
    if (id === undefined) return undefined;
    const { idText, tokenText } = readRequest(frame);
    const asker = { id, idText };
    if (method === 'server/discover')
      return port.deliver(resultAnswer(asker, discoverFromInitialize(introductionOf(current))));
    if (method === 'subscriptions/listen') return listen(port, frame, asker, current);
    const waiting: Waiting = {
      ...asker,
      port,
      tokenText,
      level: logLevel === undefined ? undefined : severityOf(logLevel),
    };
    const { params = {} } = frame.message;
    const isRetry =
      mayNeedInput(method) &&
      (params['requestState'] !== undefined || params['inputResponses'] !== undefined);
    return isRetry ? comeBack(waiting, frame, params) : begin(waiting, frame);
  }

  function begin(waiting: Waiting, frame: Frame): void {
    const call = book.begin(frame, waiting);
    if (mayNeedInput(call.request.method)) book.withSlot(call, waiting, () => send(call));
    else send(call);
  }

  function send(call: PendingCall): void {
    tellLevel(call.waiting?.level);
    void child.send(legacyRequest(call.request, call.number));
    if (mayNeedInput(call.request.method)) asking.adoptUnrelated();
  }

  /** The process says what the most curious of its calls wants to hear; the others have theirs filtered. */
  function tellLevel(wanted: number | undefined): void {
    const { current } = child;
    if (wanted === undefined || current === undefined || !hasLogging(current.initialized)) return;
    if (level !== undefined && level <= wanted) return;
    level = wanted;
    child.ask('logging/setLevel', { level: LOG_LEVELS[wanted] }).catch(() => {});
  }

  function listen(
    port: ClientPort,
    frame: Frame,
    asker: { id: RequestId; idText: Buffer | undefined },
    current: Running,
  ): Wait {
    const filter = readFilter(jsonOf(frame.message.params));
    if (filter !== undefined) return listens.open(port, asker, filter, introductionOf(current));
    const error = new RunError('INVALID_PARAMS', { detail: '"notifications" must say what to listen to' });
    return port.deliver(faultFrame(error, frame.id));
  }

  /** A client with the input that was asked for. */
  function comeBack(waiting: Waiting, frame: Frame, params: Json): Wait {
    const { port, id } = waiting;
    const found = parking.take(params['requestState'], requestDigest(frame.method ?? '', params));
    if (found === undefined) return port.deliver(faultFrame(new RunError('INPUT_STATE_INVALID'), id));
    if (found.kind === 'lost')
      return port.deliver(faultFrame(new RunError('UPSTREAM_RESTARTED', { server }), id));
    if (found.kind === 'replay') return begin(waiting, frame);
    const { call } = found;
    book.attend(call, waiting);
    book.withSlot(call, waiting, () => resume(call, jsonOf(params['inputResponses'])));
    return undefined;
  }

  function resume(call: PendingCall, responses: Json): void {
    tellLevel(call.waiting?.level);
    for (const { id, key: name } of call.questions.values()) {
      const response = Object.hasOwn(responses, name) ? responses[name] : undefined;
      if (!isJson(response)) continue;
      call.questions.delete(id);
      void child.send(frameOf({ id, result: { ...response } }));
    }
    if (call.final !== undefined) finish(call, call.final);
    // What was not answered is asked again, since the server still waits for it.
    else if (call.questions.size > 0) asking.askSoon(call);
  }

  function notify(port: ClientPort, frame: Frame): Wait {
    if (frame.method !== 'notifications/cancelled') return child.send(frame);
    const id = frame.message.params?.['requestId'];
    if (listens.cancel(port, id)) return whenIdle();
    for (const call of book.values()) {
      if (call.waiting?.port === port && call.waiting.id === id) return cancel(call);
    }
    return undefined;
  }

  function leave(port: ClientPort): void {
    listens.leave(port);
    for (const call of book.values()) if (call.waiting?.port === port) cancel(call);
    whenIdle();
  }

  /** Servers do not answer a cancelled request, and do not take back what they have asked on its account. */
  function cancel(call: PendingCall): void {
    book.remove(call);
    unmatched.abandoned(call.number);
    for (const { id } of call.questions.values())
      void child.send(faultFrame(new RunError('CLIENT_GONE'), id));
    const params = { requestId: call.number, reason: 'the client is gone' };
    void child.send(frameOf({ method: 'notifications/cancelled', params }));
    whenIdle();
  }

  // From the process

  function fromChild(message: Frame, relatedRequestId?: RequestId): void {
    const read = scanFromServer(message, options);
    if (read === undefined) return undefined;
    const { frame, scanned } = read;
    try {
      if (scanned.method === undefined) return answered(scanned, frame);
      if (scanned.id !== undefined) {
        const { id, method } = scanned;
        // It would have to be written again as a part of an answer.
        if (isTooDeep(frame.bytes)) {
          const error = new RunError('INVALID_REQUEST', { detail: 'nested too deeply' });
          return void child.send(faultFrame(error, id));
        }
        return asking.question({ id, method, params: frame.message.params ?? {}, relatedRequestId });
      }
      return notified(scanned, frame, relatedRequestId);
    } catch (error) {
      // Its outline was sound, what it holds is not.
      log.warn(
        { event: 'server.malformed-line', reason: toRunError(error).code },
        'a message on stdout is not sound',
      );
    }
  }

  function answered(scanned: Scanned, frame: Frame): void {
    const call = book.get(scanned.id);
    if (call === undefined) {
      unmatched.report(frame);
      return undefined;
    }
    if (call.task !== undefined || scanned.isError) {
      const next = asTask(call, scanned, frame);
      if (next !== undefined) return void child.send(next);
    }
    // Whoever comes back gets the answer.
    if (call.waiting === undefined && !call.isDiscarded) asking.answered(call, frame);
    else finish(call, frame);
  }

  /** @returns the next request on the way to the answer of a tool that runs as a task only */
  function asTask(call: PendingCall, { isError }: Scanned, frame: Frame): Frame | undefined {
    if (isError) {
      if (!needsTask(call, frame.message.error, jsonOf(child.current?.initialized.result))) return undefined;
      call.task = 'creating';
      book.renumber(call);
      return taskRequest(call);
    }
    const id = call.task === 'creating' ? taskIdOf(frame) : undefined;
    if (id === undefined) return undefined;
    call.task = { id };
    book.renumber(call);
    return taskResultRequest(call, id);
  }

  function finish(call: PendingCall, frame: Frame): void {
    const { waiting } = call;
    const { method } = call.request;
    // Calls of one client have nothing to be kept apart from.
    book.remove(call, isNamed(key) ? 0 : outlivedMs({ isError: isErrorFrame(frame) }, frame));
    if (waiting !== undefined) waiting.port.deliver(answerTo(waiting, method, call, frame));
    asking.passOn(call);
    whenIdle();
  }

  function answerTo(waiting: Waiting, method: string, call: PendingCall, frame: Frame): Frame {
    const info = serverInfo();
    try {
      const error = isErrorFrame(frame) ? frame.message.error : undefined;
      if (error === undefined) return modernAnswer(waiting, method, frame.bytes, { name: server, info });
      const urls = mayNeedInput(method) ? urlElicitationsOf(error) : undefined;
      if (urls === undefined)
        return withParentView(modernErrorAnswer(waiting, method, error), () =>
          modernErrorAnswer(waiting, method, forParent(frame).message.error ?? error),
        );
      const needed = Object.fromEntries(urls.map((url, index) => [`input-${index + 1}`, url]));
      return resultAnswer(waiting, inputRequiredResult(needed, parking.replay(call.digest()), info));
    } catch (error) {
      const fault = isRunError(error)
        ? error
        : new RunError('MALFORMED_ANSWER', { server, method }, { cause: error });
      return faultFrame(fault, waiting.id);
    }
  }

  function notified(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return progressed(scanned);
      case 'notifications/message':
        return logged(scanned, frame, relatedRequestId);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return listens.tell(frame.message);
      case 'notifications/cancelled':
        return asking.takeBack(valueAt(scanned, 'params.requestId'));
      // There is no word for these any more (2026-07-28, changelog).
      case 'notifications/elicitation/complete':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return toCaller(frame, relatedRequestId);
    }
  }

  function progressed(scanned: Scanned): void {
    const waiting = book.get(valueAt(scanned, 'params.progressToken'))?.waiting;
    if (waiting?.tokenText === undefined) return undefined;
    const text = waiting.tokenText.toString();
    return waiting.port.deliver(replaceValues(scanned, undefined, [{ place: 'params.progressToken', text }]));
  }

  /** Its calls are those of one client: the newest one that has asked for such a line gets it. */
  function logged(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    const severity = severityOf(valueAt(scanned, 'params.level'));
    const listeners = book.candidates().filter(({ level: wanted = Infinity }) => wanted <= severity);
    const listener =
      relatedRequestId === undefined ? listeners.at(-1) : onStream(listeners, relatedRequestId, 'listeners');
    return listener?.port.deliver(frame);
  }

  /**
   * The call whose own stream a message came by, if that proves anything: where calls have run at the same time the server may
   * have guessed the stream, and the answer to one may have overtaken what it has said before.
   */
  function onStream(
    candidates: readonly Waiting[],
    relatedRequestId: RequestId,
    among: 'all' | 'listeners',
  ): Waiting | undefined {
    const waiting = book.get(relatedRequestId)?.waiting;
    const isItsOwn = waiting !== undefined && candidates.includes(waiting) && book.isAlone(waiting, among);
    return isItsOwn ? waiting : undefined;
  }

  function toCaller(frame: Frame, relatedRequestId: RequestId | undefined): void {
    const candidates = book.candidates();
    const caller =
      relatedRequestId === undefined ? candidates.at(-1) : onStream(candidates, relatedRequestId, 'all');
    if (caller !== undefined) return caller.port.deliver(frame);
    log.debug(
      { event: 'server.notification-dropped', method: frame.method },
      'a notification belongs to no single call',
    );
    return undefined;
  }

  // Life and death

  function childLost(reason: RunError): void {
    asking.clear();
    parking.loseAll();
    for (const call of book.values()) fail(call, reason);
    book.restarted();
    listens.endAll();
    whenIdle();
  }

  /** A dead process never answers: whoever waits is told now. */
  function fail(call: PendingCall, reason: RunError): void {
    const { waiting } = call;
    book.remove(call);
    if (waiting !== undefined) waiting.port.deliver(faultFrame(reason, waiting.id));
  }

  function isIdle(): boolean {
    return book.running === 0 && parking.size === 0 && listens.size === 0;
  }

  function whenIdle(): void {
    if (isIdle()) options.onIdle();
  }

  async function subscribe(uri: string): Promise<boolean> {
    try {
      return (await child.ask('resources/subscribe', { uri })).error === undefined;
    } catch {
      // It has ended, and so will who listens.
      return false;
    }
  }

  function unsubscribe(uri: string): void {
    child.ask('resources/unsubscribe', { uri }).catch(() => {});
  }

  function serverInfo(): Json | undefined {
    const info = child.current?.initialized.result?.['serverInfo'];
    return isJson(info) ? info : undefined;
  }
}

function introductionOf({ initialized }: Running): Json {
  return initialized.result ?? {};
}

const ERROR_KEY = Buffer.from('"error"');

/** A response may be large: it is parsed only if it may be an error. */
function isErrorFrame({ bytes }: Frame): boolean {
  return asBuffer(bytes).includes(ERROR_KEY);
}
