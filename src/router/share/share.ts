import { RunError, toRunError } from '../../errors.ts';
import { LEGACY_REVISIONS, LOG_LEVELS } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../protocol/link.ts';
import { readPath, replaceValues, scanMessage, type Replacement, type Scanned } from './remap.ts';
import { createSharedChild, type Running, type SharedChildOptions } from './shared-child.ts';
import { createSubscriptions } from './subscriptions.ts';

export type ShareOptions = Omit<SharedChildOptions, 'onFrame' | 'onReady' | 'onLost'>;

/** One child for all clients. */
export interface Share {
  /** Starts the child ahead of the first client. Failures are those of the first call. */
  warm(): void;
  /** A link for one more client. */
  open(): Promise<Link>;
  close(): Promise<void>;
}

/** One client of the shared child. */
interface Tenant {
  deliver(frame: Frame): void;
  /** Least severity that it wants to hear; undefined = whatever comes. */
  level: number | undefined;
  isInitialized: boolean;
}

/** A request that the child has not answered. */
interface Call {
  readonly tenant: Tenant;
  readonly id: RequestId;
  readonly progressToken: RequestId | undefined;
  /** What is left to do when the answer is there. */
  readonly settled: ((isError: boolean) => void) | undefined;
}

/** A client that leaves this much unread while the others wait for nothing is cut off. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

/**
 * Shares one child between clients that know nothing of each other. Ids and progress tokens become numbers of ours; a
 * child is initialized once, without capabilities, so that it has no reason to ask; what cannot be told to belong to
 * one client reaches none.
 */
export function createShare(options: ShareOptions): Share {
  const { server, log } = options;
  const tenants = new Set<Tenant>();
  const calls = new Map<number, Call>();
  const subscriptions = createSubscriptions<Tenant>();
  const child = createSharedChild({ ...options, onFrame: fromChild, onReady: childReady, onLost: childLost });
  let nextId = 1;
  let childLevel: number | undefined;

  return { warm, open: async () => createTenantLink(), close: () => child.close() };

  // From the child

  function childReady(): void {
    for (const uri of subscriptions.uris()) child.tell('resources/subscribe', { uri });
    childLevel = undefined;
    raiseLevel();
  }

  /** A dead child never answers: fail its callers now. Their conversations go on with the next one. */
  function childLost(reason: RunError, wasReady: boolean): void {
    const lost = [...calls.values()];
    calls.clear();
    for (const { tenant, id } of lost) tenant.deliver(faultFrame(reason, id));
    // One that never got ready would not now, either: the next call tries again.
    if (wasReady && tenants.size > 0) warm();
  }

  function warm(): void {
    child.running().catch((error: unknown) => {
      log.debug({ event: 'server.restart-failed' }, toRunError(error).message);
    });
  }

  function fromChild(frame: Frame): void {
    const scanned = scanMessage(frame);
    if (scanned === undefined) {
      log.warn(
        { event: 'server.ambiguous-line' },
        'a message on stdout names its request twice or not at all, dropped',
      );
      return undefined;
    }
    const { id, method } = scanned;
    if (method === undefined) return answered(scanned);
    if (id !== undefined) return refuse(method, id);
    return notified(scanned, frame);
  }

  function answered(scanned: Scanned): void {
    const { id } = scanned;
    const call = typeof id === 'number' ? calls.get(id) : undefined;
    if (typeof id !== 'number' || call === undefined) {
      log.debug({ event: 'server.answer-dropped', id }, 'the server answered a request that is not open');
      return undefined;
    }
    calls.delete(id);
    call.settled?.(scanned.members.some(({ key }) => key === 'error'));
    const mine = replaceValues(scanned, [{ path: ['id'], value: call.id }]);
    return mine === undefined ? undefined : call.tenant.deliver(mine);
  }

  /** The child was told that its client has no capabilities; whom would we ask? */
  function refuse(method: string, id: RequestId): void {
    const answer =
      method === 'ping'
        ? frameOf({ id, result: {} })
        : faultFrame(new RunError('CLIENT_CANNOT', { method }), id);
    void child.send(answer);
  }

  function notified(scanned: Scanned, frame: Frame): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return progressed(scanned);
      case 'notifications/resources/updated': {
        const uri = readPath(scanned, 'params', 'uri');
        return typeof uri === 'string' ? deliverAll(subscriptions.subscribersOf(uri), frame) : undefined;
      }
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        return deliverAll(
          [...tenants].filter(({ isInitialized }) => isInitialized),
          frame,
        );
      case 'notifications/cancelled':
        return undefined;
      default:
        return toSoleCaller(scanned, frame);
    }
  }

  function progressed(scanned: Scanned): void {
    const token = readPath(scanned, 'params', 'progressToken');
    const call = typeof token === 'number' ? calls.get(token) : undefined;
    if (call?.progressToken === undefined) return undefined;
    const mine = replaceValues(scanned, [{ path: ['params', 'progressToken'], value: call.progressToken }]);
    return mine === undefined ? undefined : call.tenant.deliver(mine);
  }

  /** Log lines and the like carry no correlation: with one call running they are its, with several they are nobody's. */
  function toSoleCaller(scanned: Scanned, frame: Frame): void {
    const callers = new Set([...calls.values()].map(({ tenant }) => tenant));
    const [caller] = callers;
    if (caller === undefined || calls.size !== 1) {
      log.debug(
        { event: 'server.notification-dropped', method: scanned.method },
        'a notification belongs to no single call',
      );
      return undefined;
    }
    if (scanned.method === 'notifications/message' && caller.level !== undefined) {
      if (levelOf(readPath(scanned, 'params', 'level')) < caller.level) return undefined;
    }
    return caller.deliver(frame);
  }

  function deliverAll(receivers: Iterable<Tenant>, frame: Frame): void {
    for (const tenant of receivers) tenant.deliver(frame);
  }

  /** The child says what the most curious client wants to hear; the others have theirs filtered. */
  function raiseLevel(): void {
    const levels = [...tenants].flatMap(({ level }) => level ?? []);
    const wanted = levels.length === 0 ? undefined : Math.min(...levels);
    if (wanted === undefined || wanted === childLevel) return;
    childLevel = wanted;
    child.tell('logging/setLevel', { level: LOG_LEVELS[wanted] });
  }

  // A client

  function createTenantLink(): Link {
    let onframe: (frame: Frame) => void | Promise<void> = () => {};
    let onclose: (error?: Error) => void = () => {};
    let isOpen = true;
    let unread = 0;
    const tenant: Tenant = { deliver, level: undefined, isInitialized: false };
    tenants.add(tenant);

    return {
      peer: 'server',
      era: 'legacy',
      principal: 'child',
      can: { push: true, ask: true },
      send: (frame) => fromTenant(tenant, frame),
      onframe(handler) {
        onframe = handler;
      },
      onend() {},
      onclose(handler) {
        onclose = handler;
      },
      forget() {},
      close: async () => end(new RunError('UPSTREAM_CLOSED', { server })),
    };

    /** A client that does not read makes nobody wait but itself: the child goes on, up to a bound. */
    function deliver(frame: Frame): void {
      const wait = isOpen ? onframe(frame) : undefined;
      if (wait === undefined) return;
      unread += frame.bytes.length;
      void wait.then(() => {
        unread = 0;
      });
      if (unread > MAX_UNREAD_BYTES) end(new RunError('CLIENT_TOO_SLOW', { maxBytes: MAX_UNREAD_BYTES }));
    }

    function end(reason: RunError): void {
      if (!isOpen) return;
      isOpen = false;
      leave(tenant);
      onclose(reason);
    }
  }

  function fromTenant(tenant: Tenant, frame: Frame): void | Promise<void> {
    if (child.current !== undefined) return forward(tenant, frame, child.current);
    return child.running().then(
      (started) => forward(tenant, frame, started),
      (error: unknown) => {
        if (frame.kind === 'request') return tenant.deliver(faultFrame(toRunError(error), frame.id));
        return undefined;
      },
    );
  }

  function forward(tenant: Tenant, frame: Frame, { initialized }: Running): void | Promise<void> {
    switch (frame.kind) {
      case 'request':
        return request(tenant, frame, initialized);
      case 'notification':
        return notification(tenant, frame);
      case 'response':
        // The child was never let to ask.
        return undefined;
    }
  }

  function request(tenant: Tenant, frame: Frame, initialized: JsonRpcMessage): void | Promise<void> {
    const { params = {} } = frame.message;
    switch (frame.method) {
      case 'initialize':
        return tenant.deliver(replay(initialized, frame));
      case 'logging/setLevel':
        return setLevel(tenant, frame, initialized);
      case 'resources/subscribe':
        return subscribe(tenant, frame, String(params['uri']));
      case 'resources/unsubscribe':
        if (subscriptions.remove(String(params['uri']), tenant)) return call(tenant, frame);
        return tenant.deliver(frameOf({ id: frame.id ?? null, result: {} }));
      default:
        return call(tenant, frame);
    }
  }

  function call(tenant: Tenant, frame: Frame, settled?: (isError: boolean) => void): void | Promise<void> {
    if (frame.id === undefined) return undefined;
    const upstreamId = nextId;
    nextId += 1;
    const progressToken = progressTokenOf(frame);
    const replacements: Replacement[] = [{ path: ['id'], value: upstreamId }];
    if (progressToken !== undefined) {
      replacements.push({ path: ['params', '_meta', 'progressToken'], value: upstreamId });
    }
    const scanned = scanMessage(frame);
    const ours = scanned === undefined ? undefined : replaceValues(scanned, replacements);
    if (ours === undefined) {
      return tenant.deliver(
        faultFrame(new RunError('INVALID_REQUEST', { detail: 'a key is there twice' }), frame.id),
      );
    }
    calls.set(upstreamId, { tenant, id: frame.id, progressToken, settled });
    return child.send(ours);
  }

  function subscribe(tenant: Tenant, frame: Frame, uri: string): void | Promise<void> {
    subscriptions.add(uri, tenant);
    if (subscriptions.isConfirmed(uri)) return tenant.deliver(frameOf({ id: frame.id ?? null, result: {} }));
    return call(tenant, frame, (isError) => {
      if (isError) subscriptions.remove(uri, tenant);
      else subscriptions.confirm(uri);
    });
  }

  function setLevel(tenant: Tenant, frame: Frame, initialized: JsonRpcMessage): void | Promise<void> {
    const level = levelOf(frame.message.params?.['level']);
    // What the child does not offer or know, it refuses better than we could.
    if (level === -1 || !hasLogging(initialized)) return call(tenant, frame);
    tenant.level = level;
    raiseLevel();
    return tenant.deliver(frameOf({ id: frame.id ?? null, result: {} }));
  }

  function notification(tenant: Tenant, frame: Frame): void | Promise<void> {
    switch (frame.method) {
      case 'notifications/initialized':
        tenant.isInitialized = true;
        return undefined;
      case 'notifications/cancelled':
        return cancel(tenant, frame);
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
        return undefined;
      default:
        return child.send(frame);
    }
  }

  function cancel(tenant: Tenant, frame: Frame): void | Promise<void> {
    const requestId = frame.message.params?.['requestId'];
    for (const [upstreamId, open] of calls) {
      if (open.tenant !== tenant || open.id !== requestId) continue;
      calls.delete(upstreamId);
      const scanned = scanMessage(frame);
      const ours = scanned && replaceValues(scanned, [{ path: ['params', 'requestId'], value: upstreamId }]);
      return ours === undefined ? undefined : child.send(ours);
    }
    return undefined;
  }

  /** Nothing of a client that has left stays with the child. */
  function leave(tenant: Tenant): void {
    tenants.delete(tenant);
    const unwanted = subscriptions.removeAll(tenant);
    for (const [upstreamId, open] of calls) {
      if (open.tenant !== tenant) continue;
      calls.delete(upstreamId);
      const params = { requestId: upstreamId, reason: 'the client is gone' };
      void child.send(frameOf({ method: 'notifications/cancelled', params }));
    }
    for (const uri of unwanted) child.tell('resources/unsubscribe', { uri });
  }
}

/** The child's own answer to `initialize`, in the revision that this client asked for if that is an older one. */
function replay(initialized: JsonRpcMessage, request: Frame): Frame {
  const { result = {} } = initialized;
  const revisions: readonly unknown[] = LEGACY_REVISIONS;
  const requested = revisions.indexOf(request.message.params?.['protocolVersion']);
  const negotiated = revisions.indexOf(result['protocolVersion']);
  const protocolVersion = requested > negotiated ? LEGACY_REVISIONS[requested] : result['protocolVersion'];
  return frameOf({ id: request.id ?? null, result: { ...result, protocolVersion } });
}

function progressTokenOf(frame: Frame): RequestId | undefined {
  const meta = frame.message.params?.['_meta'];
  if (typeof meta !== 'object' || meta === null || !('progressToken' in meta)) return undefined;
  const token = meta.progressToken;
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}

function hasLogging({ result }: JsonRpcMessage): boolean {
  const capabilities = result?.['capabilities'];
  return typeof capabilities === 'object' && capabilities !== null && 'logging' in capabilities;
}

function levelOf(name: unknown): number {
  const levels: readonly unknown[] = LOG_LEVELS;
  return levels.indexOf(name);
}
