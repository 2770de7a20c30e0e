/** What the kernel knows about processes; Linux only, like the tests that need it. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PATIENCE_MS } from './patience.ts';

/** The kernel tells nobody but its parent when a process ends. */
const POLL_MS = 25;

/** Pids of the children of `pid`, and of theirs. */
export function childrenOf(pid: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter(isPid)
      .map((entry) => [Number(entry), statusOf(entry)?.parent]),
  );
  const found = [pid];
  // Grows while it is walked: children of children are found too.
  for (const parent of found) {
    for (const [child, itsParent] of parents) if (itsParent === parent) found.push(child);
  }
  return found.slice(1);
}

/** Whether the process runs; one that has ended but was not waited for does not. */
export function processAlive(pid: number): boolean {
  const status = statusOf(String(pid));
  return status !== undefined && status.state !== 'Z';
}

/** Waits until none of the processes runs. Returns, and ends, those that outlast `timeoutMs`. */
export async function orphans(pids: readonly number[], timeoutMs = PATIENCE_MS): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  while (pids.some(processAlive) && Date.now() < deadline) await delay(POLL_MS);
  const alive = pids.filter(processAlive);
  const described = alive.map((pid) => `${pid} (${commandOf(pid)})`);
  alive.forEach(kill);
  return described;
}

/** One that has ended meanwhile was there all the same. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * Processor time that it has used, in the kernel's ticks, and whether it runs now or waits for a processor; nothing when
 * there is no such process.
 */
export function activityOf(pid: number): { readonly ticks: number; readonly runs: boolean } {
  const stat = read(`/proc/${pid}/stat`);
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return { ticks: Number(fields[10] ?? 0) + Number(fields[11] ?? 0), runs: state === 'R' };
}

function isPid(entry: string): boolean {
  return /^\d+$/.test(entry);
}

/** Undefined when there is no such process, or no more. */
function statusOf(pid: string): { state: string; parent: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // pid (name) state ppid …; a name may hold spaces and parentheses
  const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === undefined ? undefined : { state, parent: Number(parent) };
}

/** Its command line; empty when it does not run. */
export function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim() ?? '';
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Pids of the processes that were started with this text in their environment. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => isPid(entry) && (read(`/proc/${entry}/environ`)?.includes(text) ?? false))
    .map(Number);
}
