import type { Clock } from '../../clock.ts';
import type { AttributionMode } from '../../config/types.ts';
import { RunError } from '../../errors.ts';
import { readEnvelope, type Envelope } from '../../era/envelope.ts';
import { RequestStates } from '../../era/request-state.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { MODERN_REVISION } from '../../protocol/constants.ts';
import { isTooDeep } from '../../protocol/depth.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { ModernBackend, ModernClient } from '../modern-backend.ts';
import type { ClientPortOptions } from '../shared-process/client-port.ts';
import { PortSet } from '../shared-process/port-set.ts';
import { SendBufferLimit } from '../shared-process/send-buffer-limit.ts';
import { FirstProcess } from './first-process.ts';
import { ProcessKeys, type ProcessKey } from './key.ts';
import { LegacyProcess } from './legacy-process.ts';
import { PoolPort, type PortOwner } from './pool-port.ts';
import { PrewarmedProcesses } from './prewarmed-processes.ts';
import { ProcessTable } from './process-table.ts';

export interface ProcessPoolOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Opens a process on behalf of a principal. Rejects with a RunError. */
  readonly openChild: (principalId: string) => Promise<Link>;
  /** A process that runs already and was not initialized. */
  readonly first: Link | undefined;
  /** The principal that the first process was opened for: no other one gets it. Any principal by default. */
  readonly principalIdOfFirst?: string;
  readonly initializeTimeoutMs: number;
  /** A process without requests for so long is stopped. */
  readonly childIdleMs: number;
  readonly inputTtlMs: number;
  /** Calls that may wait for input, of all processes. */
  readonly maxSuspended: number;
  readonly attribution: AttributionMode;
  /** Processes that are prewarmed for each kind of client. */
  readonly warm: number;
  /** Bytes that all clients together may leave unread before the slowest one is disconnected. */
  readonly maxUnreadBytes: number;
  /** As `RouterOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Processes of one principal: each combination of capabilities and client name needs one. */
const MAX_VARIANTS = 8;
/** Suspended calls of one process. */
const MAX_SUSPENDED_EACH = 16;
/** Subscriptions of one process. */
const MAX_SUBSCRIPTIONS_EACH = 64;
/** Requests of the revisions before 2026-07-28 (its changelog), even if the server knows them. */
const REMOVED_METHOD = /^(?:initialize|ping|logging\/setLevel|resources\/(?:un)?subscribe|tasks\/.*)$/;

/**
 * A server of a 2025 revision for clients of 2026-07-28: one process for each principal, set of capabilities and client
 * name, since a process is initialized for one client. All requests of that client go to it, at the same time.
 */
class ProcessPool implements ModernBackend, PortOwner {
  readonly #options: ProcessPoolOptions;
  readonly #clock: Clock;
  readonly #states = new RequestStates();
  readonly #keys = new ProcessKeys();
  readonly #ports = new PortSet<PoolPort>();
  readonly #unread: SendBufferLimit;
  readonly #closed: RunError;
  readonly #processes: ProcessTable;
  readonly #prewarmed: PrewarmedProcesses;
  readonly #first: FirstProcess;
  #closing: Promise<void> | undefined;

  constructor(options: ProcessPoolOptions) {
    const { server, version, childIdleMs: idleMs, warm, maxUnreadBytes, clock, log } = options;
    this.#options = options;
    this.#clock = clock;
    this.#unread = new SendBufferLimit(maxUnreadBytes, log);
    const closed = new RunError('UPSTREAM_CLOSED', { server });
    this.#closed = closed;
    const end = (process: LegacyProcess): void => void process.close(closed);
    this.#processes = new ProcessTable({ idleMs, end, clock });
    this.#prewarmed = new PrewarmedProcesses({
      count: warm,
      version,
      create: (key) => this.#createProcess(key),
      end,
      clock,
    });
    this.#first = new FirstProcess({ principalId: options.principalIdOfFirst, idleMs, closed, clock });
  }

  get pending(): number {
    return this.#processes.pending;
  }

  /** The first process that the server needs is this one. */
  keepFirst(link: Link): void {
    this.#first.keep(link);
  }

  open(client: ModernClient): Link {
    const port = new PoolPort(this.#portOptions(client), client, this);
    this.#ports.add(port);
    return port;
  }

  evictIdle(principalId: string): boolean {
    return this.#processes.evictIdle(principalId) || this.#first.evictFor(principalId);
  }

  close(reason: RunError): Promise<void> {
    this.#closing ??= this.#shutDown(reason);
    return this.#closing;
  }

  receive(port: PoolPort, frame: Frame): void | Promise<void> {
    switch (frame.kind) {
      case 'request':
        return this.#request(port, frame);
      case 'notification':
        return port.notifyProcesses(frame);
      case 'response':
        // Revision 2026-07-28 has no requests to clients.
        return undefined;
    }
  }

  remove(port: PoolPort): void {
    this.#ports.delete(port);
  }

  #request(port: PoolPort, frame: Frame): void | Promise<void> {
    const envelope = this.#acceptedEnvelope(frame);
    const process = this.#processOf(this.#keys.of(port.client, envelope));
    port.addProcess(process);
    return process.request(port, frame, envelope);
  }

  /** @throws RunError if the request is rejected before a process gets it */
  #acceptedEnvelope(frame: Frame): Envelope {
    const { method = '' } = frame;
    const reading = readEnvelope(frame.message);
    if (isTooDeep(frame.bytes)) throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' });
    if ('fault' in reading) throw new RunError('INVALID_METADATA', { detail: reading.fault });
    const { envelope } = reading;
    const { protocolVersion: requested } = envelope;
    if (requested !== MODERN_REVISION)
      throw new RunError('UNSUPPORTED_REVISION', { requested, supported: MODERN_REVISION });
    if (REMOVED_METHOD.test(method)) throw new RunError('METHOD_NOT_FOUND', { method, why: '' });
    if (this.#closing !== undefined) throw new RunError('SHUTTING_DOWN');
    return envelope;
  }

  /** @throws RunError `TOO_MANY_VARIANTS` if the principal has too many processes, and none is idle */
  #processOf(key: ProcessKey): LegacyProcess {
    const { principalId } = key;
    const known = this.#processes.use(key.text);
    if (known !== undefined) return known;
    if (this.#processes.countOf(principalId) >= MAX_VARIANTS && !this.evictIdle(principalId))
      throw new RunError('TOO_MANY_VARIANTS', { max: MAX_VARIANTS });
    const process = this.#prewarmed.take(key) ?? this.#createProcess(key);
    this.#processes.add(process);
    return process;
  }

  #createProcess(key: ProcessKey): LegacyProcess {
    const { server, version, initializeTimeoutMs, inputTtlMs, attribution, log } = this.#options;
    const { remarkSince, maxSuspended } = this.#options;
    return new LegacyProcess(key, {
      server,
      version,
      initializeTimeoutMs,
      ...(remarkSince !== undefined && { remarkSince }),
      inputTtlMs,
      maxSuspended: MAX_SUSPENDED_EACH,
      maxSubscriptions: MAX_SUBSCRIPTIONS_EACH,
      attribution,
      states: this.#states,
      openChild: async (principalId) =>
        this.#first.takeFor(principalId) ?? (await this.#options.openChild(principalId)),
      onSuspend: () => this.#processes.limitSuspended(maxSuspended),
      onIdle: (process) => this.#processes.markIdle(process),
      clock: this.#clock,
      log,
    });
  }

  #portOptions({ principalId }: ModernClient): ClientPortOptions {
    return { principalId, unread: this.#unread, closed: this.#closed };
  }

  async #shutDown(reason: RunError): Promise<void> {
    const processes = [...this.#processes.close(), ...this.#prewarmed.close()];
    await Promise.all(processes.map((process) => process.close(reason)));
    await this.#first.close(reason);
    for (const port of this.#ports.values()) port.end(reason);
  }
}

/** Opens nothing by itself. */
export function createProcessPool(options: ProcessPoolOptions): ModernBackend {
  const pool = new ProcessPool(options);
  if (options.first !== undefined) pool.keepFirst(options.first);
  return pool;
}
