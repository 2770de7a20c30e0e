import { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';
import type { RequestId } from '../../protocol/request-id.ts';
import { scanMessage, valueAt, type Scanned } from '../../protocol/rewrite.ts';
import { severityOf } from '../log-levels.ts';
import { hasLogging, replayInitialize } from '../shared-process/initialize-replay.ts';
import {
  ManagedProcess,
  type ManagedProcessOptions,
  type Running,
} from '../shared-process/managed-process.ts';
import { Restarter } from '../shared-process/restarter.ts';
import { Subscriptions } from '../shared-process/subscriptions.ts';
import { LegacyPort } from './legacy-port.ts';
import { Multiplexer, type MultiplexerOptions, type Wait } from './multiplexer.ts';
import { ProcessSetup } from './process-setup.ts';
import { withoutTask } from './task.ts';

export interface LegacyMultiplexerOptions
  extends
    MultiplexerOptions,
    Pick<ManagedProcessOptions, 'version' | 'initializeParams' | 'initializeTimeoutMs' | 'remarkSince'> {
  /** A process that dies sooner is not started anew sooner, except by a client's call; a second by default. */
  readonly minLifeMs?: number;
}

const MIN_LIFE_MS = 1_000;

/**
 * One process of a server with a handshake for all clients. It is initialized once, without capabilities, so that it has no
 * reason to send requests.
 */
export class LegacyMultiplexer extends Multiplexer<LegacyPort, Running> {
  protected override readonly process: ManagedProcess;
  readonly #restarter: Restarter;
  readonly #subscriptions = new Subscriptions<LegacyPort>();
  readonly #setup: ProcessSetup;

  constructor(options: LegacyMultiplexerOptions) {
    super(options);
    const { minLifeMs = MIN_LIFE_MS, log, clock } = options;
    this.process = new ManagedProcess({ ...options, ...this.lifeOptions() });
    this.#setup = new ProcessSetup({
      process: this.process,
      ports: this.ports,
      subscriptions: this.#subscriptions,
      log,
    });
    this.#restarter = new Restarter({
      start: () => this.process.running(),
      minLifeMs,
      log,
      clock,
    });
  }

  /** Starts the process ahead of the first client, and again whenever it has died. Failures are those of the first call. */
  keep(): void {
    this.#restarter.keep();
  }

  /** A link for one more client. @param isSession whether its end says anything about the client; yes by default */
  open({ isSession }: { readonly isSession: boolean } = { isSession: true }): Link {
    // Its messages name no principal.
    const port = new LegacyPort(this, this.portOptions(''), isSession);
    this.ports.add(port);
    this.busy();
    return port;
  }

  override async close(reason?: RunError): Promise<void> {
    this.#restarter.stop();
    await super.close(reason);
  }

  // From the clients

  protected override forward(port: LegacyPort, frame: Frame, running: Running): Wait {
    if (port.isOpen && frame.method === 'initialize')
      return port.deliver(replayInitialize(running.initialized, frame));
    return super.forward(port, frame, running);
  }

  protected override onClientRequest(
    port: LegacyPort,
    frame: Frame,
    scanned: Scanned,
    { initialized }: Running,
  ): Wait {
    const { method = '' } = frame;
    // A task belongs to the client that started it, and nothing in these requests says which one that is.
    if (method.startsWith('tasks/'))
      return port.deliver(faultFrame(new RunError('NOT_SHARED', { method }), frame.id));
    switch (method) {
      case 'logging/setLevel':
        return this.#setLevel(port, frame, scanned, initialized);
      case 'resources/subscribe':
        return this.#subscribe(port, frame, scanned);
      case 'resources/unsubscribe':
        return this.#unsubscribe(port, frame, scanned);
      case 'tools/call':
        return this.#callTool(port, frame, scanned);
      default:
        return this.#call(port, frame, scanned);
    }
  }

  /** A task would go on after the call, for a client that cannot ask for it: it is called as any other tool. */
  #callTool(port: LegacyPort, frame: Frame, scanned: Scanned): Wait {
    if (scanned.find('params.task') === undefined) return this.#call(port, frame, scanned);
    const plain = withoutTask(frame);
    const again = scanMessage(plain);
    return again === undefined ? this.rejectAmbiguous(port, frame) : this.#call(port, plain, again);
  }

  #call(port: LegacyPort, frame: Frame, scanned: Scanned, onSettled?: (isError: boolean) => void): Wait {
    const request = this.requestOf(port, frame, scanned, 'call');
    if (request === undefined) return undefined;
    request.onSettled = onSettled;
    port.hasCalled = true;
    return this.sendRequest(request, scanned);
  }

  #subscribe(port: LegacyPort, frame: Frame, scanned: Scanned): Wait {
    const uri = valueAt(scanned, 'params.uri');
    if (typeof uri !== 'string') return this.#call(port, frame, scanned);
    this.#subscriptions.add(uri, port);
    if (this.#subscriptions.isConfirmed(uri)) return this.#accept(port, frame);
    return this.#call(port, frame, scanned, (isError) => {
      if (isError) this.#subscriptions.remove(uri, port);
      else this.#subscriptions.confirm(uri);
    });
  }

  #unsubscribe(port: LegacyPort, frame: Frame, scanned: Scanned): Wait {
    const uri = valueAt(scanned, 'params.uri');
    const isLast = typeof uri === 'string' && this.#subscriptions.remove(uri, port);
    return isLast ? this.#call(port, frame, scanned) : this.#accept(port, frame);
  }

  #setLevel(port: LegacyPort, frame: Frame, scanned: Scanned, initialized: JsonRpcMessage): Wait {
    const level = severityOf(valueAt(scanned, 'params.level'));
    // A level that the server does not offer or know is rejected by the server itself, which knows better why.
    if (level === -1 || !hasLogging(initialized)) return this.#call(port, frame, scanned);
    this.#setup.setLevel(port, level);
    return this.#accept(port, frame);
  }

  #accept(port: LegacyPort, frame: Frame): void {
    port.deliver(frameOf({ id: frame.id ?? null, result: {} }));
  }

  protected override onClientNotification(port: LegacyPort, frame: Frame, scanned: Scanned): Wait {
    switch (frame.method) {
      case 'notifications/initialized':
        port.isInitialized = true;
        return undefined;
      case 'notifications/cancelled':
        return this.cancelRequest(port, scanned);
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
        return undefined;
      default:
        return this.process.send(frame);
    }
  }

  /** Nothing of a client that has left stays with the server, but the work that it has begun may go on there. */
  override onLeave(port: LegacyPort): void {
    if (port.isSession && port.hasCalled) this.requests.suspect(port);
    super.onLeave(port);
    this.#setup.remove(port);
    this.checkIdle();
  }

  // From the server

  /** The server was told that its client has no capabilities. */
  protected override onServerRequest(method: string, id: RequestId): void {
    const isPing = method === 'ping';
    void this.process.send(
      isPing ? frameOf({ id, result: {} }) : faultFrame(new RunError('CLIENT_CANNOT', { method }), id),
    );
  }

  protected override onServerNotification(
    scanned: Scanned,
    frame: Frame,
    relatedRequestId: RequestId | undefined,
  ): void {
    switch (scanned.method) {
      case 'notifications/progress':
        return this.deliverProgress(scanned);
      case 'notifications/resources/updated':
        return this.#deliverUpdate(scanned, frame);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        return this.#deliverToInitialized(frame);
      case 'notifications/cancelled':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return this.#deliverToCaller(scanned, frame, relatedRequestId);
    }
  }

  #deliverUpdate(scanned: Scanned, frame: Frame): void {
    const uri = valueAt(scanned, 'params.uri');
    if (typeof uri !== 'string') return;
    for (const port of this.#subscriptions.subscribersOf(uri)) port.deliver(frame);
  }

  #deliverToInitialized(frame: Frame): void {
    for (const port of this.ports.values()) if (port.isInitialized) port.deliver(frame);
  }

  /**
   * Log lines carry no correlation: they belong to the only client that has calls running. They are dropped if they may as
   * well be about another client's work: if its calls have overlapped with these, or if its work may have outlived its call.
   * That the stream of a call has brought a message proves little, since the server may have guessed the stream.
   */
  #deliverToCaller(scanned: Scanned, frame: Frame, relatedRequestId: RequestId | undefined): void {
    const caller = this.#callerOf(relatedRequestId);
    if (caller === undefined) return this.dropNotification(scanned);
    if (scanned.method === 'notifications/message' && caller.level !== undefined) {
      if (severityOf(valueAt(scanned, 'params.level')) < caller.level) return undefined;
    }
    return caller.deliver(frame);
  }

  #callerOf(relatedRequestId: RequestId | undefined): LegacyPort | undefined {
    const sole = this.requests.candidates()[0]?.port;
    if (sole === undefined || this.#subscriptions.hasOther(sole)) return undefined;
    const isItsOwn = relatedRequestId === undefined || this.requests.get(relatedRequestId)?.port === sole;
    return isItsOwn ? sole : undefined;
  }

  // The life of the process

  protected override get isIdle(): boolean {
    return this.ports.size === 0;
  }

  /** What the clients have set up with the process before is set up with this one. */
  protected override onReady(): void {
    this.#setup.renew();
    super.onReady();
  }

  protected override onLost(reason: RunError, wasReady: boolean): void {
    super.onLost(reason, wasReady);
    // A start that failed ends as such.
    if (wasReady) this.#restarter.lost();
  }

  protected override endProcess(): void {
    this.process.stop();
  }
}
