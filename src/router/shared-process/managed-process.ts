import { isJson } from '../../era/json.ts';
import { RunError, timeoutError, toRunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { LEGACY_REVISIONS, OWN_ID } from '../../protocol/constants.ts';
import { forParent, upstreamError } from '../../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';

export interface ManagedProcessOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** What it is told of its clients; nothing but our own name by default. */
  readonly initializeParams?: Readonly<Record<string, unknown>>;
  readonly initializeTimeoutMs: number;
  /** Opens the child, or the next one after it has died. Rejects with a RunError. */
  readonly openUpstream: () => Promise<Link>;
  /** Everything that is not the answer to a request of our own. @param relatedRequestId the request that it belongs to, where the link knows */
  readonly onFrame: (frame: Frame, relatedRequestId?: RequestId) => void;
  /** A child has been initialized; tell it what its clients had asked the one before. */
  readonly onReady: () => void;
  readonly onLost: (reason: RunError, wasReady: boolean) => void;
  /** The process has ended, or has not started. */
  readonly onStopped?: () => void;
  /** As `RouterOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly log: Log;
}

export interface Running {
  readonly link: Link;
  /** Its answer to `initialize`. */
  readonly initialized: JsonRpcMessage;
}

/** The life of a child that several clients share: initialized once, without capabilities, and started anew when it has died. */
export interface ManagedProcess {
  /** Undefined while there is none that is initialized. */
  readonly current: Running | undefined;
  /** The child, started if need be. Rejects with a RunError. */
  running(): Promise<Running>;
  /** Sends a frame, if there is a child; one that is only being initialized, too. */
  send(frame: Frame): void | Promise<void>;
  /** Asks it something of our own. Rejects with a RunError when it ends first, or does not answer in time. */
  ask(method: string, params: Readonly<Record<string, unknown>>): Promise<JsonRpcMessage>;
  /** Whether there is no process, not even one that is starting or ending. */
  readonly isStopped: boolean;
  /** Ends the process; the next one is started when it is needed. */
  stop(): void;
  close(): Promise<void>;
}

interface Pending {
  readonly method: string;
  readonly resolve: (answer: JsonRpcMessage) => void;
  readonly reject: (error: RunError) => void;
}

export function createManagedProcess(options: ManagedProcessOptions): ManagedProcess {
  const { server } = options;
  const pending = new Map<string, Pending>();
  let nextId = 1;
  let starting: Promise<Running> | undefined;
  let current: Running | undefined;
  /** From the moment it is open, before it is initialized. */
  let link: Link | undefined;
  /** One that serves no more may still run for a while: the next one must not start beside it. */
  let ending: Promise<void> | undefined;
  let isClosed = false;

  return {
    get current() {
      return current;
    },
    running,
    send: (frame) => link?.send(frame),
    ask,
    get isStopped() {
      return link === undefined && starting === undefined && ending === undefined;
    },
    stop: () => (link === undefined ? undefined : lost(new RunError('UPSTREAM_CLOSED', { server }))),
    async close() {
      isClosed = true;
      await (link?.close() ?? ending);
      // One that was being started closes by itself, but not at once.
      await starting?.catch(() => {});
    },
  };

  function running(): Promise<Running> {
    starting ??= start().catch((error: unknown) => {
      // Not before: the next one must not start while this one is still being stopped.
      starting = undefined;
      options.onStopped?.();
      throw error;
    });
    return starting;
  }

  async function start(): Promise<Running> {
    if (ending !== undefined) await ending;
    refuseWhenClosed();
    const opened = await options.openUpstream();
    link = opened;
    opened.onclose((error) => {
      if (link === opened) lost(toRunError(error ?? new RunError('UPSTREAM_CLOSED', { server })));
    });
    opened.onframe(receive);
    const initialized = await initialize(opened);
    void opened.send(frameOf({ method: 'notifications/initialized' }));
    current = { link: opened, initialized };
    options.onReady();
    return current;
  }

  /** A child that cannot be initialized is of no use to anybody. */
  async function initialize(opened: Link): Promise<JsonRpcMessage> {
    try {
      refuseWhenClosed();
      const answer = await ask('initialize', options.initializeParams ?? nobody());
      if (answer.error !== undefined)
        throw new RunError('UPSTREAM_ERROR', { server, method: 'initialize', detail: answer.error.message });
      requireReplayable(answer);
      return answer;
    } catch (error) {
      await opened.close(toRunError(error));
      throw error;
    }
  }

  /** Without capabilities it has no reason to ask: there would be no telling whom. */
  function nobody(): Readonly<Record<string, unknown>> {
    const clientInfo = { name: 'mcp-run', version: options.version };
    return { protocolVersion: LEGACY_REVISIONS[0], capabilities: {}, clientInfo };
  }

  /** Every client is going to be told what it says. */
  function requireReplayable({ result }: JsonRpcMessage): void {
    if (!isJson(result)) throw new RunError('MALFORMED_ANSWER', { server, method: 'initialize' });
    try {
      frameOf({ result });
    } catch (error) {
      throw new RunError('MALFORMED_ANSWER', { server, method: 'initialize' }, { cause: error });
    }
  }

  function refuseWhenClosed(): void {
    if (isClosed) throw new RunError('SHUTTING_DOWN');
  }

  async function ask(method: string, params: Readonly<Record<string, unknown>>): Promise<JsonRpcMessage> {
    if (link === undefined) throw new RunError('UPSTREAM_CLOSED', { server });
    const id = `${OWN_ID}${nextId}`;
    nextId += 1;
    const answer = new Promise<JsonRpcMessage>((resolve, reject) =>
      pending.set(id, { method, resolve, reject }),
    );
    const timeoutMs = options.initializeTimeoutMs;
    const startedAt = Date.now();
    const timer = setTimeout(() => {
      const remark = options.remarkSince?.(method === 'initialize' ? 0 : startedAt);
      pending.get(id)?.reject(timeoutError({ server, method, timeoutMs }, [remark]));
    }, timeoutMs);
    void link.send(frameOf({ id, method, params: { ...params } }));
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      pending.delete(id);
    }
  }

  function receive(frame: Frame, relatedRequestId?: RequestId): void {
    const own = frame.kind === 'response' && typeof frame.id === 'string' ? pending.get(frame.id) : undefined;
    if (own === undefined) return options.onFrame(frame, relatedRequestId);
    try {
      // What is ours to say differs between those it may reach.
      if (forParent(frame) === frame) own.resolve(frame.message);
      else own.reject(upstreamError(server, own.method, frame));
    } catch (error) {
      own.reject(new RunError('MALFORMED_ANSWER', { server, method: 'a request of ours' }, { cause: error }));
    }
  }

  function lost(reason: RunError): void {
    const wasReady = current !== undefined;
    // A start that fails ends as such.
    if (wasReady) starting = undefined;
    current = undefined;
    ending = link?.close().finally(ended);
    link = undefined;
    for (const { reject } of pending.values()) reject(reason);
    options.onLost(reason, wasReady);
  }

  function ended(): void {
    ending = undefined;
    options.onStopped?.();
  }
}
