import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { cancellationFrame } from '../../protocol/cancellation.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import {
  replaceValues,
  scanMessage,
  textAt,
  valueAt,
  type Replacement,
  type Scanned,
} from '../../protocol/rewrite.ts';
import type { ClientPort, ClientPortOptions } from '../shared-process/client-port.ts';
import { IdleTimer } from '../shared-process/idle-timer.ts';
import { InFlightRequest, type RequestScope } from '../shared-process/in-flight-request.ts';
import { InFlightRequests } from '../shared-process/in-flight.ts';
import { outlivedMs } from '../shared-process/outlived.ts';
import { PortSet } from '../shared-process/port-set.ts';
import type { ProcessLife, ProcessLifeOptions, RunningProcess } from '../shared-process/process-life.ts';
import { scanFromServer } from '../shared-process/scan-from-server.ts';
import { SendBufferLimit } from '../shared-process/send-buffer-limit.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';

export type Wait = void | Promise<void>;

export interface MultiplexerOptions {
  readonly server: string;
  /** Opens the process, or the next one after it has ended. Rejects with a RunError. */
  readonly openUpstream: () => Promise<Link>;
  /** What all clients together may leave unread before the slowest of them is disconnected. */
  readonly maxUnreadBytes: number;
  /** What the clients of other processes leave unread counts as well. */
  readonly unread?: SendBufferLimit;
  /** A process that has been idle for so long is stopped; never by default. */
  readonly idleMs?: number;
  /** Called when there is neither a client nor a process. */
  readonly onUnused?: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * One process for clients of its own era that know nothing of each other. Ids and progress tokens become numbers of ours, and
 * an answer goes to the client that waits for it; a message that cannot be told to belong to one client reaches none.
 */
export abstract class Multiplexer<P extends ClientPort, R extends RunningProcess> {
  protected readonly server: string;
  protected readonly log: Log;
  protected readonly closed: RunError;
  protected readonly ports = new PortSet<P>();
  protected readonly requests: InFlightRequests<P>;
  protected abstract readonly process: ProcessLife<R>;
  readonly #options: MultiplexerOptions;
  readonly #unread: SendBufferLimit;
  readonly #unmatched: UnmatchedAnswers;
  readonly #idleTimer: IdleTimer | undefined;

  constructor(options: MultiplexerOptions) {
    const { server, log, maxUnreadBytes, idleMs, clock } = options;
    this.server = server;
    this.log = log;
    this.closed = new RunError('UPSTREAM_CLOSED', { server });
    this.requests = new InFlightRequests<P>(clock);
    this.#options = options;
    this.#unread = options.unread ?? new SendBufferLimit(maxUnreadBytes, log);
    this.#unmatched = new UnmatchedAnswers(log, clock);
    this.#idleTimer = idleMs === undefined ? undefined : new IdleTimer(clock, idleMs, () => this.endIdle());
  }

  /** Whether the process has nothing to do, so that it may be stopped. */
  protected abstract get isIdle(): boolean;

  // From the clients

  protected abstract onClientRequest(port: P, frame: Frame, scanned: Scanned, running: R): Wait;
  protected abstract onClientNotification(port: P, frame: Frame, scanned: Scanned): Wait;

  protected portOptions(principalId: string): ClientPortOptions {
    return { principalId, unread: this.#unread, closed: this.closed };
  }

  fromClient(port: P, frame: Frame): Wait {
    const { current } = this.process;
    return current === undefined ? this.#startFor(port, frame) : this.forward(port, frame, current);
  }

  async #startFor(port: P, frame: Frame): Promise<void> {
    const running = await this.process.running();
    if (this.process.current !== running) throw this.closed;
    await this.forward(port, frame, running);
  }

  protected forward(port: P, frame: Frame, running: R): Wait {
    // The client may have left while the process was starting. And the server sends no requests, so there is nothing to answer.
    if (!port.isOpen || frame.kind === 'response') return undefined;
    // JSON.parse reads the last of two keys, but a server may read the first: it has to mean the same to both.
    const scanned = scanMessage(frame);
    if (scanned === undefined) return this.rejectAmbiguous(port, frame);
    return frame.kind === 'request'
      ? this.onClientRequest(port, frame, scanned, running)
      : this.onClientNotification(port, frame, scanned);
  }

  protected rejectAmbiguous(port: P, frame: Frame): void {
    if (frame.kind !== 'request') return;
    const detail = 'a key is there twice, or in two spellings';
    port.deliver(faultFrame(new RunError('INVALID_REQUEST', { detail }), frame.id));
  }

  /** @returns undefined for a message without an id */
  protected requestOf(
    port: P,
    frame: Frame,
    scanned: Scanned,
    scope: RequestScope,
  ): InFlightRequest<P> | undefined {
    const idText = textAt(scanned, 'id');
    if (frame.id === undefined || idText === undefined) return undefined;
    const token = valueAt(scanned, 'token');
    const tokenText = isRequestId(token) ? textAt(scanned, 'token') : undefined;
    return new InFlightRequest(port, frame.id, idText, tokenText, scope);
  }

  /** Sends a request under a number of ours. @throws RunError `DUPLICATE_ID` */
  protected sendRequest(request: InFlightRequest<P>, scanned: Scanned): Wait {
    const number = this.requests.start(request);
    this.#idleTimer?.busy();
    const text = String(number);
    const replacements: Replacement[] = [{ place: 'id', text }];
    // Whatever stands there: it must not be another request's number.
    if (scanned.find('token') !== undefined) replacements.push({ place: 'token', text });
    return this.process.send(replaceValues(scanned, number, replacements));
  }

  /** Servers do not answer a cancelled request, and the client does not wait for the answer. */
  protected cancelRequest(port: P, scanned: Scanned): Wait {
    const number = this.requests.abandon(port, valueAt(scanned, 'params.requestId'));
    if (number === undefined) return undefined;
    this.#unmatched.abandoned(number);
    this.checkIdle();
    return this.process.send(
      replaceValues(scanned, undefined, [{ place: 'params.requestId', text: String(number) }]),
    );
  }

  /** A client that leaves has cancelled its requests. */
  onLeave(port: P): void {
    this.ports.delete(port);
    if (port.hasCalls) this.#cancelAll(port);
    this.#checkUnused();
  }

  #cancelAll(port: P): void {
    for (const requestId of this.requests.abandonAll(port)) {
      this.#unmatched.abandoned(requestId);
      void this.process.send(cancellationFrame(requestId, 'the client is gone'));
    }
    this.checkIdle();
  }

  // From the server

  protected abstract onServerRequest(method: string, id: RequestId): void;
  protected abstract onServerNotification(
    scanned: Scanned,
    frame: Frame,
    relatedRequestId: RequestId | undefined,
  ): void;

  protected fromServer(message: Frame, relatedRequestId?: RequestId): void {
    const read = scanFromServer(message, this.#options);
    if (read === undefined) return undefined;
    const { frame, scanned } = read;
    const { id, method } = scanned;
    if (method === undefined) return this.#onAnswer(scanned, frame);
    if (id !== undefined) return this.onServerRequest(method, id);
    return this.onServerNotification(scanned, frame, relatedRequestId);
  }

  #onAnswer(scanned: Scanned, frame: Frame): void {
    const request = this.requests.get(scanned.id);
    if (request === undefined) return this.#unmatched.report(frame);
    this.requests.settle(request, outlivedMs(scanned, frame));
    request.onSettled?.(scanned.isError);
    this.checkIdle();
    return request.port.deliver(this.answerTo(request, scanned, frame));
  }

  /** The answer as the client that waits for it has to see it. */
  protected answerTo({ id, idText }: InFlightRequest<P>, scanned: Scanned, _frame: Frame): Frame {
    return replaceValues(scanned, id, [{ place: 'id', text: idText }]);
  }

  protected deliverProgress(scanned: Scanned): void {
    const request = this.requests.get(valueAt(scanned, 'params.progressToken'));
    const text = request?.tokenText;
    if (request === undefined || text === undefined) return;
    request.port.deliver(replaceValues(scanned, undefined, [{ place: 'params.progressToken', text }]));
  }

  protected dropNotification({ method }: Scanned): void {
    this.log.debug(
      { event: 'server.notification-dropped', method },
      'a notification belongs to no single call',
    );
  }

  // The life of the process

  /** What `ProcessLife` calls. */
  protected lifeOptions(): ProcessLifeOptions {
    return {
      server: this.server,
      openUpstream: this.#options.openUpstream,
      onFrame: (frame, relatedRequestId) => this.fromServer(frame, relatedRequestId),
      onReady: () => this.onReady(),
      onLost: (reason, wasReady) => this.onLost(reason, wasReady),
      onStopped: () => this.#checkUnused(),
    };
  }

  protected onReady(): void {
    this.checkIdle();
  }

  protected onLost(reason: RunError, _wasReady: boolean): void {
    this.#idleTimer?.busy();
    this.#failAll(reason);
  }

  /** A dead process never answers: its callers are failed now. */
  #failAll(reason: RunError): void {
    for (const request of this.requests.settleAll()) request.port.deliver(this.failureOf(request, reason));
  }

  protected failureOf({ id }: InFlightRequest<P>, reason: RunError): Frame {
    return faultFrame(reason, id);
  }

  protected busy(): void {
    this.#idleTimer?.busy();
  }

  protected checkIdle(): void {
    if (this.isIdle && this.process.current !== undefined) this.#idleTimer?.rest();
  }

  #checkUnused(): void {
    if (this.ports.size === 0 && this.process.isStopped) this.#options.onUnused?.();
  }

  /** Ends an idle process. @returns false if there is none */
  endIdle(): boolean {
    if (!this.isIdle || this.process.current === undefined) return false;
    this.#idleTimer?.stop();
    this.endProcess();
    return true;
  }

  /** Ends a process that is idle. */
  protected abstract endProcess(): void;

  /** Fails what is in flight and ends the process for good. */
  async close(reason?: RunError): Promise<void> {
    this.#idleTimer?.stop();
    this.#failAll(reason ?? this.closed);
    await this.process.close(reason);
  }
}
