import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { RunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { prepareContainer } from './containers.ts';
import { Descendants } from './descendants.ts';
import { endLeftovers, type Spawned, type Started } from './leftovers.ts';
import { createMarker, MARKER } from './marker.ts';
import { settles } from './settles.ts';
import { signalTree } from './process-group.ts';
import { Watchdog } from './watchdog.ts';

export interface ChildOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly ladder?: StopLadder;
  readonly log?: Log;
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
   * Ends its stdin, then SIGTERM after 2 s, then SIGKILL after 3 s more, to the whole group. What has left the group is
   * ended after it. Idempotent.
   * @param isUseless the end of stdin has no meaning for it: SIGTERM comes at once
   */
  stop(isUseless?: boolean): Promise<ChildExit>;
}

export const STOP_LADDER: StopLadder = { endMs: 2_000, termMs: 3_000 };
/** How long the pipes of an ended process may stay open: a grandchild may hold them for ever. */
const FLUSH_MS = 250;
/** More than a pipe holds. */
const LEFT_BYTES = 4 * 1024 * 1024;

/**
 * Starts a process in its own process group, without a shell.
 * @throws RunError `COMMAND_NOT_FOUND` or `SPAWN_FAILED`.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const marker = createMarker();
  const container = await prepareContainer(options);
  try {
    const spawned = await spawnPiped({ ...options, args: container?.args ?? options.args }, marker.value);
    const descendants = new Descendants(marker.id);
    const { log, ladder = STOP_LADDER } = options;
    return supervise({ spawned, pid: spawned.pid ?? 0, descendants, container, log }, ladder);
  } catch (error) {
    await container?.dispose();
    throw error;
  }
}

async function spawnPiped(options: ChildOptions, marker: string): Promise<Spawned> {
  try {
    const child = await spawnByPlatform(options, marker);
    await once(child, 'spawn');
    // A write to a process that has just ended is reported by `exited`, not here.
    child.stdin.on('error', () => {});
    child.on('error', () => {});
    return child;
  } catch (error) {
    throw await explain(error, options);
  }
}

async function spawnByPlatform(options: ChildOptions, marker: string): Promise<Spawned> {
  // First, where it is found soonest; and ours, also if the variables have one of that name.
  const env: Record<string, string> = { [MARKER]: marker, ...options.env };
  env[MARKER] = marker;
  const settings = {
    cwd: options.cwd,
    env: process.platform === 'linux' ? env : options.env,
    stdio: 'pipe',
    // A group of its own: Ctrl-C reaches us alone, and a signal to the group reaches what npx has started.
    detached: process.platform !== 'win32',
    windowsHide: true,
  } as const;
  if (process.platform !== 'win32') return spawn(options.command, options.args, { ...settings });
  // Windows cannot start npx.cmd and the like without help.
  const { default: crossSpawn } = await import('cross-spawn');
  return crossSpawn.spawn(options.command, [...options.args], { ...settings });
}

/** Those of which something may be left. */
const alive = new Set<Started>();
const watchdog = new Watchdog();

/**
 * At an exit without a proper close (a second signal, a crash), the processes that we have started are killed. The
 * watchdog ends the containers.
 */
process.on('exit', () => {
  if (alive.size === 0) return;
  for (const started of alive) noteDescendants(started);
  for (const { pid } of alive) signalTree(pid, 'SIGKILL');
  Descendants.killAll([...alive].map(({ descendants }) => descendants));
});

function supervise(started: Started, { endMs, termMs }: StopLadder): Child {
  const { spawned, pid, descendants, container, log } = started;
  alive.add(started);
  watchdog.add({ id: descendants.id, pid, container, log });
  let stopping: Promise<ChildExit> | undefined;
  let isSignalled = false;
  const exited = observeExit(spawned, () => stopping !== undefined);
  // The leader may have ended for any reason: the processes that it has started must not stay behind.
  const ended = exited
    .then(({ code }) => endLeftovers(started, termMs, code === 0 && !isSignalled))
    .then(() => forget(started));

  return {
    pid,
    stdin: spawned.stdin,
    stdout: spawned.stdout,
    stderr: spawned.stderr,
    get isRunning() {
      return isRunning(spawned);
    },
    exited,
    stop(isUseless = false) {
      stopping ??= climb(isUseless ? 0 : endMs);
      return stopping;
    },
  };

  async function climb(patienceMs: number): Promise<ChildExit> {
    noteDescendants(started);
    spawned.stdin.end();
    if (!(await settles(exited, patienceMs))) signal('SIGTERM');
    if (!(await settles(exited, termMs))) signal('SIGKILL');
    const exit = await exited;
    await ended;
    return exit;
  }

  function signal(name: NodeJS.Signals): void {
    isSignalled = true;
    noteDescendants(started);
    signalTree(pid, name);
  }
}

/** Before its leader ends: the parents of its descendants are known only until then. */
function noteDescendants({ spawned, pid, descendants }: Started): void {
  if (isRunning(spawned)) descendants.note(pid);
}

function isRunning({ exitCode, signalCode }: Spawned): boolean {
  return exitCode === null && signalCode === null;
}

function forget(started: Started): void {
  alive.delete(started);
  watchdog.remove(started.descendants.id);
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
