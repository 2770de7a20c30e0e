import type { Clock } from '../clock.ts';
import type { RunError } from '../errors.ts';

/** Why the requests of a check are not awaited any more. */
export class GivenUp extends Error {
  /** The error of a request, by its method. */
  readonly toError: (method: string) => RunError;

  constructor(toError: (method: string) => RunError) {
    super('given up');
    this.toError = toError;
  }
}

export interface DeadlineOptions {
  readonly ms: number;
  /** The error of a request that is pending then, by its method. */
  readonly timeoutError: (method: string) => RunError;
  /** Ends everything at once. */
  readonly interrupted: AbortSignal;
  readonly interruptError: () => RunError;
  readonly clock: Clock;
}

/** Gives up what is awaited when the time is over, or at an interrupt. */
export class Deadline {
  readonly #giveUp = new AbortController();
  readonly #options: DeadlineOptions;
  #stopTimer: (() => void) | undefined;

  constructor(options: DeadlineOptions) {
    this.#options = options;
  }

  /** Its reason is a `GivenUp`. */
  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  start(): void {
    const { ms, timeoutError, interrupted, clock } = this.#options;
    this.#stopTimer = clock.after(ms, () => this.#giveUp.abort(new GivenUp(timeoutError)));
    interrupted.addEventListener('abort', this.#interrupt);
  }

  stop(): void {
    this.#stopTimer?.();
    this.#options.interrupted.removeEventListener('abort', this.#interrupt);
  }

  readonly #interrupt = (): void => this.#giveUp.abort(new GivenUp(this.#options.interruptError));
}

/** The same clock, whose timers keep the process alive: between two attempts to reach a server nothing else does. */
export function keepingAlive(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    date: () => clock.date(),
    after: (ms, run) => clock.after(ms, run, true),
  };
}
