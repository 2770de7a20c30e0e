import type { Clock } from '../../clock.ts';
import { IdleTimer } from '../shared-process/idle-timer.ts';
import type { LegacyProcess } from './legacy-process.ts';

export interface ProcessTableOptions {
  /** A process without requests for so long is ended. */
  readonly idleMs: number;
  readonly end: (process: LegacyProcess) => void;
  readonly clock: Clock;
}

interface Entry {
  readonly process: LegacyProcess;
  /** The last request, or the last moment at which the process became idle. */
  usedAt: number;
  readonly idleTimer: IdleTimer;
}

/** The processes that have clients, by the text of their keys; those that are left idle are ended. */
export class ProcessTable {
  readonly #options: ProcessTableOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ProcessTableOptions) {
    this.#options = options;
  }

  /** Calls that run or are suspended. */
  get pending(): number {
    let pending = 0;
    for (const { process } of this.#entries.values()) pending += process.running + process.suspended;
    return pending;
  }

  add(process: LegacyProcess): void {
    const { clock, idleMs } = this.#options;
    const idleTimer = new IdleTimer(clock, idleMs, () => this.#endIdle(process));
    this.#entries.set(process.key.text, { process, usedAt: clock.now(), idleTimer });
  }

  /** The process of a key, for a request: it counts as used now. */
  use(keyText: string): LegacyProcess | undefined {
    const entry = this.#entries.get(keyText);
    if (entry === undefined) return undefined;
    entry.usedAt = this.#options.clock.now();
    entry.idleTimer.busy();
    return entry.process;
  }

  countOf(principalId: string): number {
    let count = 0;
    for (const { process } of this.#entries.values()) if (process.key.principalId === principalId) count += 1;
    return count;
  }

  /** A process has become idle; its time starts. */
  markIdle(process: LegacyProcess): void {
    const entry = this.#entries.get(process.key.text);
    if (entry?.process !== process) return;
    entry.usedAt = this.#options.clock.now();
    entry.idleTimer.rest();
  }

  /** Ends the process that this principal has left idle longest. @returns whether there is one */
  evictIdle(principalId: string): boolean {
    let idlest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      const { process, usedAt } = entry;
      if (process.key.principalId !== principalId || !process.isIdle) continue;
      if (idlest === undefined || usedAt < idlest.usedAt) idlest = entry;
    }
    if (idlest === undefined) return false;
    this.#end(idlest);
    return true;
  }

  /** Discards a suspended call if there are more than `max` in all processes. */
  limitSuspended(max: number): void {
    let suspended = 0;
    for (const { process } of this.#entries.values()) suspended += process.suspended;
    if (suspended <= max) return;
    for (const { process } of this.#entries.values()) {
      if (process.suspended > 0) return process.discardOldestSuspended();
    }
  }

  /** Stops all timers. @returns the processes */
  close(): LegacyProcess[] {
    const entries = [...this.#entries.values()];
    for (const { idleTimer } of entries) idleTimer.stop();
    return entries.map(({ process }) => process);
  }

  #endIdle(process: LegacyProcess): void {
    const entry = this.#entries.get(process.key.text);
    if (entry?.process === process && process.isIdle) this.#end(entry);
  }

  #end(entry: Entry): void {
    entry.idleTimer.stop();
    this.#entries.delete(entry.process.key.text);
    this.#options.end(entry.process);
  }
}
