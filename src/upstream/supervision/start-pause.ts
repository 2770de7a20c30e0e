import type { Clock } from '../../clock.ts';
import {
  LOOP_RETRY_MS,
  NO_FAILED_STARTS,
  pauseAfter,
  withFailedStart,
  type FailedStarts,
} from './start-policy.ts';

export interface StartPauseOptions {
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly isRemote: boolean;
}

/** The pause before the next start of one server, and the failed starts that cause it. */
export class StartPause {
  readonly #options: StartPauseOptions;
  #failedStarts: FailedStarts = NO_FAILED_STARTS;
  /** Time of the clock before which there is no start. */
  #until = 0;
  #waiting = 0;

  constructor(options: StartPauseOptions) {
    this.#options = options;
  }

  /** Failed starts since one succeeded. */
  get failedStarts(): number {
    return this.#failedStarts.count;
  }

  get isLoop(): boolean {
    return this.#failedStarts.isLoop;
  }

  /** How long it still takes, in ms; not positive if there is no pause. */
  get remainingMs(): number {
    return this.#until - this.#options.clock.now();
  }

  /** Whether any client waits for the end of the pause. */
  get hasWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** @returns whether it is the first in this pause: all conversations with a remote server find it away at once */
  countFailure(): boolean {
    const { clock, random, isRemote } = this.#options;
    const now = clock.now();
    if (isRemote && now < this.#until) return false;
    const counted = withFailedStart(this.#failedStarts, now);
    // A remote server is not worn out by being away for long.
    this.#failedStarts = isRemote ? { ...counted, isLoop: false } : counted;
    this.#until = now + pauseAfter(this.#failedStarts, random());
    return true;
  }

  /** In a crash loop there is one start at a time: the others have to wait for the next. */
  reserveStart(): void {
    if (this.isLoop) this.#until = this.#options.clock.now() + LOOP_RETRY_MS;
  }

  end(): void {
    this.#until = 0;
  }

  forgetFailures(): void {
    this.#failedStarts = NO_FAILED_STARTS;
  }

  /** Resolves when the pause is over, or as soon as one of the signals is aborted. */
  async wait(signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    this.#waiting += 1;
    await waitFor(this.remainingMs, signals, this.#options.clock);
    this.#waiting -= 1;
  }
}

function waitFor(ms: number, signals: readonly (AbortSignal | undefined)[], clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    let cancel: () => void = () => {};
    const end = (): void => {
      cancel();
      for (const signal of signals) signal?.removeEventListener('abort', end);
      resolve();
    };
    cancel = clock.after(ms, end);
    for (const signal of signals) signal?.addEventListener('abort', end);
  });
}
