import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { idsIn, MARKER, RELEASED } from './marker.ts';

/** Reads /proc (Linux). Where it is missing, no process is found. */

/** A process, told apart from a later one with the same pid. */
export interface ProcessRef {
  readonly pid: number;
  /** In clock ticks since the boot. */
  readonly startTime: string;
}

interface Status extends ProcessRef {
  readonly parent: number;
  /** One letter; a zombie is `Z`. */
  readonly state: string;
  /** `PF_…` of the kernel. */
  readonly flags: number;
}

/** Processes that are looked at in one turn of the event loop: about a millisecond. */
const PER_TURN = 50;
/** How often a scan lists the processes: it also looks at those that were started during it. */
const MAX_LISTINGS = 5;
/** Age up to which the table of parents is reused, so that many servers that stop at once share it. */
const TABLE_MS = 50;
const BUFFER_BYTES = 64 * 1024;

/** A process that is older than this and has no environment is taken to have none, and not to be about to get one. */
const YOUNG_TICKS = 1_000;
const TICKS_PER_SECOND = 100;
/** Flags of a process: a kernel thread, and one that is exiting. Neither has an environment any more. */
const PF_KTHREAD = 0x20_00_00;
const PF_EXITING = 0x4;

export interface Scan {
  /** Pids by the ids in their environment. */
  readonly marked: ReadonlyMap<string, readonly number[]>;
  /** As `visitMarkedNow` returns it. */
  readonly isWhole: boolean;
}

interface ChildTable {
  readonly at: number;
  readonly children: ReadonlyMap<number, readonly number[]>;
}

/** Reads /proc, with what one look can spare the next. */
export class ProcReader {
  readonly #clock: Clock;
  #buffer: Buffer | undefined;
  #table: ChildTable | undefined;
  /** Kernel threads, mostly: processes without an environment in the last scan. */
  #bare: ReadonlySet<number> = new Set();
  #scanning: Promise<Scan> | undefined;
  #nextScan: Promise<Scan> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks at the environment of every process. Calls during a scan share the next one. */
  scanMarkers(): Promise<Scan> {
    if (this.#scanning === undefined) {
      this.#scanning = this.#scan().finally(() => {
        this.#scanning = undefined;
      });
      return this.#scanning;
    }
    this.#nextScan ??= this.#scanning.then(() => {
      this.#nextScan = undefined;
      return this.scanMarkers();
    });
    return this.#nextScan;
  }

  /**
   * Calls `visit` at once for each process with ids in its environment, in one turn of the event loop.
   * @returns false if a process is just becoming another program: its environment is empty until then, which takes long when
   *   it has to wait for a processor
   */
  visitMarkedNow(visit: (pid: number, ids: readonly string[]) => void): boolean {
    const steps = this.#visitMarked(visit);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** Undefined if the process has ended, also if its parent has not waited for it yet. */
  findProcess(pid: number): ProcessRef | undefined {
    const status = this.#statusOf(pid);
    return status === undefined || status.state === 'Z' || status.state === 'X' ? undefined : status;
  }

  isAlive({ pid, startTime }: ProcessRef): boolean {
    return this.findProcess(pid)?.startTime === startTime;
  }

  /** The descendants of a process by their parents, with any environment; without released ones. */
  descendantsOf(pid: number): ProcessRef[] {
    const found: ProcessRef[] = [];
    const pids = [pid];
    // Grows while it is walked.
    for (const parent of pids) {
      for (const child of this.#childrenOf(parent)) {
        if (child === process.pid || pids.includes(child)) continue;
        const ref = this.findProcess(child);
        if (ref === undefined || this.#isReleased(child)) continue;
        found.push(ref);
        pids.push(child);
      }
    }
    return found;
  }

  async #scan(): Promise<Scan> {
    const found = new Map<string, number[]>();
    const steps = this.#visitMarked((pid, ids) => {
      for (const id of ids) {
        const pids = found.get(id);
        if (pids === undefined) found.set(id, [pid]);
        else pids.push(pid);
      }
    });
    for (;;) {
      const step = steps.next();
      if (step.done === true) return { marked: found, isWhole: step.value };
      await new Promise(setImmediate);
    }
  }

  /** @returns as `visitMarkedNow` does */
  *#visitMarked(visit: (pid: number, ids: readonly string[]) => void): Generator<void, boolean> {
    const seen = new Set<number>([process.pid]);
    const empty = new Set<number>();
    let looked = 0;
    for (let listing = 0; listing < MAX_LISTINGS; listing++) {
      const fresh = listPids().filter((pid) => !seen.has(pid));
      if (fresh.length === 0) break;
      for (const pid of fresh) {
        const environment = this.#read(`/proc/${pid}/environ`);
        const isEmpty = environment?.length === 0;
        // That of a process which is just becoming another program is empty as well: it is read again.
        if (!isEmpty || this.#bare.has(pid)) seen.add(pid);
        if (isEmpty) empty.add(pid);
        else empty.delete(pid);
        const ids = idsIn(markerIn(environment) ?? '');
        if (ids.length > 0) visit(pid, ids);
        looked += 1;
        if (looked % PER_TURN === 0) yield;
      }
    }
    const uptime = this.#uptimeTicks();
    const changing = [...empty].filter((pid) => !this.#bare.has(pid) && this.#isChanging(pid, uptime));
    for (const pid of changing) empty.delete(pid);
    this.#bare = empty;
    return changing.length === 0;
  }

  /** Whether a process without an environment may be about to get one. */
  #isChanging(pid: number, uptimeTicks: number): boolean {
    const status = this.#statusOf(pid);
    if (status === undefined || status.state === 'Z' || status.state === 'X') return false;
    if ((status.flags & (PF_KTHREAD | PF_EXITING)) !== 0) return false;
    return uptimeTicks - Number(status.startTime) < YOUNG_TICKS;
  }

  #uptimeTicks(): number {
    const [seconds] = this.#read('/proc/uptime')?.toString('latin1').split(' ') ?? [];
    return Number(seconds) * TICKS_PER_SECOND;
  }

  /** Whether the process has been released, with all that it starts. */
  #isReleased(pid: number): boolean {
    return markerIn(this.#read(`/proc/${pid}/environ`)) === RELEASED;
  }

  #childrenOf(pid: number): readonly number[] {
    return childrenByThread(pid) ?? this.#childTable().get(pid) ?? [];
  }

  /** Children of all processes, from the parents that /proc names. */
  #childTable(): ReadonlyMap<number, readonly number[]> {
    const now = this.#clock.now();
    if (this.#table !== undefined && now - this.#table.at < TABLE_MS) return this.#table.children;
    const children = new Map<number, number[]>();
    for (const pid of listPids()) {
      const parent = this.#statusOf(pid)?.parent;
      if (parent === undefined) continue;
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [pid]);
      else siblings.push(pid);
    }
    this.#table = { at: now, children };
    return children;
  }

  #statusOf(pid: number): Status | undefined {
    const stat = this.#read(`/proc/${pid}/stat`)?.toString('latin1') ?? '';
    // pid (name) state ppid …; a name may hold spaces and parentheses
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent] = fields;
    const [flags, startTime] = [fields[6], fields[19]];
    if (startTime === undefined) return undefined;
    return { pid, parent: Number(parent), state, flags: Number(flags), startTime };
  }

  /** The content is valid until the next call. Undefined if the file cannot be read. */
  #read(path: string): Buffer | undefined {
    let buffer = this.#buffer ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      let size = 0;
      for (;;) {
        const bytes = readSync(file, buffer, size, buffer.length - size, null);
        if (bytes === 0) return buffer.subarray(0, size);
        size += bytes;
        if (size === buffer.length) buffer = Buffer.concat([buffer], size * 2);
      }
    } catch {
      return undefined;
    } finally {
      this.#buffer = buffer;
      if (file !== undefined) closeSync(file);
    }
  }
}

/**
 * The kernel's own lists, one for each thread. Undefined if the kernel has none (CONFIG_PROC_CHILDREN).
 * @param root where /proc is mounted
 */
export function childrenByThread(pid: number, root = '/proc'): number[] | undefined {
  const children: number[] = [];
  try {
    for (const thread of readdirSync(`${root}/${pid}/task`)) {
      const list = readFileSync(`${root}/${pid}/task/${thread}/children`, 'latin1');
      children.push(...list.split(' ').filter(Boolean).map(Number));
    }
  } catch {
    return undefined;
  }
  return children;
}

/** Value of the marker variable in an environment. */
function markerIn(environment: Buffer | undefined): string | undefined {
  if (environment === undefined) return undefined;
  const text = `${MARKER}=`;
  for (let at = environment.indexOf(text); at !== -1; at = environment.indexOf(text, at + 1)) {
    if (at > 0 && environment[at - 1] !== 0) continue;
    const end = environment.indexOf(0, at);
    return environment.toString('latin1', at + text.length, end === -1 ? environment.length : end);
  }
  return undefined;
}

function listPids(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
