import type { Clock } from '../clock.ts';
import { Descendants } from './descendants.ts';
import { noteDescendants, type Started } from './leftovers.ts';
import { ProcReader } from './proc.ts';
import { signalTree } from './process-group.ts';
import { Watchdog } from './watchdog.ts';

/**
 * The server processes of which something may be left. They are killed when this process exits without having stopped
 * them (a second signal, a crash), and the watchdog ends them when this process is killed itself.
 */
export class ProcessRegistry {
  readonly clock: Clock;
  readonly proc: ProcReader;
  readonly #started = new Set<Started>();
  readonly #watchdog: Watchdog;
  readonly #onExit = (): void => this.#killAll();
  readonly #killsOnExit: boolean;
  #isClosed = false;

  /** @param killsOnExit false: without the exit hook, the watchdog alone ends what is left */
  constructor(clock: Clock, killsOnExit = true) {
    this.clock = clock;
    this.#killsOnExit = killsOnExit;
    this.proc = new ProcReader(clock);
    this.#watchdog = new Watchdog(clock);
  }

  /** The first process installs the exit hook. */
  add(started: Started): void {
    if (this.#killsOnExit && this.#started.size === 0) process.on('exit', this.#onExit);
    this.#started.add(started);
    const { pid, descendants, container, log } = started;
    this.#watchdog.add({ id: descendants.id, pid, container, log });
  }

  /** Nothing is left of the process. After the last one the exit hook is removed. */
  remove(started: Started): void {
    if (!this.#started.delete(started)) return;
    this.#watchdog.remove(started.descendants.id);
    if (this.#started.size > 0) return;
    process.off('exit', this.#onExit);
    if (this.#isClosed) this.#watchdog.close();
  }

  /** Ends the watchdog as soon as nothing is left of any process. Idempotent. */
  close(): void {
    this.#isClosed = true;
    if (this.#started.size === 0) this.#watchdog.close();
  }

  /** The watchdog ends the containers. */
  #killAll(): void {
    for (const started of this.#started) noteDescendants(started);
    for (const { pid } of this.#started) signalTree(pid, 'SIGKILL');
    Descendants.killAll(
      [...this.#started].map(({ descendants }) => descendants),
      this.proc,
    );
  }
}
