import type { AttributionMode } from '../../config/types.ts';
import { RunError } from '../../errors.ts';
import { readEnvelope } from '../../era/envelope.ts';
import { createRequestStates } from '../../era/request-state.ts';
import type { Log } from '../../observe/log.ts';
import { MODERN_REVISION } from '../../protocol/constants.ts';
import { isTooDeep } from '../../protocol/depth.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import type { ModernClient, ModernBackend } from '../modern-backend.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';
import { SendBufferLimit } from '../shared-process/send-buffer-limit.ts';
import { createLegacyProcess, type LegacyProcess } from './legacy-process.ts';
import { canonicalText, keyOf, type ProcessKey } from './key.ts';

export interface LegacyPoolOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Opens a process on behalf of a principal. Rejects with a RunError. */
  readonly openChild: (principal: string) => Promise<Link>;
  /** A process that runs already and was not initialized. */
  readonly first: Link | undefined;
  /** On whose behalf it was opened: no other principal gets it. The first that comes by default. */
  readonly principalOfFirst?: string;
  readonly initializeTimeoutMs: number;
  /** A process that nobody uses for so long is stopped. */
  readonly childIdleMs: number;
  readonly inputTtlMs: number;
  /** Calls that may wait for input, of all processes. */
  readonly maxParked: number;
  readonly attribution: AttributionMode;
  /** Processes that are kept ready. */
  readonly warm: number;
  /** What all clients together may leave unread before the worst of them is cut off. */
  readonly maxUnreadBytes: number;
  /** As `RouterOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly log: Log;
}

type Wait = void | Promise<void>;

/** Each has a process, and a client may declare whatever it likes. */
const MAX_VARIANTS = 8;
const MAX_PARKED_EACH = 16;
const MAX_LISTENS_EACH = 64;
/** Kinds of clients that processes are kept ready for. */
const MAX_WARM_KINDS = 4;
/** What revision 2026-07-28 has no requests for any more (changelog), whatever the server makes of them. */
const GONE = /^(?:initialize|ping|logging\/setLevel|resources\/(?:un)?subscribe|tasks\/.*)$/;

interface Entry {
  readonly server: LegacyProcess;
  usedAt: number;
  timer: NodeJS.Timeout | undefined;
}

interface PoolPortHandlers {
  fromClient(port: PoolPort, frame: Frame): Wait;
  onLeave(port: PoolPort): void;
}

class PoolPort extends ClientPort {
  readonly era = 'modern';
  readonly client: ModernClient;
  readonly #handlers: PoolPortHandlers;

  constructor(options: ClientPortOptions, client: ModernClient, handlers: PoolPortHandlers) {
    super(options);
    this.client = client;
    this.#handlers = handlers;
  }

  protected override fromClient(frame: Frame): Wait {
    return this.#handlers.fromClient(this, frame);
  }

  protected override onLeave(): void {
    this.#handlers.onLeave(this);
  }
}

/**
 * A server of a 2025 revision for clients of 2026-07-28: one process for each principal, set of capabilities and name of
 * a client, since a process is told once whom it serves. All requests of that client go to it, at the same time.
 */
export function createLegacyPool(options: LegacyPoolOptions): ModernBackend {
  const { server, log } = options;
  const states = createRequestStates();
  const ports = new Set<ClientPort>();
  const unread = new SendBufferLimit(options.maxUnreadBytes, log);
  const closed = new RunError('UPSTREAM_CLOSED', { server });
  const entries = new Map<string, Entry>();
  /** What each client has used, to be told when it goes. */
  const used = new Map<ClientPort, Set<LegacyProcess>>();
  /** By the capabilities that they were initialized with; the kind seen last is the last one. */
  const warm = new Map<string, LegacyProcess[]>();
  const handlers: PoolPortHandlers = { fromClient, onLeave };
  let { first } = options;
  let closing: Promise<void> | undefined;
  first?.onclose(() => (first = undefined));
  const firstTimer = setTimeout(endFirst, options.childIdleMs);
  firstTimer.unref();

  return {
    get pending() {
      let pending = 0;
      for (const { server: held } of entries.values()) pending += held.running + held.parked;
      return pending;
    },
    open(client) {
      const { principal } = client;
      const port = new PoolPort({ principal, unread, closed }, client, handlers);
      ports.add(port);
      return port;
    },
    evictIdle: endIdlest,
    close(reason) {
      closing ??= shut(reason);
      return closing;
    },
  };

  function fromClient(port: PoolPort, frame: Frame): Wait {
    switch (frame.kind) {
      case 'request':
        return request(port, frame, port.client);
      case 'notification':
        return notify(port, frame);
      case 'response':
        // It was asked nothing that is answered so.
        return undefined;
    }
  }

  function request(port: ClientPort, frame: Frame, client: ModernClient): Wait {
    const { id, method = '' } = frame;
    const reading = readEnvelope(frame.message);
    const refuse = (error: RunError): void => port.deliver(faultFrame(error, id));
    if (isTooDeep(frame.bytes))
      return refuse(new RunError('INVALID_REQUEST', { detail: 'nested too deeply' }));
    if ('fault' in reading) return refuse(new RunError('INVALID_METADATA', { detail: reading.fault }));
    const { envelope } = reading;
    const { protocolVersion: requested } = envelope;
    if (requested !== MODERN_REVISION)
      return refuse(new RunError('UNSUPPORTED_REVISION', { requested, supported: MODERN_REVISION }));
    if (GONE.test(method)) return refuse(new RunError('METHOD_NOT_FOUND', { method, why: '' }));
    if (closing !== undefined) return refuse(new RunError('SHUTTING_DOWN'));
    const entry = entryOf(keyOf(client, envelope));
    if (entry === undefined) return refuse(new RunError('TOO_MANY_VARIANTS', { max: MAX_VARIANTS }));
    entry.usedAt = Date.now();
    clearTimeout(entry.timer);
    const servers = used.get(port);
    if (servers === undefined) used.set(port, new Set([entry.server]));
    else servers.add(entry.server);
    return entry.server.request(port, frame, envelope);
  }

  async function notify(port: ClientPort, frame: Frame): Promise<void> {
    for (const held of used.get(port) ?? []) await held.notify(port, frame);
  }

  function onLeave(port: ClientPort): void {
    ports.delete(port);
    for (const held of used.get(port) ?? []) held.leave(port);
    used.delete(port);
  }

  // Processes

  /** @returns undefined if the principal has too many of them */
  function entryOf(key: ProcessKey): Entry | undefined {
    const known = entries.get(key.text);
    if (known !== undefined) return known;
    const own = [...entries.values()].filter(({ server: held }) => held.key.principal === key.principal);
    if (own.length >= MAX_VARIANTS && !endIdlest(key.principal)) return undefined;
    const entry: Entry = { server: takeWarm(key) ?? createHeld(key), usedAt: Date.now(), timer: undefined };
    entries.set(key.text, entry);
    return entry;
  }

  function createHeld(key: ProcessKey): LegacyProcess {
    const held: LegacyProcess = createLegacyProcess(key, {
      server,
      version: options.version,
      initializeTimeoutMs: options.initializeTimeoutMs,
      ...(options.remarkSince !== undefined && { remarkSince: options.remarkSince }),
      inputTtlMs: options.inputTtlMs,
      maxParked: MAX_PARKED_EACH,
      maxListens: MAX_LISTENS_EACH,
      attribution: options.attribution,
      states,
      openChild: () => openChild(held.key.principal),
      onPark: dropOldestParked,
      onIdle: () => rest(held),
      log,
    });
    return held;
  }

  async function openChild(principal: string): Promise<Link> {
    const { principalOfFirst = principal } = options;
    return (principal === principalOfFirst ? takeFirst() : undefined) ?? (await options.openChild(principal));
  }

  function takeFirst(): Link | undefined {
    const taken = first;
    first = undefined;
    clearTimeout(firstTimer);
    return taken;
  }

  /** Its principal has not come back for it. */
  function endFirst(): boolean {
    const unused = takeFirst();
    unused?.onclose(() => {});
    void unused?.close(closed);
    return unused !== undefined;
  }

  function rest(held: LegacyProcess): void {
    const entry = entries.get(held.key.text);
    if (entry?.server !== held) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => end(entry), options.childIdleMs);
    entry.timer.unref();
  }

  function endIdlest(principal: string): boolean {
    let idlest: Entry | undefined;
    for (const entry of entries.values()) {
      const { server: held, usedAt } = entry;
      if (held.key.principal !== principal || !held.isIdle) continue;
      if (idlest === undefined || usedAt < idlest.usedAt) idlest = entry;
    }
    if (idlest === undefined) return principal === options.principalOfFirst && endFirst();
    end(idlest);
    return true;
  }

  function end(entry: Entry): void {
    if (!entry.server.isIdle) return;
    clearTimeout(entry.timer);
    entries.delete(entry.server.key.text);
    void entry.server.close(closed);
  }

  function dropOldestParked(): void {
    let parked = 0;
    for (const { server: held } of entries.values()) parked += held.parked;
    if (parked <= options.maxParked) return;
    for (const { server: held } of entries.values()) {
      if (held.parked === 0) continue;
      held.dropOldestParked();
      return;
    }
  }

  // Processes that are ready before their client comes

  /** One that was initialized with the same capabilities; under what name matters to nobody. */
  function takeWarm(key: ProcessKey): LegacyProcess | undefined {
    if (options.warm === 0 || 'roots' in key.capabilities) return undefined;
    const kind = canonicalText(key.capabilities);
    const ready = warm.get(kind)?.shift();
    setImmediate(() => refill(kind, key));
    if (ready === undefined) return undefined;
    ready.adopt(key);
    return ready;
  }

  function refill(kind: string, { capabilities }: ProcessKey): void {
    if (closing !== undefined) return;
    const ready = warm.get(kind) ?? [];
    warm.delete(kind);
    warm.set(kind, ready);
    while (ready.length < options.warm) {
      const clientInfo = { name: 'mcp-run', version: options.version };
      const held = createHeld({ text: '', principal: '', capabilities, clientInfo });
      held.warmUp();
      ready.push(held);
    }
    for (const [oldest, unused] of warm) {
      if (warm.size <= MAX_WARM_KINDS) break;
      warm.delete(oldest);
      for (const held of unused) void held.close(closed);
    }
  }

  async function shut(reason: RunError): Promise<void> {
    const held = [...entries.values()].map((entry) => entry.server).concat([...warm.values()].flat());
    for (const { timer } of entries.values()) clearTimeout(timer);
    await Promise.all(held.map((one) => one.close(reason)));
    await takeFirst()?.close(reason);
    for (const port of ports) port.end(reason);
  }
}
