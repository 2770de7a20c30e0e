import type { Clock } from '../../clock.ts';
import { isRunError, type RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { probeRecovery } from './recovery-probe.ts';
import { RecoverySchedule } from './recovery-schedule.ts';
import { LOOP_RETRY_MS } from './start-policy.ts';

/** How soon the recovery probe looks at a start that a client has made. */
const LOOK_AGAIN_MS = 1_000;

export interface RecoveryOptions {
  readonly server: string;
  readonly startTimeoutMs: number;
  /** Without probes, a client's start alone shows that the server has recovered. */
  readonly isEnabled: boolean;
  /** Why the last start failed, if it did. */
  readonly lastFailure: () => RunError | undefined;
  /** Whether a client is starting the server, or waits until it may. */
  readonly isStartedByClient: () => boolean;
  /** Opens a conversation with the server, as a client's start does. Rejects with a RunError. */
  readonly open: () => Promise<Link>;
  /** Finds out why the server could not be started at all. */
  readonly findMissing: () => Promise<RunError | undefined>;
  /** Nothing is missing any more. */
  readonly onFound: () => void;
  /** Aborts when there are no more starts. */
  readonly closing: AbortSignal;
  readonly clock: Clock;
}

/**
 * Finds out by itself that a server that has failed starts again: a load balancer that sends no clients to a server that is not
 * ready would never see it recover.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #schedule: RecoverySchedule;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#schedule = new RecoverySchedule(options.clock, () => this.#probe());
  }

  get isProbing(): boolean {
    return this.#schedule.isRunning;
  }

  /** Probes the server after `ms`, in place of the time that was set before. */
  probeIn(ms: number): void {
    if (this.#options.isEnabled) this.#schedule.set(ms);
  }

  /** Idempotent. Resolves when no probe is running. */
  close(): Promise<void> {
    return this.#schedule.close();
  }

  async #probe(): Promise<void> {
    const { lastFailure, isStartedByClient } = this.#options;
    const failure = lastFailure();
    if (failure === undefined) return;
    // A client's start is as good as a probe: look at its outcome.
    if (isStartedByClient()) this.probeIn(LOOK_AGAIN_MS);
    else if (isRunError(failure, 'COMMAND_NOT_FOUND')) await this.#lookForCommand();
    else await this.#start();
  }

  async #lookForCommand(): Promise<void> {
    const { findMissing, onFound } = this.#options;
    if ((await findMissing()) === undefined) onFound();
    else this.probeIn(LOOP_RETRY_MS);
  }

  async #start(): Promise<void> {
    const { server, startTimeoutMs: timeoutMs, open, closing: cancelled, clock } = this.#options;
    try {
      await probeRecovery(await open(), { server, timeoutMs, clock, cancelled });
    } catch (error) {
      if (isRunError(error, 'CRASH_LOOP')) this.probeIn(LOOK_AGAIN_MS);
    }
  }
}
