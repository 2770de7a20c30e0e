import { isRunError, RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import { CHILD } from '../link/principal.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import { createMask } from '../observe/mask.ts';
import { startChild, type Child, type ChildExit } from '../process/child.ts';
import { ProcessRegistry } from '../process/process-registry.ts';
import type { Frame } from '../protocol/frame.ts';
import { createLineWriter, type LineWriter } from '../protocol/line-writer.ts';
import type { Clock } from '../clock.ts';
import { FairReader } from './fair-reader.ts';
import { excerptOf, InvalidStdout } from './invalid-stdout.ts';
import type { Opener, OpenerOptions } from './opener.ts';
import { logStderr } from './stderr-log.ts';
import { StdoutReader } from './stdout-messages.ts';
import { hintForExit, hintForMissing } from './supervision/hints.ts';
import { SlowStart } from './supervision/slow-start.ts';
import { StderrTail } from './supervision/stderr-tail.ts';
import type { StdioTarget } from '../config/types.ts';
import type { UpstreamOptions } from './target.ts';

/**
 * - running: also after the exit, until the output has been read
 * - stopping: the link is being closed
 * - closed: `onclose` has been called
 */
type StdioState = 'running' | 'stopping' | 'closed';

/** Lines of a chunk of stdout that are handled in one turn of the event loop. */
const LINES_PER_TURN = 32;
/** How long a process may go on that has closed its stdin or stdout: one that ends does so in this order. */
const HUNG_UP_MS = 500;

/** A conversation with a process, line by line (2025-11-25, basic/transports, stdio). */
class StdioLink implements Link {
  readonly peer = 'server';
  readonly era = 'legacy';
  readonly principal = CHILD;
  readonly supports = { notifications: true, requests: true };
  readonly #child: Child;
  readonly #target: StdioTarget;
  readonly #options: UpstreamOptions;
  readonly #clock: Clock;
  readonly #writer: LineWriter;
  readonly #reader: FairReader;
  readonly #stderrTail = new StderrTail();
  readonly #invalidStdout: InvalidStdout;
  readonly #slowStart: SlowStart;
  #state: StdioState = 'running';
  #onframe: (frame: Frame) => void | Promise<void> = () => {};
  #onclose: (error?: Error) => void = () => {};
  /** Reasons for which stdout is not read on. */
  #pauses = 0;
  /** It has sent a message. */
  #hasSpoken = false;
  /** Why it was ended, unless that was for the link's owner. */
  #failure: RunError | undefined;

  constructor(child: Child, target: StdioTarget, options: UpstreamOptions, clock: Clock) {
    const { log } = options;
    this.#child = child;
    this.#target = target;
    this.#options = options;
    this.#clock = clock;
    this.#writer = createLineWriter(child.stdin);
    this.#invalidStdout = new InvalidStdout(log, clock, options.onSkipped);
    this.#slowStart = new SlowStart(target, log, clock);
    const stdout = new StdoutReader(options, {
      deliver: (frame) => this.#deliver(frame),
      reject: (fault) => this.#holdFor(this.#writer.send(fault)),
      skip: (line) => this.#skip(line),
    });
    this.#reader = new FairReader({
      take: (chunk) => stdout.read(chunk, LINES_PER_TURN),
      pause: () => this.#pause(),
      resume: () => this.#resume(),
    });
  }

  /** Has to be called in the turn in which the process was started. */
  observe(): void {
    const { stderr, stdin, exited } = this.#child;
    logStderr(stderr, this.#options.log, this.#stderrTail, createMask(secretsOf(this.#target)));
    void exited.then((exit) => this.#onExit(exit));
    stdin.once('close', () => void this.#onHungUp('stdin'));
  }

  send(frame: Frame): void | Promise<void> {
    this.#slowStart.sent();
    return this.#writer.send(frame);
  }

  onframe(handler: (frame: Frame) => void | Promise<void>): void {
    const { stdout } = this.#child;
    this.#onframe = handler;
    stdout.once('end', () => void this.#onHungUp('stdout'));
    stdout.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      // Node resumes the stream of an exited process, even where it is held back.
      if (this.#pauses > 0) stdout.pause();
    });
  }

  /** A server that ends its stdout has ended; `onclose` tells. */
  onend(): void {}

  onclose(handler: (error?: Error) => void): void {
    this.#onclose = handler;
  }

  abandonResponse(): void {}

  async close(): Promise<void> {
    if (this.#state === 'running') this.#state = 'stopping';
    void this.#writer.flush();
    await this.#child.stop();
  }

  // From the server

  #deliver(frame: Frame): void {
    if (this.#failure !== undefined) return;
    if (!this.#hasSpoken) this.#slowStart.end();
    this.#hasSpoken = true;
    this.#holdFor(this.#onframe(frame));
  }

  #skip(line: Buffer): void {
    const { server, log, stdout } = this.#options;
    if (stdout === 'skip') return this.#invalidStdout.skip(line);
    if (this.#failure !== undefined) return;
    log.debug({ event: 'server.stdout-line', bytes: line.length }, `refused: ${excerptOf(line)}`);
    void this.#child.stop();
    this.#fail('server.stdout-refused', new RunError('STDOUT_NOT_MCP', { server }));
  }

  /** A reader that does not keep up has the server wait, so that our memory does not grow. */
  #holdFor(wait: void | Promise<void>): void {
    if (wait === undefined) return;
    this.#pause();
    void wait.finally(() => this.#resume());
  }

  #pause(): void {
    this.#pauses += 1;
    this.#child.stdout.pause();
  }

  #resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0) this.#child.stdout.resume();
  }

  // The end of the process

  /** A process that can neither read nor write any more has ended as a server, although it runs. */
  async #onHungUp(stream: 'stdin' | 'stdout'): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#clock.after(HUNG_UP_MS, resolve);
    });
    // Timers come before what has arrived while this process had to wait for a processor.
    await new Promise(setImmediate);
    if (this.#state !== 'running' || !this.#child.isRunning) return;
    this.#reader.flush();
    void this.#child.stop(true);
    const { server } = this.#options;
    const stderr = this.#stderrTail.text();
    this.#fail('server.hung-up', new RunError('UPSTREAM_HUNG_UP', { server, stream, stderr }));
  }

  /** Its callers get the error at once, however long the process takes to end. */
  #fail(event: string, error: RunError): void {
    this.#failure = error;
    this.#options.log.error({ event }, error.message);
    this.#close(error);
  }

  #onExit(exit: ChildExit): void {
    // Answers that were read before the exit are delivered before it.
    this.#reader.flush();
    this.#slowStart.end();
    this.#invalidStdout.end();
    logExit(exit, this.#options);
    this.#close(this.#failure ?? this.#errorOf(exit));
  }

  #close(error: RunError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onclose(error);
  }

  /** `exitCode` is the one that the process chose; 0 when we had to end it by a signal. */
  #errorOf(exit: ChildExit): RunError {
    const { server } = this.#options;
    if (exit.stopped) {
      return new RunError('UPSTREAM_CLOSED', { server, exitCode: exit.signal === null ? exit.code : 0 });
    }
    const status = exit.signal ?? `exit code ${exit.code}`;
    const stderr = this.#stderrTail.text();
    // A server that has worked was started the right way.
    const hint = this.#hasSpoken ? undefined : hintForExit(this.#target, exit.code, stderr);
    const fields = { server, status, exitCode: exit.code, stderr };
    return new RunError('UPSTREAM_EXITED', hint === undefined ? fields : { ...fields, hint });
  }
}

/** Starts stdio servers, and knows their processes. */
export class StdioOpener implements Opener<StdioTarget> {
  readonly #clock: Clock;
  readonly #processes: ProcessRegistry;

  constructor({ clock, killsOnExit }: OpenerOptions) {
    this.#clock = clock;
    this.#processes = new ProcessRegistry(clock, killsOnExit);
  }

  /**
   * Starts a server.
   * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`
   */
  async open(target: StdioTarget, options: UpstreamOptions): Promise<Link> {
    const child = await this.#start(target, options);
    options.log.debug({ event: 'server.started', pid: child.pid }, `started (pid ${child.pid})`);
    const link = new StdioLink(child, target, options, this.#clock);
    link.observe();
    return link;
  }

  close(): void {
    this.#processes.close();
  }

  async #start(target: StdioTarget, { server, log }: UpstreamOptions): Promise<Child> {
    try {
      return await startChild({ server, ...target, log }, this.#processes);
    } catch (error) {
      const hint = hintForMissing(target.command);
      if (hint === undefined || !isRunError(error, 'COMMAND_NOT_FOUND')) throw error;
      throw new RunError('COMMAND_NOT_FOUND', { ...error.fields, hint }, { cause: error });
    }
  }
}

function logExit(exit: ChildExit, { log }: UpstreamOptions): void {
  const how = exit.signal ?? `exit code ${exit.code}`;
  const fields = { event: 'server.exited', code: exit.code, signal: exit.signal };
  // Whether that is worth a warning depends on the answers that it had given: the supervisor logs it.
  log.debug(fields, `${exit.stopped ? 'stopped' : 'exited by itself'} (${how})`);
}
