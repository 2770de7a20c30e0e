import { sleep, type Clock } from '../clock.ts';
import type { ProcessRef, ProcReader } from './proc.ts';

/** What became of the descendants of a process that had left its process group. */
export interface Ending {
  /** Processes that were ended. */
  readonly ended: number;
  /** Pids of those that could not be. */
  readonly left: readonly number[];
}

interface Killing {
  readonly killed: readonly number[];
  readonly isWhole: boolean;
}

const NONE: Ending = { ended: 0, left: [] };
const POLL_MS = 25;
/** How long a process may take to vanish after SIGKILL. */
const KILL_MS = 1_000;
/** How long those that have appeared meanwhile are killed as well. */
const CHASE_MS = 5_000;
/** How often, when we are about to exit and cannot wait. */
const MAX_KILLS = 20;
/** How long a process may take to become another program. */
const CHANGE_MS = 1_000;
const HAS_PROC = process.platform === 'linux';

/**
 * The processes that a server process has started and that are in no process group of ours: those that have its marker
 * in their environment, and those that were found by their parents before these ended.
 */
export class Descendants {
  readonly id: string;
  readonly #proc: ProcReader;
  readonly #clock: Clock;
  readonly #known = new Map<number, ProcessRef>();
  /** Processes of other users, which cannot be signalled. */
  readonly #denied = new Set<number>();

  /** @param id of the marker of the server process */
  constructor(id: string, proc: ProcReader, clock: Clock) {
    this.id = id;
    this.#proc = proc;
    this.#clock = clock;
  }

  /** Remembers the descendants that a process has now: a cleared environment hides them once their parents have ended. */
  note(pid: number): void {
    if (HAS_PROC) for (const ref of this.#proc.descendantsOf(pid)) this.#known.set(ref.pid, ref);
  }

  /** SIGTERM to all of them, and SIGKILL to those that are left after `termMs`. */
  async end(termMs: number): Promise<Ending> {
    if (!HAS_PROC) return NONE;
    const signalled = new Set<number>();
    if (await this.#terminate(termMs, signalled)) await this.#chase(signalled);
    const left = [...this.#known.values()].filter((ref) => this.#proc.isAlive(ref)).map(({ pid }) => pid);
    return { ended: signalled.size - left.filter((pid) => signalled.has(pid)).length, left };
  }

  /** @returns whether any may be left */
  async #terminate(termMs: number, signalled: Set<number>): Promise<boolean> {
    const now = this.#clock.now();
    const [deadline, changed] = [now + termMs, now + CHANGE_MS];
    let hasAny = await this.#find(changed);
    while (hasAny && this.#clock.now() < deadline) {
      const fresh = this.#signallable().filter(({ pid }) => !signalled.has(pid));
      for (const { pid } of this.#signal(fresh, 'SIGTERM')) signalled.add(pid);
      await this.#haveEnded(this.#signallable(), deadline);
      hasAny = await this.#find(changed);
    }
    return hasAny;
  }

  /** SIGKILL to what is left, and to what that has started meanwhile. */
  async #chase(signalled: Set<number>): Promise<void> {
    const now = this.#clock.now();
    const [deadline, changed] = [now + CHASE_MS, now + CHANGE_MS];
    for (let hasAny = true; hasAny && this.#clock.now() < deadline;) {
      const { killed, isWhole } = Descendants.kill([this], this.#proc);
      for (const pid of killed) signalled.add(pid);
      await this.#haveEnded(this.#signallable(), this.#clock.now() + KILL_MS);
      hasAny = killed.length > 0 || (!isWhole && this.#clock.now() < changed);
    }
  }

  /**
   * @param changed until when a process that is becoming another program counts
   * @returns whether there were any a moment ago: one that has ended since may have started another
   */
  async #find(changed: number): Promise<boolean> {
    const { marked, isWhole } = await this.#proc.scanMarkers();
    const pids = marked.get(this.id) ?? [];
    for (const pid of pids) this.#learn(pid);
    this.#noteAll();
    if (pids.some((pid) => !this.#denied.has(pid)) || this.#signallable().length > 0) return true;
    return !isWhole && this.#clock.now() < changed;
  }

  #learn(pid: number): ProcessRef | undefined {
    const ref = this.#proc.findProcess(pid);
    if (ref !== undefined) this.#known.set(pid, ref);
    return ref;
  }

  /** Adds what those that are alive have started. */
  #noteAll(): void {
    for (const ref of this.#known.values()) if (!this.#proc.isAlive(ref)) this.#known.delete(ref.pid);
    for (const pid of [...this.#known.keys()]) this.note(pid);
  }

  #signallable(): ProcessRef[] {
    return [...this.#known.values()].filter((ref) => !this.#denied.has(ref.pid) && this.#proc.isAlive(ref));
  }

  /** Waits for them, or a moment if there are none: then a process is becoming another program. */
  async #haveEnded(refs: readonly ProcessRef[], deadline: number): Promise<void> {
    if (refs.length === 0) await sleep(this.#clock, POLL_MS);
    while (refs.some((ref) => this.#proc.isAlive(ref)) && this.#clock.now() < deadline)
      await sleep(this.#clock, POLL_MS);
  }

  /** @returns those that the signal was sent to */
  #signal(refs: readonly ProcessRef[], signal: NodeJS.Signals): ProcessRef[] {
    return refs.filter((ref) => {
      // Its pid may be another process's by now.
      if (!this.#proc.isAlive(ref) || ref.pid === process.pid) return false;
      try {
        process.kill(ref.pid, signal);
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EPERM') this.#denied.add(ref.pid);
        return false;
      }
    });
  }

  /**
   * SIGKILL to the descendants of these processes, each as soon as it is seen: some go on as another process all the time.
   * @returns pids of those that the signal was sent to, and whether there were no others that may be theirs
   */
  static kill(all: readonly Descendants[], proc: ProcReader): Killing {
    if (!HAS_PROC) return { killed: [], isWhole: true };
    const byId = new Map(all.map((one) => [one.id, one]));
    const killed: ProcessRef[] = [];
    const isWhole = proc.visitMarkedNow((pid, ids) => {
      for (const id of ids) {
        const one = byId.get(id);
        const ref = one === undefined ? undefined : one.#learn(pid);
        if (one !== undefined && ref !== undefined) killed.push(...one.#signal([ref], 'SIGKILL'));
      }
    });
    for (const one of all) {
      one.#noteAll();
      killed.push(...one.#signal(one.#signallable(), 'SIGKILL'));
    }
    return { killed: killed.map(({ pid }) => pid), isWhole };
  }

  /** The same until there are none: we are about to exit. */
  static killAll(all: readonly Descendants[], proc: ProcReader): void {
    for (let kills = 0; kills < MAX_KILLS; kills++) {
      const { killed, isWhole } = Descendants.kill(all, proc);
      if (killed.length === 0 && isWhole) return;
    }
  }
}
