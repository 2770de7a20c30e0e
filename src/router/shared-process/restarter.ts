import type { Clock } from '../../clock.ts';
import { toRunError, type ErrorCode, type RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';

export interface RestarterOptions {
  readonly start: () => Promise<unknown>;
  /** A process that dies sooner is not started anew sooner, except by a client's call. */
  readonly minLifeMs: number;
  readonly log: Log;
  readonly clock: Clock;
}

/** The part that opens a process paces failed starts; this is for those that it rejects at once. */
const RETRY_MS = 250;
/** Only a user who installs something can help. */
const RETRY_UNSTARTABLE_MS = 15_000;
const UNSTARTABLE: readonly ErrorCode[] = ['COMMAND_NOT_FOUND', 'SPAWN_FAILED'];

/** Keeps a shared process running: starts it anew when it has died, and tries again when that has failed. */
export class Restarter {
  readonly #options: RestarterOptions;
  readonly #clock: Clock;
  #isKept = false;
  #startedAt = 0;
  #cancelRetry: (() => void) | undefined;

  constructor(options: RestarterOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  keep(): void {
    this.#isKept = true;
    this.#attempt();
  }

  /** The process has died. */
  lost(): void {
    this.#attemptAfter(this.#startedAt + this.#options.minLifeMs - this.#clock.now());
  }

  stop(): void {
    this.#isKept = false;
    this.#cancelRetry?.();
  }

  #attempt(): void {
    this.#startedAt = this.#clock.now();
    this.#options.start().catch((thrown: unknown) => this.#failed(toRunError(thrown)));
  }

  #failed(error: RunError): void {
    this.#options.log.debug({ event: 'server.restart-failed' }, error.message);
    this.#attemptAfter(pauseAfter(error));
  }

  #attemptAfter(ms: number): void {
    if (!this.#isKept) return;
    this.#cancelRetry?.();
    if (ms <= 0) this.#attempt();
    else this.#cancelRetry = this.#clock.after(ms, () => this.#attempt());
  }
}

function pauseAfter({ code, fields }: RunError): number {
  const { retryAfter } = fields;
  if (typeof retryAfter === 'number') return retryAfter * 1_000;
  return UNSTARTABLE.includes(code) ? RETRY_UNSTARTABLE_MS : RETRY_MS;
}
