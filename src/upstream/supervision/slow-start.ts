import type { Log } from '../../observe/log.ts';
import type { Clock } from '../../clock.ts';
import { hintForSilence, mayBeFetching, type Launch } from './hints.ts';

/** Silence after which a server that has a request to answer is worth a line. */
const SILENCE_MS = 5_000;
/** How often the log says that a download may be going on. */
const PROGRESS_MS = 10_000;

/** Logs why nothing happens while a server starts. */
export class SlowStart {
  readonly #launch: Launch & { readonly env: Readonly<Record<string, string>> };
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #isOver = false;
  #cancel: (() => void) | undefined;

  constructor(launch: Launch & { readonly env: Readonly<Record<string, string>> }, log: Log, clock: Clock) {
    this.#launch = launch;
    this.#log = log;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** The server has been sent a message; before that no answer is due. */
  sent(): void {
    if (this.#isOver) return;
    this.#cancel ??= this.#clock.after(mayBeFetching(this.#launch) ? PROGRESS_MS : SILENCE_MS, () =>
      this.#report(),
    );
  }

  /** The server has answered, or has ended. */
  end(): void {
    this.#isOver = true;
    this.#cancel?.();
  }

  #report(): void {
    const seconds = Math.round((this.#clock.now() - this.#startedAt) / 1000);
    const hint = hintForSilence(this.#launch, this.#launch.env);
    this.#log.info({ event: 'server.slow-start', seconds }, `still starting after ${seconds} s: ${hint}`);
    // For a server that fetches nothing one line is enough.
    const isRepeated = mayBeFetching(this.#launch);
    this.#cancel = isRepeated ? this.#clock.after(PROGRESS_MS, () => this.#report()) : undefined;
  }
}
