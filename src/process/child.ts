import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { RunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { prepareContainer } from './containers.ts';
import type { Clock } from '../clock.ts';
import { Descendants } from './descendants.ts';
import { endLeftovers, isRunning, noteDescendants, type Spawned, type Started } from './leftovers.ts';
import { createMarker, MARKER } from './marker.ts';
import type { ProcessRegistry } from './process-registry.ts';
import { settles } from './settles.ts';
import { signalTree } from './process-group.ts';

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

/** The leader of a process group, from its start until nothing is left of it. */
class GroupLeader implements Child {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ChildExit>;
  readonly #started: Started;
  readonly #ladder: StopLadder;
  readonly #registry: ProcessRegistry;
  readonly #clock: Clock;
  #resolveExited: (exit: ChildExit) => void = () => {};
  /** Resolves when nothing is left of it. */
  #ended: Promise<void> | undefined;
  #stopping: Promise<ChildExit> | undefined;
  #isSignalled = false;

  constructor(started: Started, ladder: StopLadder, registry: ProcessRegistry) {
    const { spawned, pid } = started;
    this.pid = pid;
    this.stdin = spawned.stdin;
    this.stdout = spawned.stdout;
    this.stderr = spawned.stderr;
    this.#started = started;
    this.#ladder = ladder;
    this.#registry = registry;
    this.#clock = registry.clock;
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
  }

  /** Has to be called in the turn in which the process was started. */
  observe(): void {
    this.#registry.add(this.#started);
    void this.#observeExit().then(this.#resolveExited);
    this.#ended = this.#endLeftovers();
  }

  get isRunning(): boolean {
    return isRunning(this.#started.spawned);
  }

  stop(isUseless = false): Promise<ChildExit> {
    this.#stopping ??= this.#climbLadder(isUseless ? 0 : this.#ladder.endMs);
    return this.#stopping;
  }

  async #climbLadder(endMs: number): Promise<ChildExit> {
    noteDescendants(this.#started);
    this.stdin.end();
    if (!(await settles(this.exited, endMs, this.#clock))) this.#signal('SIGTERM');
    if (!(await settles(this.exited, this.#ladder.termMs, this.#clock))) this.#signal('SIGKILL');
    const exit = await this.exited;
    await this.#ended;
    return exit;
  }

  #signal(name: NodeJS.Signals): void {
    this.#isSignalled = true;
    noteDescendants(this.#started);
    signalTree(this.pid, name);
  }

  async #observeExit(): Promise<ChildExit> {
    const { spawned } = this.#started;
    const closed = once(spawned, 'close');
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      spawned.once('exit', (...exit) => resolve(exit));
    });
    const stopped = this.#stopping !== undefined;
    await this.#readToEnd(spawned.stdout, closed);
    return { code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), signal, stopped };
  }

  /**
   * Waits until the pipes of an ended process have been read: as long as a slow client holds the reading back, or
   * something comes. A grandchild may write for ever to a pipe that it has inherited, so that there is an end to it.
   */
  async #readToEnd(
    stdout: Readable & { readonly bytesRead?: number },
    closed: Promise<unknown>,
  ): Promise<void> {
    const { bytesRead: atExit = 0 } = stdout;
    for (
      let before = atExit;
      !(await settles(closed, FLUSH_MS, this.#clock)) && this.#stopping === undefined;
    ) {
      // Timers come before what has arrived while this process had to wait for a processor.
      await new Promise(setImmediate);
      const { bytesRead = 0 } = stdout;
      const isHeldBack = stdout.isPaused() && bytesRead === before;
      if (bytesRead - atExit > LEFT_BYTES || (bytesRead === before && !isHeldBack)) return;
      before = bytesRead;
    }
  }

  /** The leader may have ended for any reason: the processes that it has started must not stay behind. */
  async #endLeftovers(): Promise<void> {
    const { code } = await this.exited;
    const isOver = code === 0 && !this.#isSignalled;
    await endLeftovers(this.#started, this.#ladder.termMs, isOver, this.#clock);
    this.#registry.remove(this.#started);
  }
}

/**
 * Starts a process in its own process group, without a shell.
 * @param registry ends it if we cannot stop it properly
 * @throws RunError `COMMAND_NOT_FOUND` or `SPAWN_FAILED`.
 */
export async function startChild(options: ChildOptions, registry: ProcessRegistry): Promise<Child> {
  const marker = createMarker(registry.clock.date());
  const container = await prepareContainer(options);
  try {
    const spawned = await spawnPiped({ ...options, args: container?.args ?? options.args }, marker.value);
    const descendants = new Descendants(marker.id, registry.proc, registry.clock);
    const { log, ladder = STOP_LADDER } = options;
    const started = { spawned, pid: spawned.pid ?? 0, descendants, container, log };
    const leader = new GroupLeader(started, ladder, registry);
    leader.observe();
    return leader;
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
