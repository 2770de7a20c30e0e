import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { RunError } from '../errors.ts';
import { isTreeAlive, signalTree } from './tree.ts';
import { createWatchdog } from './watchdog.ts';

type Spawned = ChildProcessByStdio<Writable, Readable, Readable>;

export interface ChildOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly ladder?: StopLadder;
}

/** How long a process may take to end, in ms: after the end of its stdin, and after SIGTERM. */
export interface StopLadder {
  readonly endMs: number;
  readonly termMs: number;
}

export interface ChildExit {
  /** As a shell reports it: the exit code, or 128 + the signal's number. */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  /** Whether it ended because we stopped it. */
  readonly stopped: boolean;
}

export interface Child {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** False once it has ended, although its output may still have to be read. */
  readonly isRunning: boolean;
  /** Resolves once the process has ended and what it wrote has been read. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Ends its stdin, then SIGTERM after 2 s, then SIGKILL after 3 s more, to the whole group. Idempotent.
   * @param isUseless the end of stdin has no meaning for it: SIGTERM comes at once
   */
  stop(isUseless?: boolean): Promise<ChildExit>;
}

export const STOP_LADDER: StopLadder = { endMs: 2_000, termMs: 3_000 };
const POLL_MS = 25;
/** How long the pipes of an ended process may stay open: a grandchild may hold them for ever. */
const FLUSH_MS = 250;
/** More than a pipe holds. */
const LEFT_BYTES = 4 * 1024 * 1024;

/**
 * Starts a process in its own process group, without a shell.
 * @throws RunError `COMMAND_NOT_FOUND` or `SPAWN_FAILED`.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const child = await spawnPiped(options);
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw await explain(error, options);
  }
  // A write to a process that has just ended is reported by `exited`, not here.
  child.stdin.on('error', () => {});
  child.on('error', () => {});
  return supervise(child, options.ladder ?? STOP_LADDER);
}

async function spawnPiped(options: ChildOptions): Promise<Spawned> {
  const settings = {
    cwd: options.cwd,
    env: options.env,
    stdio: 'pipe',
    // A group of its own: Ctrl-C reaches us alone, and a signal to the group reaches what npx has started.
    detached: process.platform !== 'win32',
    windowsHide: true,
  } as const;
  try {
    if (process.platform !== 'win32') return spawn(options.command, options.args, { ...settings });
    // Windows cannot start npx.cmd and the like without help.
    const { default: crossSpawn } = await import('cross-spawn');
    return crossSpawn.spawn(options.command, [...options.args], { ...settings });
  } catch (error) {
    throw await explain(error, options);
  }
}

/** Leaders of the groups that are alive. */
const alive = new Set<number>();
const watchdog = createWatchdog();

/** Whatever makes us exit without a proper close (a second signal, a crash), nothing that we have started stays. */
process.on('exit', () => {
  for (const pid of alive) signalTree(pid, 'SIGKILL');
});

function supervise(child: Spawned, { endMs, termMs }: StopLadder): Child {
  const pid = child.pid ?? 0;
  alive.add(pid);
  watchdog.add(pid);
  let stopping: Promise<ChildExit> | undefined;
  const exited = observeExit(child, () => stopping !== undefined);
  // Whatever ended the leader, nothing of its group may stay behind.
  const ended = exited.then(() => endTree(pid, termMs)).then(() => forgetGroup(pid));

  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    exited,
    stop(isUseless = false) {
      stopping ??= climb(isUseless ? 0 : endMs);
      return stopping;
    },
  };

  async function climb(patienceMs: number): Promise<ChildExit> {
    child.stdin.end();
    if (!(await settles(exited, patienceMs))) signalTree(pid, 'SIGTERM');
    if (!(await settles(exited, termMs))) signalTree(pid, 'SIGKILL');
    const exit = await exited;
    await ended;
    return exit;
  }
}

function forgetGroup(pid: number): void {
  alive.delete(pid);
  watchdog.remove(pid);
}

async function observeExit(child: Spawned, isStopping: () => boolean): Promise<ChildExit> {
  const closed = once(child, 'close');
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (...exit) => resolve(exit));
  });
  const stopped = isStopping();
  await readToEnd(child.stdout, closed, isStopping);
  return { code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), signal, stopped };
}

/**
 * Waits until the pipes of an ended process have been read: as long as a slow client holds the reading back, or something
 * comes. A grandchild may write for ever to a pipe that it has inherited, so that there is an end to it.
 */
async function readToEnd(
  stdout: Readable & { readonly bytesRead?: number },
  closed: Promise<unknown>,
  isStopping: () => boolean,
): Promise<void> {
  const { bytesRead: atExit = 0 } = stdout;
  for (let before = atExit; !(await settles(closed, FLUSH_MS)) && !isStopping();) {
    // Timers come before what has arrived while this process had to wait for a processor.
    await new Promise(setImmediate);
    const { bytesRead = 0 } = stdout;
    const isHeldBack = stdout.isPaused() && bytesRead === before;
    if (bytesRead - atExit > LEFT_BYTES || (bytesRead === before && !isHeldBack)) return;
    before = bytesRead;
  }
}

/** SIGTERM to what is left of a group, and SIGKILL to what ignores it. */
async function endTree(pid: number, termMs: number): Promise<void> {
  if (!isTreeAlive(pid)) return;
  signalTree(pid, 'SIGTERM');
  const deadline = Date.now() + termMs;
  while (isTreeAlive(pid) && Date.now() < deadline) await delay(POLL_MS);
  if (isTreeAlive(pid)) signalTree(pid, 'SIGKILL');
}

/** Whether `promise` settles within `ms`. */
async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = promise.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([inTime, late]);
  timer.abort();
  return result;
}

async function explain(error: unknown, options: ChildOptions): Promise<RunError> {
  if (error instanceof RunError) return error;
  const { server, command, cwd } = options;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // spawn says ENOENT for a missing working directory, too.
  if (code === 'ENOENT' && cwd !== undefined && !(await isDirectory(cwd))) {
    return new RunError('SPAWN_FAILED', { server, detail: `no such directory: ${cwd}` }, { cause: error });
  }
  if (code === 'ENOENT') return new RunError('COMMAND_NOT_FOUND', { server, command }, { cause: error });
  const detail =
    code === 'EACCES' ? `${command} is not executable` : error instanceof Error ? error.message : '';
  return new RunError('SPAWN_FAILED', { server, detail }, { cause: error });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
