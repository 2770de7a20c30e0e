import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Log } from '../observe/log.ts';
import type { Clock } from '../clock.ts';
import type { Container } from './containers.ts';
import { MARKER, RELEASED } from './marker.ts';
import { WATCHDOG_SCRIPT } from './watchdog-script.ts';

/** A shell that ends sooner than this has failed. */
const SHORT_MS = 1_000;
/** Failures in a row after which only a new server process starts the shell again. */
const MAX_FAILURES = 5;
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin';
/** Variables that a shell may refuse to set, or that change how it reads the script. */
const NOT_EXPORTED = /^(?:UID|EUID|GID|PPID|IFS|SHELLOPTS|BASHOPTS|BASH_\w+|ENV|LINENO)$/;

/** What the watchdog has to know about a server process. */
export interface Watched {
  /** Of its marker. */
  readonly id: string;
  /** It leads a process group. */
  readonly pid: number;
  readonly container: Container | undefined;
  readonly log: Log | undefined;
}

interface Shell {
  readonly stdin: NodeJS.WritableStream;
  readonly startedAt: number;
}

/**
 * Ends our server processes and their descendants if we are killed ourselves and can no longer do it: a POSIX shell that
 * reads from us which there are, and acts when the pipe closes. Elsewhere than on POSIX systems, and without a shell, it
 * does nothing.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  #shell: Shell | undefined;
  #failures = 0;
  #hasWarned = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The first one starts the shell. */
  add(watched: Watched): void {
    if (process.platform === 'win32') return;
    this.#watched.set(watched.id, watched);
    if (this.#shell === undefined) this.#start();
    else this.#shell.stdin.write(linesFor(watched));
  }

  remove(id: string): void {
    if (this.#watched.delete(id)) this.#shell?.stdin.write(`- ${id}\n`);
  }

  /** Ends the shell; the next `add` starts another one. Nothing may be watched any more. */
  close(): void {
    this.#shell?.stdin.end();
    this.#shell = undefined;
  }

  #start(): void {
    const child = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      // It outlives an mcp-run above us, which ends what is ours by itself.
      env: { PATH: `${SYSTEM_PATH}:${process.env['PATH'] ?? ''}`, LC_ALL: 'C', [MARKER]: RELEASED },
    });
    const shell = { stdin: child.stdin, startedAt: this.#clock.now() };
    const onEnd = (): void => this.#ended(shell);
    child.once('error', onEnd).once('exit', onEnd);
    child.stdin.on('error', () => {});
    // It must not keep us alive: our end is what it waits for.
    child.unref();
    if (isSocket(child.stdin)) child.stdin.unref();
    this.#shell = shell;
    for (const watched of this.#watched.values()) child.stdin.write(linesFor(watched));
  }

  #ended(shell: Shell): void {
    if (this.#shell !== shell) return;
    this.#shell = undefined;
    this.#failures = this.#clock.now() - shell.startedAt < SHORT_MS ? this.#failures + 1 : 0;
    if (this.#watched.size === 0) return;
    const log = [...this.#watched.values()].at(-1)?.log;
    if (this.#failures < MAX_FAILURES) {
      this.#start();
      log?.warn({ event: 'watchdog.restarted' }, 'restarted the watchdog of server processes: it was ended');
      return;
    }
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const text =
      'started no watchdog of server processes: /bin/sh ends at once; they stay if mcp-run is killed';
    log?.warn({ event: 'watchdog.failed' }, text);
  }
}

function linesFor({ id, pid, container }: Watched): string {
  return `+ ${id} ${pid}\n${container === undefined ? '' : `@ ${id} ${shellFor(container)}\n`}`;
}

/** Shell text, in one line, that sets the variables and arguments by which the script ends a container. */
function shellFor({ launch, run, cidFile, directory = '' }: Container): string {
  const exported = Object.entries({ ...launch.env, [MARKER]: RELEASED })
    .filter(([name]) => /^[A-Za-z_]\w*$/.test(name) && !NOT_EXPORTED.test(name))
    .map(([name, value]) => `export ${name}=${quote(value)};`);
  const change = launch.cwd === undefined ? '' : `cd -- ${quote(launch.cwd)};`;
  const own = `cidfile=${quote(cidFile)}; directory=${quote(directory)};`;
  return [...exported, change, own, 'set --', ...run.engine.map(quote), 'kill'].join(' ');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`).replaceAll('\n', `'"$newline"'`)}'`;
}

function isSocket(stream: object): stream is Socket {
  return 'unref' in stream;
}
