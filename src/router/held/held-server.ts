import { isRunError, RunError, toRunError } from '../../errors.ts';
import type { Envelope } from '../../era/envelope.ts';
import { discoverFromInitialize, legacyInitializeParams } from '../../era/handshake.ts';
import {
  inputRequiredResult,
  mayNeedInput,
  requestDigest,
  toInputRequest,
  urlElicitationsOf,
} from '../../era/input.ts';
import { isJson, jsonOf, type Json } from '../../era/json.ts';
import { readFilter } from '../../era/listen.ts';
import type { RequestStates } from '../../era/request-state.ts';
import type { Log } from '../../observe/log.ts';
import { LOG_LEVELS, RPC } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../protocol/link.ts';
import { asBuffer, member } from '../facade/members.ts';
import { readRequest } from '../facade/request.ts';
import { hasLogging } from '../share/initialized.ts';
import { replaceValues, scanMessage, valueAt, type Scanned } from '../share/remap.ts';
import { createSharedChild, type Running } from '../share/shared-child.ts';
import type { Tenant } from '../share/tenant.ts';
import { modernAnswer, modernErrorAnswer, resultAnswer } from './answer.ts';
import { createHeldCall, type HeldCall, type Waiting } from './call.ts';
import type { ProcessKey } from './key.ts';
import { createListens } from './listens.ts';
import { severityOf, soleListener } from './log-levels.ts';
import { createParking } from './parking.ts';
import { lateAnswer, MAX_OPEN, ownerOf, refusalOf } from './questions.ts';
import { legacyRequest } from './request.ts';
import { createSlot } from './slot.ts';

type Wait = void | Promise<void>;

export interface HeldServerOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  readonly initializeTimeoutMs: number;
  readonly inputTtlMs: number;
  /** Calls of this process that may wait for input. */
  readonly maxParked: number;
  readonly maxListens: number;
  readonly attribution: 'concurrent' | 'exact';
  readonly states: RequestStates;
  /** Rejects with a RunError. */
  readonly openChild: () => Promise<Link>;
  /** A call is parked: there may be too many of all processes. */
  readonly onPark: () => void;
  /** Nothing is left to do for anybody. */
  readonly onIdle: () => void;
  readonly log: Log;
}

/** A process of a legacy server, and the one client that it is told of. */
export interface HeldServer {
  readonly key: ProcessKey;
  /** Requests that a client waits for. */
  readonly running: number;
  readonly parked: number;
  readonly isIdle: boolean;
  /** Gives a process that was started for nobody to its first client. */
  adopt(key: ProcessKey): void;
  /** Has the process started ahead of its first request. */
  warmUp(): void;
  request(tenant: Tenant, frame: Frame, envelope: Envelope): Wait;
  notify(tenant: Tenant, frame: Frame): Wait;
  /** The client is gone: what it waits for is cancelled, and what is parked is not. */
  leave(tenant: Tenant): void;
  /** Gives up the call that has been parked longest. */
  dropOldestParked(): void;
  close(reason: RunError): Promise<void>;
}

/** How often a call may come back for more input. */
const MAX_ROUNDS = 16;
/** How long a question that belongs to no call waits for one. */
const UNRELATED_MS = 20_000;
/** How long a task that nobody asked for is kept by the server: as long as a request may take. */
const TASK_TTL_MS = 30 * 60_000;

export function createHeldServer(first: ProcessKey, options: HeldServerOptions): HeldServer {
  const { server, log } = options;
  /** Another one once it is taken over; its capabilities stay. */
  let key = first;
  const calls = new Map<number, HeldCall>();
  const unrelated = new Map<RequestId, { readonly scanned: Scanned; readonly timer: NodeJS.Timeout }>();
  const slot = createSlot(options.attribution === 'exact');
  const parking = createParking({
    states: options.states,
    keyText: () => key.text,
    ttlMs: options.inputTtlMs,
    onExpire: discard,
  });
  const child = createSharedChild({
    ...options,
    openUpstream: options.openChild,
    initializeParams: legacyInitializeParams(key.capabilities, key.clientInfo),
    onFrame: fromChild,
    onReady: () => (level = undefined),
    onLost: childLost,
  });
  const listens = createListens(options.maxListens, subscribe, unsubscribe);
  let level: number | undefined;
  let nextNumber = 1;
  let running = 0;

  return {
    get key() {
      return key;
    },
    adopt: (owner) => void (key = owner),
    get running() {
      return running;
    },
    get parked() {
      return parking.size;
    },
    get isIdle() {
      return running === 0 && parking.size === 0 && listens.size === 0;
    },
    warmUp: () => void child.running().catch(() => {}),
    request,
    notify,
    leave,
    dropOldestParked,
    async close(reason) {
      listens.endAll();
      for (const call of [...calls.values()]) fail(call, reason);
      parking.loseAll();
      dropUnrelated();
      await child.close();
    },
  };

  // From the client

  function request(tenant: Tenant, frame: Frame, envelope: Envelope): Wait {
    const { current } = child;
    if (current !== undefined) return take(tenant, frame, envelope, current);
    return child.running().then(
      (started) => (tenant.isOpen ? take(tenant, frame, envelope, started) : undefined),
      (error: unknown) => tenant.deliver(faultFrame(toRunError(error), frame.id)),
    );
  }

  function take(tenant: Tenant, frame: Frame, { logLevel }: Envelope, current: Running): Wait {
    const { id, method = '' } = frame;
    if (id === undefined) return undefined;
    const { idText, tokenText } = readRequest(frame);
    const asker = { id, idText };
    if (method === 'server/discover')
      return tenant.deliver(resultAnswer(asker, discoverFromInitialize(introductionOf(current))));
    if (method === 'subscriptions/listen') return listen(tenant, frame, asker, current);
    const waiting: Waiting = {
      ...asker,
      tenant,
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
    const call = createHeldCall(nextNumber, frame, waiting);
    nextNumber += 1;
    calls.set(call.number, call);
    running += 1;
    if (!mayNeedInput(call.request.method)) return send(call);
    slot.take(() => {
      call.hasSlot = true;
      // It may have been cancelled while it waited for its turn.
      if (calls.has(call.number)) send(call);
      else releaseSlot(call);
    });
  }

  function send(call: HeldCall): void {
    tellLevel(call.waiting?.level);
    void child.send(legacyRequest(call.request, call.number));
    adoptUnrelated(call);
  }

  /** The process says what the most curious of its calls wants to hear; the others have theirs filtered. */
  function tellLevel(wanted: number | undefined): void {
    const { current } = child;
    if (wanted === undefined || current === undefined || !hasLogging(current.initialized)) return;
    if (level !== undefined && level <= wanted) return;
    level = wanted;
    ask('logging/setLevel', { level: LOG_LEVELS[wanted] }).catch(() => {});
  }

  function listen(
    tenant: Tenant,
    frame: Frame,
    asker: { id: RequestId; idText: Buffer | undefined },
    current: Running,
  ): Wait {
    const filter = readFilter(jsonOf(frame.message.params));
    if (filter !== undefined) return listens.open(tenant, asker, filter, introductionOf(current));
    const error = new RunError('INVALID_PARAMS', { detail: '"notifications" must say what to listen to' });
    return tenant.deliver(faultFrame(error, frame.id));
  }

  /** A client with the input that was asked for. */
  function comeBack(waiting: Waiting, frame: Frame, params: Json): Wait {
    const { tenant, id } = waiting;
    const found = parking.take(params['requestState'], requestDigest(frame.method ?? '', params));
    if (found === undefined) return tenant.deliver(faultFrame(new RunError('INPUT_STATE_INVALID'), id));
    if (found.kind === 'lost')
      return tenant.deliver(faultFrame(new RunError('UPSTREAM_RESTARTED', { server }), id));
    if (found.kind === 'replay') return begin(waiting, frame);
    const { call } = found;
    call.waiting = waiting;
    running += 1;
    slot.take(() => {
      call.hasSlot = true;
      if (call.waiting === waiting) resume(call, jsonOf(params['inputResponses']));
      else releaseSlot(call);
    });
    return undefined;
  }

  function resume(call: HeldCall, responses: Json): void {
    tellLevel(call.waiting?.level);
    for (const { id, key: name } of call.questions.values()) {
      const response = Object.hasOwn(responses, name) ? responses[name] : undefined;
      if (!isJson(response)) continue;
      call.questions.delete(id);
      void child.send(frameOf({ id, result: { ...response } }));
    }
    if (call.final !== undefined) finish(call, call.final);
    // What was not answered is asked again, since the server still waits for it.
    else if (call.questions.size > 0) askSoon(call);
  }

  function notify(tenant: Tenant, frame: Frame): Wait {
    if (frame.method !== 'notifications/cancelled') return child.send(frame);
    const id = frame.message.params?.['requestId'];
    if (listens.cancel(tenant, id)) return whenIdle();
    for (const call of calls.values()) {
      if (call.waiting?.tenant === tenant && call.waiting.id === id) return cancel(call);
    }
    return undefined;
  }

  function leave(tenant: Tenant): void {
    listens.leave(tenant);
    for (const call of [...calls.values()]) if (call.waiting?.tenant === tenant) cancel(call);
    whenIdle();
  }

  /** Servers do not answer a cancelled request, and do not take back what they have asked on its account. */
  function cancel(call: HeldCall): void {
    remove(call);
    for (const { id } of call.questions.values())
      void child.send(faultFrame(new RunError('CLIENT_GONE'), id));
    const params = { requestId: call.number, reason: 'the client is gone' };
    void child.send(frameOf({ method: 'notifications/cancelled', params }));
    whenIdle();
  }

  // From the process

  function fromChild(frame: Frame): void {
    const scanned = scanMessage(frame);
    if (scanned === undefined) {
      log.warn(
        { event: 'server.ambiguous-line' },
        'a message on stdout says twice, or not at all, whom it is about: dropped',
      );
      return undefined;
    }
    try {
      if (scanned.method === undefined) return answered(scanned, frame);
      if (scanned.id !== undefined) return question(scanned, frame.message.params ?? {}, scanned.id);
      return notified(scanned, frame);
    } catch (error) {
      // Its outline was sound, what it holds is not.
      log.warn(
        { event: 'server.malformed-line', reason: toRunError(error).code },
        'a message on stdout is not sound',
      );
    }
  }

  function answered(scanned: Scanned, frame: Frame): void {
    const call = typeof scanned.id === 'number' ? calls.get(scanned.id) : undefined;
    if (call === undefined) {
      log.debug(
        { event: 'server.answer-dropped', id: scanned.id },
        'the server answered a request that is not open',
      );
      return undefined;
    }
    if (scanned.isError && isTaskRequired(call, frame)) return makeTask(call);
    if (call.task === 'creating' && !scanned.isError) return awaitTask(call, frame);
    // Its questions are void: whoever comes back gets the answer.
    call.questions.clear();
    if (call.waiting === undefined && !call.isDiscarded) call.final = frame;
    else finish(call, frame);
  }

  function finish(call: HeldCall, frame: Frame): void {
    const { waiting } = call;
    const { method } = call.request;
    remove(call);
    if (waiting !== undefined) waiting.tenant.deliver(answerTo(waiting, method, call, frame));
    whenIdle();
  }

  function answerTo(waiting: Waiting, method: string, call: HeldCall, frame: Frame): Frame {
    const info = serverInfo();
    try {
      const error = isErrorFrame(frame) ? frame.message.error : undefined;
      if (error === undefined) return modernAnswer(waiting, method, frame.bytes, { name: server, info });
      const urls = mayNeedInput(method) ? urlElicitationsOf(error) : undefined;
      if (urls === undefined) return modernErrorAnswer(waiting, method, error);
      const needed = Object.fromEntries(urls.map((url, index) => [`input-${index + 1}`, url]));
      return resultAnswer(waiting, inputRequiredResult(needed, parking.replay(call.digest()), info));
    } catch (error) {
      const fault = isRunError(error)
        ? error
        : new RunError('MALFORMED_ANSWER', { server, method }, { cause: error });
      return faultFrame(fault, waiting.id);
    }
  }

  function question(scanned: Scanned, params: Json, id: RequestId): void {
    const { method = '' } = scanned;
    if (method === 'ping') return void child.send(frameOf({ id, result: {} }));
    const refusal = refusalOf(key.capabilities, method, params);
    if (refusal !== undefined) return void child.send(faultFrame(refusal, id));
    const call = ownerOf(calls.values(), params);
    if (call === undefined) return keepUnrelated(scanned, id);
    const asked = { id, method, params, key: `input-${call.asked + 1}` };
    if (call.isDiscarded) return answerLate(asked);
    if (call.questions.size >= MAX_OPEN || call.rounds >= MAX_ROUNDS) {
      const max = call.rounds >= MAX_ROUNDS ? MAX_ROUNDS : MAX_OPEN;
      return void child.send(faultFrame(new RunError('INPUT_TOO_MUCH', { max }), id));
    }
    call.asked += 1;
    call.questions.set(id, asked);
    // Whoever comes back to a parked call is asked then.
    if (call.waiting !== undefined) askSoon(call);
  }

  /** What is asked at once is asked together. */
  function askSoon(call: HeldCall): void {
    if (call.isAsking) return;
    call.isAsking = true;
    setImmediate(() => {
      call.isAsking = false;
      const { waiting } = call;
      if (waiting !== undefined && call.questions.size > 0 && calls.has(call.number)) park(call, waiting);
    });
  }

  function park(call: HeldCall, waiting: Waiting): void {
    if (parking.size >= options.maxParked) dropOldestParked();
    const entries = [...call.questions.values()].map(({ key: name, method, params }): [string, Json] => [
      name,
      toInputRequest(method, params),
    ]);
    call.waiting = undefined;
    call.rounds += 1;
    running -= 1;
    releaseSlot(call);
    const state = parking.park(call);
    const result = inputRequiredResult(Object.fromEntries(entries), state, serverInfo());
    waiting.tenant.deliver(resultAnswer(waiting, result));
    options.onPark();
  }

  function dropOldestParked(): void {
    const oldest = parking.oldest();
    if (oldest === undefined) return;
    parking.remove(oldest);
    discard(oldest);
  }

  /** Nobody came back. The server is told what a user who walks away would say, and may finish. */
  function discard(call: HeldCall): void {
    call.isDiscarded = true;
    log.info(
      { event: 'input.expired', method: call.request.method },
      'a client did not come back with the input asked for',
    );
    for (const asked of call.questions.values()) answerLate(asked);
    call.questions.clear();
    if (call.final !== undefined) calls.delete(call.number);
    else
      setTimeout(
        () => (calls.get(call.number) === call ? cancel(call) : undefined),
        options.inputTtlMs,
      ).unref();
    whenIdle();
  }

  function answerLate(asked: Parameters<typeof lateAnswer>[0] & { readonly id: RequestId }): void {
    const answer = lateAnswer(asked);
    void child.send(
      'result' in answer
        ? frameOf({ id: asked.id, result: { ...answer.result } })
        : faultFrame(answer.error, asked.id),
    );
  }

  /** A question before the request that it is about, as far as stdio shows: wait for that a little. */
  function keepUnrelated(scanned: Scanned, id: RequestId): void {
    const timer = setTimeout(() => {
      unrelated.delete(id);
      void child.send(faultFrame(new RunError('INPUT_UNRELATED', { method: scanned.method ?? '' }), id));
    }, UNRELATED_MS);
    timer.unref();
    unrelated.set(id, { scanned, timer });
  }

  function adoptUnrelated(call: HeldCall): void {
    if (unrelated.size === 0 || !mayNeedInput(call.request.method)) return;
    const waiting = [...unrelated];
    dropUnrelated();
    for (const [id, { scanned }] of waiting) question(scanned, jsonOf(valueAt(scanned, 'params')), id);
  }

  function dropUnrelated(): void {
    for (const { timer } of unrelated.values()) clearTimeout(timer);
    unrelated.clear();
  }

  function notified(scanned: Scanned, frame: Frame): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return progressed(scanned);
      case 'notifications/message':
        return soleListener(calls.values(), severityOf(valueAt(scanned, 'params.level')))?.tenant.deliver(
          frame,
        );
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return listens.tell(frame.message);
      case 'notifications/cancelled':
        return takenBack(valueAt(scanned, 'params.requestId'));
      // There is no word for these any more (2026-07-28, changelog).
      case 'notifications/elicitation/complete':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return toSoleCaller(frame);
    }
  }

  function progressed(scanned: Scanned): void {
    const token = valueAt(scanned, 'params.progressToken');
    const waiting = typeof token === 'number' ? calls.get(token)?.waiting : undefined;
    if (waiting?.tokenText === undefined) return undefined;
    const text = waiting.tokenText.toString();
    return waiting.tenant.deliver(
      replaceValues(scanned, undefined, [{ place: 'params.progressToken', text }]),
    );
  }

  /** The server does not wait for it any more: a client that comes back waits for the call alone. */
  function takenBack(id: unknown): void {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    for (const call of calls.values()) call.questions.delete(id);
    clearTimeout(unrelated.get(id)?.timer);
    unrelated.delete(id);
  }

  function toSoleCaller(frame: Frame): void {
    const waiting = [...calls.values()].flatMap((call) => call.waiting ?? []);
    if (waiting.length === 1) return waiting[0]?.tenant.deliver(frame);
    log.debug(
      { event: 'server.notification-dropped', method: frame.method },
      'a notification belongs to no single call',
    );
    return undefined;
  }

  // Tools that run as tasks only (2025-11-25, basic/utilities/tasks)

  function isTaskRequired({ request: { method }, task }: HeldCall, frame: Frame): boolean {
    if (method !== 'tools/call' || task !== undefined || frame.message.error?.code !== RPC.methodNotFound)
      return false;
    const { capabilities } = jsonOf(child.current?.initialized.result);
    const { requests } = jsonOf(jsonOf(capabilities)['tasks']);
    return isJson(jsonOf(jsonOf(requests)['tools'])['call']);
  }

  function makeTask(call: HeldCall): void {
    call.task = 'creating';
    renumber(call);
    void child.send(legacyRequest(call.request, call.number, [member('task', { ttl: TASK_TTL_MS })]));
  }

  function awaitTask(call: HeldCall, frame: Frame): void {
    const { taskId } = jsonOf(jsonOf(frame.message.result)['task']);
    // It has run after all.
    if (typeof taskId !== 'string') return finish(call, frame);
    call.task = { id: taskId };
    renumber(call);
    void child.send(frameOf({ id: call.number, method: 'tasks/result', params: { taskId } }));
  }

  /** Each of its requests has an id of its own. */
  function renumber(call: HeldCall): void {
    calls.delete(call.number);
    call.number = nextNumber;
    nextNumber += 1;
    calls.set(call.number, call);
  }

  // Life and death

  function childLost(reason: RunError): void {
    dropUnrelated();
    parking.loseAll();
    for (const call of [...calls.values()]) fail(call, reason);
    slot.clear();
    listens.endAll();
    whenIdle();
  }

  /** A dead process never answers: whoever waits is told now. */
  function fail(call: HeldCall, reason: RunError): void {
    const { waiting } = call;
    remove(call);
    if (waiting !== undefined) waiting.tenant.deliver(faultFrame(reason, waiting.id));
  }

  function remove(call: HeldCall): void {
    if (!calls.delete(call.number)) return;
    if (call.waiting !== undefined) running -= 1;
    releaseSlot(call);
    call.waiting = undefined;
  }

  function releaseSlot(call: HeldCall): void {
    if (!call.hasSlot) return;
    call.hasSlot = false;
    slot.give();
  }

  function whenIdle(): void {
    if (running === 0 && parking.size === 0 && listens.size === 0) options.onIdle();
  }

  async function subscribe(uri: string): Promise<boolean> {
    try {
      return (await ask('resources/subscribe', { uri })).error === undefined;
    } catch {
      // It has ended, and so will who listens.
      return false;
    }
  }

  function unsubscribe(uri: string): void {
    ask('resources/unsubscribe', { uri }).catch(() => {});
  }

  function ask(method: string, params: Json): ReturnType<typeof child.ask> {
    return child.ask(method, params);
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
