import { setTimeout as delay } from 'node:timers/promises';
import { isRunError, RunError } from '../errors.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import { createMask, type Mask } from '../observe/mask.ts';
import { startChild, type Child, type ChildExit } from '../process/child.ts';
import { ProcessRegistry } from '../process/process-registry.ts';
import type { Frame } from '../protocol/frame.ts';
import { createLineWriter } from '../protocol/line-writer.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import type { Link } from '../link/link.ts';
import { systemClock } from './clock.ts';
import { FairReader } from './fair-reader.ts';
import { hintForExit, hintForMissing } from './supervision/hints.ts';
import { createStderrTail, type StderrTail } from './supervision/stderr-tail.ts';
import { watchSlowStart } from './supervision/slow-start.ts';
import { createStdoutReader } from './stdout-messages.ts';
import { createInvalidStdout, excerptOf } from './invalid-stdout.ts';
import type { StdioTarget } from '../config/types.ts';
import type { UpstreamOptions } from './target.ts';
import type { Opener } from './opener.ts';

/** Lines of a chunk of stdout that are handled in one turn of the event loop. */
const LINES_PER_TURN = 32;
/** How long a process may go on that has closed its stdin or stdout: one that ends does so in this order. */
const HUNG_UP_MS = 500;
/** Longest stderr line that is logged whole. */
const STDERR_LINE_BYTES = 16 * 1024;

/** Starts stdio servers, and knows their processes. */
export class StdioOpener implements Opener<StdioTarget> {
  readonly #processes = new ProcessRegistry();

  /**
   * Starts a stdio server and speaks with it line by line (2025-11-25, basic/transports, stdio).
   * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`
   */
  async open(target: StdioTarget, options: UpstreamOptions): Promise<Link> {
    const child = await this.#start(target, options);
    options.log.debug({ event: 'server.started', pid: child.pid }, `started (pid ${child.pid})`);
    return createStdioLink(child, target, options);
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

function createStdioLink(child: Child, target: StdioTarget, options: UpstreamOptions): Link {
  const { server, log } = options;
  const writer = createLineWriter(child.stdin);
  const lastWords = createStderrTail();
  const noise = createInvalidStdout(log, systemClock, options.onSkipped);
  const slowStart = watchSlowStart(target, log, systemClock);
  const split = createStdoutReader({ ...options, deliver, refuse, skip });
  const reader = new FairReader({ take: (chunk) => split(chunk, LINES_PER_TURN), pause, resume });
  let held = 0;
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let hasSpoken = false;
  let isStopping = false;
  let isClosed = false;
  /** Why we ended it ourselves, if it was not somebody else's wish. */
  let offence: RunError | undefined;

  logStderr(child, options, lastWords, createMask(secretsOf(target)));
  void child.exited.then((exit) => {
    // Answers that were read before the exit are delivered before it.
    reader.flush();
    slowStart.end();
    noise.end();
    logExit(exit, options);
    closed(offence ?? endOf(exit));
  });
  child.stdin.once('close', () => void hungUp('stdin'));

  return {
    peer: 'server',
    era: 'legacy',
    principal: 'child',
    supports: { notifications: true, requests: true },
    send(frame) {
      slowStart.asked();
      return writer.send(frame);
    },
    onframe(handler) {
      onframe = handler;
      child.stdout.once('end', () => void hungUp('stdout'));
      child.stdout.on('data', (chunk: Buffer) => {
        reader.push(chunk);
        // Node resumes the stream of an exited process, even where it is held back.
        if (held > 0) child.stdout.pause();
      });
    },
    // A server that ends its stdout has ended; `onclose` tells.
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    abandonResponse() {},
    async close() {
      isStopping = true;
      void writer.flush();
      await child.stop();
    },
  };

  function deliver(frame: Frame): void {
    if (offence !== undefined) return;
    if (!hasSpoken) slowStart.end();
    hasSpoken = true;
    holdFor(onframe(frame));
  }

  function refuse(fault: Frame): void {
    holdFor(writer.send(fault));
  }

  /** A reader that does not keep up has the server wait, so that our memory does not grow. */
  function holdFor(wait: void | Promise<void>): void {
    if (wait === undefined) return;
    pause();
    void wait.finally(resume);
  }

  function skip(line: Buffer): void {
    if (options.stdout === 'skip') return noise.skip(line);
    if (offence !== undefined) return;
    log.debug({ event: 'server.stdout-line', bytes: line.length }, `refused: ${excerptOf(line)}`);
    void child.stop();
    giveUp('server.stdout-refused', new RunError('STDOUT_NOT_MCP', { server }));
  }

  function pause(): void {
    held += 1;
    child.stdout.pause();
  }

  function resume(): void {
    held -= 1;
    if (held === 0) child.stdout.resume();
  }

  /** A process that can neither be told nor say anything more has ended as a server, although it runs. */
  async function hungUp(stream: 'stdin' | 'stdout'): Promise<void> {
    await delay(HUNG_UP_MS, undefined, { ref: false });
    // Timers come before what has arrived while this process had to wait for a processor.
    await new Promise(setImmediate);
    if (isStopping || offence !== undefined || !child.isRunning) return;
    reader.flush();
    void child.stop(true);
    giveUp('server.hung-up', new RunError('UPSTREAM_HUNG_UP', { server, stream, stderr: lastWords.text() }));
  }

  /** Its callers are told at once, however long it takes to end. */
  function giveUp(event: string, error: RunError): void {
    offence = error;
    log.error({ event }, error.message);
    closed(error);
  }

  function closed(error: RunError): void {
    if (isClosed) return;
    isClosed = true;
    onclose(error);
  }

  /** `exitCode` is the one that the process chose; 0 when we had to end it by a signal. */
  function endOf(exit: ChildExit): RunError {
    if (exit.stopped) {
      return new RunError('UPSTREAM_CLOSED', { server, exitCode: exit.signal === null ? exit.code : 0 });
    }
    const status = exit.signal ?? `exit code ${exit.code}`;
    const stderr = lastWords.text();
    // A server that has worked was started the right way.
    const hint = hasSpoken ? undefined : hintForExit(target, exit.code, stderr);
    const fields = { server, status, exitCode: exit.code, stderr };
    return new RunError('UPSTREAM_EXITED', hint === undefined ? fields : { ...fields, hint });
  }
}

function logExit(exit: ChildExit, { log }: UpstreamOptions): void {
  const how = exit.signal ?? `exit code ${exit.code}`;
  const fields = { event: 'server.exited', code: exit.code, signal: exit.signal };
  // Whether that is worth a warning depends on what it had answered: the supervisor says so.
  log.debug(fields, `${exit.stopped ? 'stopped' : 'exited by itself'} (${how})`);
}

/** The child's stderr is its log: every line goes to ours, under the server's name. */
function logStderr(child: Child, { log }: UpstreamOptions, lastWords: StderrTail, mask: Mask): void {
  const write = (...parts: Buffer[]): void => {
    // Before anything is cut off: half of a secret would not be recognized.
    const text = parts
      .map((part) => mask(part.toString()))
      .join('')
      .trimEnd();
    lastWords.add(text);
    log.info({ event: 'server.stderr' }, text);
  };
  const split = createLineSplitter(STDERR_LINE_BYTES, {
    line: (bytes) => write(bytes),
    overflow: ({ head, tail }) => write(head, tail),
  });
  child.stderr.on('data', split);
  // The last words of a process that dies often come without a line end.
  child.stderr.on('end', () => split(Buffer.from('\n')));
}
