import { isRunError, RunError, toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { LOOP_RETRY_MS, NO_FAILED_STARTS, pauseAfter, withFailedStart } from './start-policy.ts';
import { systemClock, type Clock } from '../clock.ts';
import { mayBeFetching } from './hints.ts';
import { observeHealth } from '../../link/observe-health.ts';
import { nextState, type ServerEvent, type ServerState } from './server-state.ts';
import type { Target } from '../../config/types.ts';
import type { UpstreamOptions } from '../target.ts';
import { probeRecovery } from './recovery-probe.ts';
import { findMissing } from '../upstream.ts';

/** Longest pause that a client waits out; before a longer one it is told to come back. */
const MAX_WAIT_MS = 10_000;
/** A program that may have to download the server first gets this much more time. */
const FETCH_FACTOR = 5;
const LOOK_AGAIN_MS = 1_000;

export interface SupervisorOptions extends UpstreamOptions {
  readonly target: Target;
  readonly initializeTimeoutMs: number;
  /**
   * Start it once a pause is over even if no client asks for it, and end it again when it has answered: otherwise
   * a load balancer that sends no clients to a server that is not ready would never see it recover.
   */
  readonly hasTrials: boolean;
  readonly onStateChange?: (snapshot: ServerSnapshot, before: ServerState) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Opens a conversation with the server, as `Upstreams.open` does. */
  readonly openUpstream: (target: Target, options: UpstreamOptions) => Promise<Link>;
  /** Finds what is missing for that; the real function by default. */
  readonly findMissing?: typeof findMissing;
}

/** What is known about one server; plain data, for /readyz, logs and listings. */
export interface ServerSnapshot {
  readonly server: string;
  readonly state: ServerState;
  /** Conversations with it that have been opened and not ended. */
  readonly conversations: number;
  /** Starts that failed since one succeeded. */
  readonly failedStarts: number;
  /** Of the last start; absent if it succeeded. */
  readonly lastFailure?: {
    /** A code of the error catalogue. */
    readonly code: string;
    readonly message: string;
    /** The message for clients on the network. */
    readonly publicMessage: string;
    /** What to do about it; may be empty. */
    readonly hint: string;
  };
  /** Until the next start may be made, if it has to wait. */
  readonly retryInMs?: number;
}

/** Options of a single conversation with a server. */
export type OwnOptions = Pick<UpstreamOptions, 'makeRoom' | 'onSkipped'>;

/** Starts the processes of one server, and knows how they fare. */
export interface Supervisor {
  readonly state: ServerState;
  /** There are no more starts. */
  readonly isClosed: boolean;
  /** How long its start may take, the answer to `initialize` included. */
  readonly startTimeoutMs: number;
  snapshot(): ServerSnapshot;
  /** What a client that comes now has to be told, if it cannot be served. */
  refusal(): RunError | undefined;
  /**
   * Opens a conversation with a process of its own, after the pause that failed starts have caused.
   * @param abandoned ends the wait for that pause
   * @param own see `UpstreamOptions`
   * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`, `CRASH_LOOP`, `SHUTTING_DOWN`, `CLIENT_GONE`
   */
  open(abandoned?: AbortSignal, own?: OwnOptions): Promise<Link>;
  /** Looks whether it could be started at all, and says so if not. Starts nothing. */
  inspect(): Promise<void>;
  /** No start from now on. Conversations that are open are closed by their owners. */
  close(): Promise<void>;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { server, target, log } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const openLink = options.openUpstream;
  const lookFor = options.findMissing ?? findMissing;
  const closing = new AbortController();
  let state: ServerState = 'stopped';
  let failedStarts = NO_FAILED_STARTS;
  let lastFailure: RunError | undefined;
  /** Since a process has proved itself, one has ended at a question about its era. */
  let hasForgiven = false;
  /** No start before. */
  let retryAt = 0;
  /** Conversations whose process has not answered yet, and those whose process has. */
  let unanswered = 0;
  let answering = 0;
  /** Clients that wait out a pause. */
  let waiting = 0;
  let cancelTrial: (() => void) | undefined;
  let trial: Promise<unknown> | undefined;

  const isRemote = target.kind === 'remote';
  const startTimeoutMs = startTimeoutOf(target, options.initializeTimeoutMs);

  return {
    get state() {
      return state;
    },
    get isClosed() {
      return closing.signal.aborted;
    },
    startTimeoutMs,
    snapshot,
    refusal,
    open,
    async inspect() {
      const missing = await lookFor(target, server);
      if (missing !== undefined) cannotStart(missing, 'server.missing');
    },
    async close() {
      closing.abort();
      cancelTrial?.();
      move('stop');
      await trial;
    },
  };

  function snapshot(): ServerSnapshot {
    const retryInMs = retryAt - clock.now();
    return {
      server,
      state,
      conversations: unanswered + answering,
      failedStarts: failedStarts.count,
      ...(lastFailure !== undefined && {
        lastFailure: {
          code: lastFailure.code,
          message: lastFailure.message,
          publicMessage: lastFailure.publicMessage,
          hint: lastFailure.hint,
        },
      }),
      ...(retryInMs > 0 && { retryInMs: Math.ceil(retryInMs) }),
    };
  }

  function refusal(): RunError | undefined {
    if (closing.signal.aborted) return new RunError('SHUTTING_DOWN');
    const waitMs = Math.ceil(retryAt - clock.now());
    if (waitMs <= (failedStarts.isLoop ? 0 : MAX_WAIT_MS)) return undefined;
    const reason = lastFailure?.message ?? '';
    const { hint } = lastFailure?.fields ?? {};
    const retryAfter = Math.ceil(waitMs / 1000);
    const fields = { server, reason, retryAfter, ...(hint !== undefined && { hint }) };
    return new RunError('CRASH_LOOP', fields, { cause: lastFailure });
  }

  async function open(abandoned?: AbortSignal, own: OwnOptions = {}): Promise<Link> {
    await pause(abandoned);
    // In a crash loop one start at a time: whoever comes first makes it, the others are refused.
    if (failedStarts.isLoop) retryAt = clock.now() + LOOP_RETRY_MS;
    unanswered += 1;
    move('start');
    try {
      return watch(await openLink(target, { ...options, onReachabilityChange: onReach, ...own }));
    } catch (thrown) {
      unanswered -= 1;
      const error = toRunError(thrown);
      cannotStart(error);
      throw error;
    }
  }

  async function pause(abandoned: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const refused = refusal();
      if (refused !== undefined) throw refused;
      if (abandoned?.aborted === true) throw new RunError('CLIENT_GONE');
      const waitMs = retryAt - clock.now();
      if (waitMs <= 0) return;
      waiting += 1;
      await waitFor(waitMs, abandoned);
      waiting -= 1;
    }
  }

  function waitFor(ms: number, abandoned: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, done);
      abandoned?.addEventListener('abort', done);
      closing.signal.addEventListener('abort', done);
      function done(): void {
        cancel();
        abandoned?.removeEventListener('abort', done);
        closing.signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  function watch(link: Link): Link {
    let hasAnswered = false;
    return observeHealth(link, {
      answered() {
        hasAnswered = true;
        unanswered -= 1;
        answering += 1;
        lastFailure = undefined;
        retryAt = 0;
        move('answer');
      },
      proved() {
        failedStarts = NO_FAILED_STARTS;
        hasForgiven = false;
      },
      forgives() {
        // A server that is always the same ends there once: it is not asked again. One that cannot start ends anywhere.
        const isFirst = !hasForgiven;
        hasForgiven = true;
        return isFirst;
      },
      gone(error, isFailedStart) {
        if (hasAnswered) answering -= 1;
        else unanswered -= 1;
        if (isFailedStart) return startFailed(error);
        if (error.code !== 'UPSTREAM_CLOSED') log.warn({ event: 'server.died' }, withAdvice(error));
        move(...emptied());
      },
    });
  }

  function startFailed(error: RunError): void {
    const isFirst = countFailure();
    report(error);
    move(failedStarts.isLoop ? 'loop' : 'failure', ...emptied());
    if (isFirst) scheduleTrial(retryAt - clock.now());
  }

  /** @returns whether it is the first in this pause: all who speak with a remote server learn at once that it is away */
  function countFailure(): boolean {
    if (isRemote && clock.now() < retryAt) return false;
    const counted = withFailedStart(failedStarts, clock.now());
    // A server that is away is no worse for being away for long.
    failedStarts = isRemote ? { ...counted, isLoop: false } : counted;
    retryAt = clock.now() + pauseAfter(failedStarts, random());
    return true;
  }

  /** What a conversation with a remote server has found out in passing. */
  function onReach(failure: RunError | undefined): void {
    // Before it has answered anything, the end of the conversation says it.
    if (closing.signal.aborted || answering === 0) return;
    if (failure === undefined) return reached();
    if (!countFailure()) return;
    report(failure, 'server.unreachable');
    move('unreachable');
    scheduleTrial(retryAt - clock.now());
  }

  function reached(): void {
    if (state !== 'backoff') return;
    failedStarts = NO_FAILED_STARTS;
    lastFailure = undefined;
    retryAt = 0;
    move('answer');
  }

  /** Nothing was started, so there is nothing to wait for: every client gets the same answer at once. */
  function cannotStart(error: RunError, event?: string): void {
    report(error, event);
    move('unstartable', ...emptied());
    scheduleTrial(LOOP_RETRY_MS);
  }

  function report(error: RunError, event = 'server.start-failed'): void {
    const isKnown = lastFailure !== undefined && withAdvice(lastFailure) === withAdvice(error);
    lastFailure = error;
    const fields = {
      event,
      reason: error.code.toLowerCase(),
      failedStarts: failedStarts.count,
    };
    // What is tried again by itself, for ever, must not fill the log with the same line.
    if (isKnown && (trial !== undefined || !options.hasTrials)) log.debug(fields, withAdvice(error));
    else log.error(fields, withAdvice(error));
  }

  /** The events that follow when a conversation is over, besides the one that says why. */
  function emptied(): ServerEvent[] {
    if (answering > 0) return [];
    return unanswered > 0 ? ['empty', 'start'] : ['empty'];
  }

  function move(...events: readonly ServerEvent[]): void {
    const before = state;
    for (const event of events) state = nextState(state, event);
    if (state === before) return;
    logState(before);
    options.onStateChange?.(snapshot(), before);
  }

  function logState(before: ServerState): void {
    const seconds = Math.max(0, (retryAt - clock.now()) / 1000).toFixed(1);
    const fields = { event: 'server.state', state, before };
    switch (state) {
      case 'crash-loop':
        return log.error(fields, `crash loop: new clients are refused, the next start is in ${seconds} s`);
      case 'backoff':
        return log.warn(fields, `backoff: the next start is in ${seconds} s`);
      case 'degraded':
        return log.warn(
          fields,
          'degraded: running processes answer, but the last start of another one failed',
        );
      case 'ready':
        // The ordinary course of a session is nobody's news; a recovery is.
        return before === 'starting' ? log.debug(fields, 'ready') : log.info(fields, 'ready again');
      case 'starting':
        return log.debug(fields, 'starting');
      case 'stopped':
        return log.debug(fields, 'stopped: no process is running');
    }
  }

  function scheduleTrial(ms: number): void {
    cancelTrial?.();
    if (!options.hasTrials || closing.signal.aborted) return;
    cancelTrial = clock.after(ms, () => {
      trial = makeTrial().finally(() => {
        trial = undefined;
      });
    });
  }

  async function makeTrial(): Promise<void> {
    if (lastFailure === undefined) return;
    // A client's start is as good as a trial: look at what became of it.
    if (unanswered > 0 || waiting > 0) return scheduleTrial(LOOK_AGAIN_MS);
    if (isRunError(lastFailure, 'COMMAND_NOT_FOUND')) {
      if ((await lookFor(target, server)) === undefined) lastFailure = undefined;
      else scheduleTrial(LOOP_RETRY_MS);
      return;
    }
    try {
      const link = await open(closing.signal);
      await probeRecovery(link, {
        server,
        timeoutMs: startTimeoutMs,
        clock,
        cancelled: closing.signal,
      });
    } catch (error) {
      if (isRunError(error, 'CRASH_LOOP')) scheduleTrial(LOOK_AGAIN_MS);
    }
  }
}

/** A program may have to be downloaded before it starts, and a user be asked before a server lets us in. */
function startTimeoutOf(target: Target, initializeTimeoutMs: number): number {
  if (target.kind === 'stdio') return initializeTimeoutMs * (mayBeFetching(target) ? FETCH_FACTOR : 1);
  const { oauth, patienceMs } = target;
  const isUserAsked = oauth?.grant === 'authorization-code';
  return initializeTimeoutMs + patienceMs + (isUserAsked ? oauth.timeoutMs : 0);
}

/** What happened, the server's last words, and what to do: one line. */
function withAdvice(error: RunError): string {
  const { stderr = '' } = error.fields;
  const words = stderr === '' ? '' : `; its last words: ${String(stderr).replaceAll('\n', ' | ')}`;
  const advice = error.hint === '' ? '' : `. ${error.hint}`;
  return `${error.message}${words}${advice}`;
}
