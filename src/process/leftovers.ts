import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Log } from '../observe/log.ts';
import { sleep, type Clock } from '../clock.ts';
import type { Container } from './containers.ts';
import type { Descendants } from './descendants.ts';
import { isTreeAlive, signalTree } from './process-group.ts';
import { settles } from './settles.ts';

export type Spawned = ChildProcessByStdio<Writable, Readable, Readable>;

/** A process that was started, and what else may be left of it. */
export interface Started {
  readonly spawned: Spawned;
  /** It leads a process group. */
  readonly pid: number;
  readonly descendants: Descendants;
  readonly container: Container | undefined;
  readonly log: Log | undefined;
}

export function isRunning({ exitCode, signalCode }: Spawned): boolean {
  return exitCode === null && signalCode === null;
}

/** Has to happen before the leader ends: the parents of its descendants are known only until then. */
export function noteDescendants({ spawned, pid, descendants }: Started): void {
  if (isRunning(spawned)) descendants.note(pid);
}

const POLL_MS = 25;
/** How long a pipe may stay open whose last writer has been ended. */
const CLOSE_MS = 250;

/**
 * Ends what a process has left when it ended: the rest of its group, then its descendants in other groups, then its
 * container. Never rejects.
 * @param isOver it ended by itself, without an error
 */
export async function endLeftovers(
  started: Started,
  termMs: number,
  isOver: boolean,
  clock: Clock,
): Promise<void> {
  const { pid, descendants, container, log } = started;
  const hadRest = await endTree(pid, termMs, clock);
  const { ended, left } = await descendants.end(termMs);
  if (ended > 0) {
    const text = `ended ${ended} ${ended === 1 ? 'process' : 'processes'} outside the process group`;
    log?.debug({ event: 'server.descendants-ended', ended }, text);
  }
  await endContainer(container, isOver && !hadRest, log);
  if (left.length > 0) {
    const text = `left running, because they belong to another user or cannot be killed: ${left.join(', ')}`;
    log?.warn({ event: 'server.left-running', pids: left }, text);
  } else await reportOpenPipe(started, clock);
}

/**
 * SIGTERM to what is left of a group, and SIGKILL to what ignores it.
 * @returns whether anything was left
 */
async function endTree(pid: number, termMs: number, clock: Clock): Promise<boolean> {
  if (!isTreeAlive(pid)) return false;
  signalTree(pid, 'SIGTERM');
  const deadline = clock.now() + termMs;
  while (isTreeAlive(pid) && clock.now() < deadline) await sleep(clock, POLL_MS);
  if (isTreeAlive(pid)) signalTree(pid, 'SIGKILL');
  return true;
}

async function endContainer(
  container: Container | undefined,
  isOver: boolean,
  log: Log | undefined,
): Promise<void> {
  const ending = await container?.end(isOver);
  if (ending === undefined) return;
  const { id, failure } = ending;
  if (failure === undefined) {
    log?.debug({ event: 'server.container-ended', container: id }, `ended the container ${id}`);
  } else {
    log?.warn(
      { event: 'server.left-running', container: id },
      `left the container ${id} running: ${failure}`,
    );
  }
}

/** An open pipe has a writer: a process that cleared its environment cannot be found otherwise. */
async function reportOpenPipe({ spawned, log }: Started, clock: Clock): Promise<void> {
  const { stdout, stderr } = spawned;
  if (stdout.closed && stderr.closed) return;
  if (await settles(once(spawned, 'close'), CLOSE_MS, clock)) return;
  // A pipe that is held back may have been closed at its other end.
  const open = [stdout, stderr].filter((pipe) => !pipe.closed && !pipe.isPaused());
  if (open.length === 0) return;
  const text =
    'left a process running that holds the pipes of the server: it cannot be found, since it has left the process group and cleared its environment';
  log?.warn({ event: 'server.left-running' }, text);
  for (const pipe of open) pipe.destroy();
}
