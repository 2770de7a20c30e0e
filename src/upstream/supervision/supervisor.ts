import { RunError, toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { compose, type LinkFilter } from '../../link/compose.ts';
import { observeHealth, type HealthObserver } from '../../link/observe-health.ts';
import type { Clock } from '../../clock.ts';
import type { Target } from '../../config/types.ts';
import type { UpstreamOptions } from '../target.ts';
import { findMissing } from '../upstream.ts';
import { Recovery } from './recovery.ts';
import { describeFailure, type ServerSnapshot } from './server-snapshot.ts';
import { nextState, type ServerEvent, type ServerState } from './server-state.ts';
import { StartPause } from './start-pause.ts';
import { LOOP_RETRY_MS } from './start-policy.ts';
import { startTimeoutOf } from './start-timeout.ts';
import { logState, withAdvice } from './state-log.ts';

/** Longest pause that a client waits for; during a longer one it is rejected. */
const MAX_WAIT_MS = 10_000;

export interface SupervisorOptions extends UpstreamOptions {
  readonly target: Target;
  readonly initializeTimeoutMs: number;
  /**
   * Start it once a pause is over even if no client asks for it, and end it again when it has answered: otherwise
   * a load balancer that sends no clients to a server that is not ready would never see it recover.
   */
  readonly probesRecovery: boolean;
  readonly onStateChange?: (snapshot: ServerSnapshot, before: ServerState) => void;
  readonly clock: Clock;
  readonly random?: () => number;
  /** Opens a conversation with the server, as `Upstreams.open` does. */
  readonly openUpstream: (target: Target, options: UpstreamOptions) => Promise<Link>;
  /**
   * The filters around each link, in the order in which a request passes them; `health` has to be one of them. That alone by
   * default.
   */
  readonly filters?: (health: LinkFilter) => readonly LinkFilter[];
  /** Finds what is missing for that; the real function by default. */
  readonly findMissing?: typeof findMissing;
}

/** Options of a single conversation with a server. */
export type OwnOptions = Pick<UpstreamOptions, 'makeRoom' | 'onSkipped'>;

/** Starts the processes of one server, and knows its state. */
export class Supervisor {
  /** How long its start may take, the answer to `initialize` included. */
  readonly startTimeoutMs: number;
  readonly #options: SupervisorOptions;
  readonly #pause: StartPause;
  readonly #recovery: Recovery;
  readonly #closing = new AbortController();
  #state: ServerState = 'stopped';
  #lastFailure: RunError | undefined;
  /** Conversations whose process has not answered yet, and those whose process has. */
  #unanswered = 0;
  #answering = 0;
  /** Since a process has proved itself, one has ended at a question about its era. */
  #hasForgiven = false;

  constructor(options: SupervisorOptions) {
    const { target, clock, random = Math.random, initializeTimeoutMs } = options;
    this.startTimeoutMs = startTimeoutOf(target, initializeTimeoutMs);
    this.#options = options;
    this.#pause = new StartPause({ clock, random, isRemote: target.kind === 'remote' });
    this.#recovery = this.#createRecovery(clock);
  }

  get state(): ServerState {
    return this.#state;
  }

  /** There are no more starts. */
  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  snapshot(): ServerSnapshot {
    const retryInMs = this.#pause.remainingMs;
    const failure = this.#lastFailure;
    return {
      server: this.#options.server,
      state: this.#state,
      conversations: this.#unanswered + this.#answering,
      failedStarts: this.#pause.failedStarts,
      ...(failure !== undefined && { lastFailure: describeFailure(failure) }),
      ...(retryInMs > 0 && { retryInMs: Math.ceil(retryInMs) }),
    };
  }

  /** Why a client that comes now is rejected; undefined if it is served. */
  rejectionReason(): RunError | undefined {
    if (this.isClosed) return new RunError('SHUTTING_DOWN');
    const waitMs = Math.ceil(this.#pause.remainingMs);
    if (waitMs <= (this.#pause.isLoop ? 0 : MAX_WAIT_MS)) return undefined;
    const cause = this.#lastFailure;
    const { hint } = cause?.fields ?? {};
    const fields = {
      server: this.#options.server,
      reason: cause?.message ?? '',
      retryAfter: Math.ceil(waitMs / 1000),
      ...(hint !== undefined && { hint }),
    };
    return new RunError('CRASH_LOOP', fields, { cause });
  }

  /**
   * Opens a conversation with a process of its own, after the pause that failed starts have caused.
   * @param abandoned ends the wait for that pause
   * @param own see `UpstreamOptions`
   * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`, `CRASH_LOOP`, `SHUTTING_DOWN`, `CLIENT_GONE`
   */
  async open(abandoned?: AbortSignal, own: OwnOptions = {}): Promise<Link> {
    await this.#waitForStart(abandoned);
    this.#pause.reserveStart();
    this.#unanswered += 1;
    this.#move('start');
    const { target, openUpstream } = this.#options;
    const onReachabilityChange = (failure: RunError | undefined): void => this.#onReachability(failure);
    try {
      const link = await openUpstream(target, { ...this.#options, onReachabilityChange, ...own });
      const health = observeHealth(this.#observer());
      return compose(link, this.#options.filters?.(health) ?? [health]);
    } catch (thrown) {
      this.#unanswered -= 1;
      const error = toRunError(thrown);
      this.#cannotStart(error);
      throw error;
    }
  }

  /** Looks whether it could be started at all, and logs why if not. Starts nothing. */
  async inspect(): Promise<void> {
    const missing = await this.#findMissing();
    if (missing !== undefined) this.#cannotStart(missing, 'server.missing');
  }

  /** No start from now on. Conversations that are open are closed by their owners. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#recovery.close();
    this.#move('stop');
    await closed;
  }

  #createRecovery(clock: Clock): Recovery {
    const { server, probesRecovery } = this.#options;
    return new Recovery({
      server,
      startTimeoutMs: this.startTimeoutMs,
      isEnabled: probesRecovery,
      lastFailure: () => this.#lastFailure,
      isStartedByClient: () => this.#unanswered > 0 || this.#pause.hasWaiting,
      open: () => this.open(this.#closing.signal),
      findMissing: () => this.#findMissing(),
      onFound: () => {
        this.#lastFailure = undefined;
      },
      closing: this.#closing.signal,
      clock,
    });
  }

  async #waitForStart(abandoned: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const reason = this.rejectionReason();
      if (reason !== undefined) throw reason;
      if (abandoned?.aborted === true) throw new RunError('CLIENT_GONE');
      if (this.#pause.remainingMs <= 0) return;
      await this.#pause.wait([abandoned, this.#closing.signal]);
    }
  }

  async #findMissing(): Promise<RunError | undefined> {
    const { target, server } = this.#options;
    return await (this.#options.findMissing ?? findMissing)(target, server);
  }

  // One conversation

  #observer(): HealthObserver {
    let hasAnswered = false;
    return {
      answered: () => {
        hasAnswered = true;
        this.#onAnswered();
      },
      proved: () => {
        this.#pause.forgetFailures();
        this.#hasForgiven = false;
      },
      forgives: () => {
        // A server that is always the same ends there once: it is not asked again. One that cannot start ends anywhere.
        const isFirst = !this.#hasForgiven;
        this.#hasForgiven = true;
        return isFirst;
      },
      gone: (error, isFailedStart) => {
        if (hasAnswered) this.#answering -= 1;
        else this.#unanswered -= 1;
        if (isFailedStart) this.#startFailed(error);
        else this.#onClosed(error);
      },
    };
  }

  #onAnswered(): void {
    this.#unanswered -= 1;
    this.#answering += 1;
    this.#lastFailure = undefined;
    this.#pause.end();
    this.#move('answer');
  }

  #onClosed(error: RunError): void {
    if (error.code !== 'UPSTREAM_CLOSED') this.#options.log.warn({ event: 'server.died' }, withAdvice(error));
    this.#move(...this.#eventsAtClose());
  }

  #startFailed(error: RunError): void {
    const isFirst = this.#pause.countFailure();
    this.#report(error);
    this.#move(this.#pause.isLoop ? 'loop' : 'failure', ...this.#eventsAtClose());
    if (isFirst) this.#recovery.probeIn(this.#pause.remainingMs);
  }

  /** No process was started, so there is nothing to wait for: every client gets the same error at once. */
  #cannotStart(error: RunError, event?: string): void {
    this.#report(error, event);
    this.#move('unstartable', ...this.#eventsAtClose());
    this.#recovery.probeIn(LOOP_RETRY_MS);
  }

  /** The events that follow when a conversation is over, besides the one that says why. */
  #eventsAtClose(): ServerEvent[] {
    if (this.#answering > 0) return [];
    return this.#unanswered > 0 ? ['empty', 'start'] : ['empty'];
  }

  // A remote server

  /** A conversation with a remote server has reached it, or could not. */
  #onReachability(failure: RunError | undefined): void {
    // Before it has answered anything, the end of the conversation says it.
    if (this.isClosed || this.#answering === 0) return;
    if (failure === undefined) return this.#onReached();
    if (!this.#pause.countFailure()) return;
    this.#report(failure, 'server.unreachable');
    this.#move('unreachable');
    this.#recovery.probeIn(this.#pause.remainingMs);
  }

  #onReached(): void {
    if (this.#state !== 'backoff') return;
    this.#pause.forgetFailures();
    this.#pause.end();
    this.#lastFailure = undefined;
    this.#move('answer');
  }

  // State

  #report(error: RunError, event = 'server.start-failed'): void {
    const { log, probesRecovery } = this.#options;
    const text = withAdvice(error);
    const isKnown = this.#lastFailure !== undefined && withAdvice(this.#lastFailure) === text;
    this.#lastFailure = error;
    const fields = { event, reason: error.code.toLowerCase(), failedStarts: this.#pause.failedStarts };
    // What is tried again by itself, for ever, must not fill the log with the same line.
    if (isKnown && (this.#recovery.isProbing || !probesRecovery)) log.debug(fields, text);
    else log.error(fields, text);
  }

  #move(...events: readonly ServerEvent[]): void {
    const before = this.#state;
    for (const event of events) this.#state = nextState(this.#state, event);
    if (this.#state === before) return;
    logState(this.#options.log, this.#state, before, this.#pause.remainingMs);
    this.#options.onStateChange?.(this.snapshot(), before);
  }
}
