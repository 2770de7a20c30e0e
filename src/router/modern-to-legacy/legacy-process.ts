import type { Clock } from '../../clock.ts';
import type { AttributionMode } from '../../config/types.ts';
import type { RunError } from '../../errors.ts';
import type { Envelope } from '../../era/envelope.ts';
import { isJson, jsonOf, type Json } from '../../era/json.ts';
import { legacyInitializeParams } from '../../era/own-client.ts';
import type { RequestStates } from '../../era/request-state.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { ManagedProcess } from '../shared-process/managed-process.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { CallSettlement } from './call-settlement.ts';
import { FromClient } from './from-client.ts';
import { FromProcess } from './from-process.ts';
import { InFlightCalls } from './in-flight-calls.ts';
import { isNamed, type ProcessKey } from './key.ts';
import { ServerRequests } from './server-requests.ts';
import { SubscriptionStreams, type ResourceSubscriber } from './subscriptions.ts';
import { SuspendedCalls } from './suspended-calls.ts';

export interface LegacyProcessOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  readonly initializeTimeoutMs: number;
  readonly inputTtlMs: number;
  /** Calls of this process that may wait for input. */
  readonly maxSuspended: number;
  readonly maxSubscriptions: number;
  readonly attribution: AttributionMode;
  readonly states: RequestStates;
  /** Opens the process on behalf of a principal. Rejects with a RunError. */
  readonly openChild: (principalId: string) => Promise<Link>;
  /** A call has been suspended: there may be too many in all processes. */
  readonly onSuspend: () => void;
  /** No call and no subscription is left. */
  readonly onIdle: (process: LegacyProcess) => void;
  /** As `RouterOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A process of a legacy server, and the one client that it is initialized for. */
export class LegacyProcess implements ResourceSubscriber {
  readonly #options: LegacyProcessOptions;
  readonly #process: ManagedProcess;
  readonly #calls: InFlightCalls;
  readonly #suspended: SuspendedCalls;
  readonly #serverRequests: ServerRequests;
  readonly #subscriptions: SubscriptionStreams;
  readonly #settlement: CallSettlement;
  readonly #fromClient: FromClient;
  readonly #fromProcess: FromProcess;
  /** The key of a prewarmed process is replaced; its capabilities stay. */
  #key: ProcessKey;

  constructor(key: ProcessKey, options: LegacyProcessOptions) {
    this.#key = key;
    this.#options = options;
    this.#process = this.#createProcess();
    this.#calls = this.#createCalls();
    this.#suspended = this.#createSuspendedCalls();
    this.#subscriptions = new SubscriptionStreams(options.maxSubscriptions, this);
    this.#serverRequests = this.#createServerRequests();
    const { server, log } = options;
    const unmatchedAnswers = new UnmatchedAnswers(log, options.clock);
    this.#settlement = new CallSettlement({
      server,
      calls: this.#calls,
      suspended: this.#suspended,
      unmatchedAnswers,
      hasOneClient: () => isNamed(this.#key),
      serverInfo: () => this.#serverInfo(),
      sendToProcess: (frame) => this.#send(frame),
      onAnswered: (call) => this.#serverRequests.reassign(call),
      onSettled: () => this.#reportIdle(),
    });
    const shared = {
      server,
      calls: this.#calls,
      serverRequests: this.#serverRequests,
      subscriptions: this.#subscriptions,
      settlement: this.#settlement,
    };
    this.#fromClient = new FromClient({
      ...shared,
      process: this.#process,
      suspended: this.#suspended,
      onSettled: () => this.#reportIdle(),
    });
    this.#fromProcess = new FromProcess({
      ...shared,
      unmatchedAnswers,
      initializeResult: () => this.#initializeResult(),
      sendToProcess: (frame) => this.#send(frame),
      log,
    });
  }

  get key(): ProcessKey {
    return this.#key;
  }

  /** Calls that a request of a client waits for. */
  get running(): number {
    return this.#calls.running;
  }

  /** Calls that wait for the input of a client. */
  get suspended(): number {
    return this.#suspended.size;
  }

  get isIdle(): boolean {
    return (
      this.#calls.running === 0 &&
      this.#suspended.size === 0 &&
      this.#subscriptions.size === 0 &&
      this.#fromClient.waitingForProcess === 0
    );
  }

  /** Gives a prewarmed process to its first client. */
  assign(key: ProcessKey): void {
    this.#key = key;
  }

  /** Starts the process ahead of its first request. */
  prewarm(): void {
    this.#process.running().catch(() => {});
  }

  request(port: ClientPort, frame: Frame, envelope: Envelope): void | Promise<void> {
    return this.#fromClient.request(port, frame, envelope);
  }

  notify(port: ClientPort, frame: Frame): void | Promise<void> {
    return this.#fromClient.notify(port, frame);
  }

  /** A client has left: its running calls are cancelled, its suspended ones are not. */
  leave(port: ClientPort): void {
    this.#fromClient.leave(port);
  }

  discardOldestSuspended(): void {
    this.#serverRequests.discardOldestSuspended();
  }

  /** Fails the calls with `reason`, and ends the process. */
  async close(reason: RunError): Promise<void> {
    this.#subscriptions.endAll();
    this.#failCalls(reason);
    await this.#process.close();
  }

  async subscribe(uri: string): Promise<boolean> {
    try {
      return (await this.#process.ask('resources/subscribe', { uri })).error === undefined;
    } catch {
      // The process has ended, and the subscriptions with it.
      return false;
    }
  }

  unsubscribe(uri: string): void {
    this.#process.ask('resources/unsubscribe', { uri }).catch(() => {});
  }

  #createProcess(): ManagedProcess {
    const { openChild, server, version, initializeTimeoutMs, remarkSince, clock, log } = this.#options;
    return new ManagedProcess({
      server,
      version,
      initializeTimeoutMs,
      ...(remarkSince !== undefined && { remarkSince }),
      clock,
      log,
      openUpstream: () => openChild(this.#key.principalId),
      initializeParams: legacyInitializeParams(this.#key.capabilities, this.#key.clientInfo),
      onFrame: (frame, relatedRequestId) => this.#fromProcess.receive(frame, relatedRequestId),
      onReady: () => this.#fromClient.processReady(),
      onLost: (reason) => this.#processLost(reason),
    });
  }

  #createCalls(): InFlightCalls {
    const { attribution, server, clock } = this.#options;
    return new InFlightCalls({
      isExact: attribution === 'exact',
      ownerOf: ({ port }) => (isNamed(this.#key) ? server : port),
      onSlot: (call, input) => this.#fromClient.run(call, input),
      clock,
    });
  }

  #createSuspendedCalls(): SuspendedCalls {
    const { states, inputTtlMs, clock } = this.#options;
    return new SuspendedCalls({
      states,
      keyText: () => this.#key.text,
      ttlMs: inputTtlMs,
      onExpire: (call) => {
        this.#serverRequests.discard(call);
        this.#reportIdle();
      },
      clock,
    });
  }

  #createServerRequests(): ServerRequests {
    const { attribution, maxSuspended, inputTtlMs, onSuspend, clock, log } = this.#options;
    return new ServerRequests({
      isExact: attribution === 'exact',
      capabilities: () => this.#key.capabilities,
      serverInfo: () => this.#serverInfo(),
      calls: this.#calls,
      suspended: this.#suspended,
      maxSuspended,
      graceMs: inputTtlMs,
      sendToProcess: (frame) => this.#send(frame),
      onSuspend,
      cancel: (call) => this.#settlement.cancel(call),
      clock,
      log,
    });
  }

  #send(frame: Frame): void {
    void this.#process.send(frame);
  }

  #processLost(reason: RunError): void {
    this.#failCalls(reason);
    this.#calls.processLost();
    this.#subscriptions.endAll();
    this.#reportIdle();
  }

  /** A process that has ended never answers: its clients are sent the reason at once. */
  #failCalls(reason: RunError): void {
    this.#serverRequests.clear();
    this.#suspended.loseAll();
    for (const call of this.#calls.values()) this.#settlement.fail(call, reason);
  }

  #reportIdle(): void {
    if (this.isIdle) this.#options.onIdle(this);
  }

  #initializeResult(): Json {
    return jsonOf(this.#process.current?.initialized.result);
  }

  #serverInfo(): Json | undefined {
    const { serverInfo } = this.#initializeResult();
    return isJson(serverInfo) ? serverInfo : undefined;
  }
}
