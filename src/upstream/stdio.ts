import { isRunError, RunError } from '../errors.ts';
import { startChild, type Child, type ChildExit } from '../process/child.ts';
import { faultFrame } from '../protocol/fault.ts';
import { parseBody, peekAnsweredId, peekFrame, type Frame } from '../protocol/frame.ts';
import { createLineWriter } from '../protocol/line-writer.ts';
import { FairReader } from './fair-reader.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import type { Link } from '../protocol/link.ts';
import { systemClock } from './clock.ts';
import { hintForExit, hintForMissing } from './hints.ts';
import { createLastWords, type LastWords } from './last-words.ts';
import { watchSlowStart } from './slow-start.ts';
import { createStdoutNoise, excerptOf } from './stdout-noise.ts';
import type { StdioTarget, UpstreamOptions } from './target.ts';

/** How a batch begins. */
const ARRAY = '['.charCodeAt(0);
/** Lines of a chunk of stdout that are handled in one turn of the event loop. */
const LINES_PER_TURN = 32;
/** Longest stderr line that is logged whole. */
const STDERR_LINE_BYTES = 16 * 1024;

/**
 * Starts a stdio server and speaks with it line by line (2025-11-25, basic/transports, stdio).
 * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`
 */
export async function openStdioUpstream(target: StdioTarget, options: UpstreamOptions): Promise<Link> {
  const child = await start(target, options);
  options.log.debug({ event: 'server.started', pid: child.pid }, `started (pid ${child.pid})`);
  return createStdioLink(child, target, options);
}

async function start(target: StdioTarget, { server }: UpstreamOptions): Promise<Child> {
  try {
    return await startChild({ server, ...target });
  } catch (error) {
    const hint = hintForMissing(target.command);
    if (hint === undefined || !isRunError(error, 'COMMAND_NOT_FOUND')) throw error;
    throw new RunError('COMMAND_NOT_FOUND', { ...error.fields, hint }, { cause: error });
  }
}

function createStdioLink(child: Child, target: StdioTarget, options: UpstreamOptions): Link {
  const { server, log } = options;
  const writer = createLineWriter(child.stdin);
  const lastWords = createLastWords();
  const noise = createStdoutNoise(log, systemClock);
  const slowStart = watchSlowStart(target, log, systemClock);
  const split = createLineSplitter(options.lineLimitBytes, { line, overflow });
  const reader = new FairReader({ take: (chunk) => split(chunk, LINES_PER_TURN), pause, resume });
  let held = 0;
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let hasSpoken = false;
  /** Why we ended it ourselves, if it was not somebody else's wish. */
  let offence: RunError | undefined;

  logStderr(child, options, lastWords);
  void child.exited.then((exit) => {
    // Answers that were read before the exit are delivered before it.
    reader.flush();
    slowStart.end();
    noise.end();
    logExit(exit, options);
    onclose(offence ?? endOf(exit));
  });

  return {
    peer: 'server',
    era: 'legacy',
    principal: 'child',
    can: { push: true, ask: true },
    send(frame) {
      slowStart.asked();
      return writer.send(frame);
    },
    onframe(handler) {
      onframe = handler;
      child.stdout.on('data', (chunk: Buffer) => {
        reader.push(chunk);
        // Node resumes the stream of an exited process, even where it is held back.
        if (held > 0) child.stdout.pause();
      });
    },
    // A server that ends its stdout is about to exit; `onclose` tells.
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    forget() {},
    async close() {
      void writer.flush();
      await child.stop();
    },
  };

  function line(bytes: Buffer): void {
    if (offence !== undefined) return;
    let frames: Frame | Frame[];
    try {
      // Revision 2025-03-26 has batches; nobody else is sent one.
      frames = bytes[0] === ARRAY ? parseBody(bytes) : peekFrame(bytes);
    } catch {
      return notMcp(bytes);
    }
    if (!hasSpoken) slowStart.end();
    hasSpoken = true;
    if (Array.isArray(frames)) frames.forEach(deliver);
    else deliver(frames);
  }

  function notMcp(bytes: Buffer): void {
    if (options.stdout === 'skip') return noise.skip(bytes);
    offence = new RunError('STDOUT_NOT_MCP', { server });
    log.error({ event: 'server.stdout-refused', bytes: bytes.length }, offence.message);
    log.debug({ event: 'server.stdout-line', bytes: bytes.length }, `refused: ${excerptOf(bytes)}`);
    void child.stop();
  }

  function deliver(frame: Frame): void {
    const wait = onframe(frame);
    // The client does not keep up: stop reading, so that the server waits and not our memory grows.
    if (wait === undefined) return;
    pause();
    void wait.finally(resume);
  }

  function pause(): void {
    held += 1;
    child.stdout.pause();
  }

  function resume(): void {
    held -= 1;
    if (held === 0) child.stdout.resume();
  }

  function overflow(ends: Buffer): void {
    const error = new RunError('LINE_TOO_LONG', { server, maxBytes: options.lineLimitBytes });
    log.warn({ event: 'server.line-too-long', maxBytes: options.lineLimitBytes }, error.message);
    const id = peekAnsweredId(ends);
    if (id !== undefined) deliver(faultFrame(error, id));
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
function logStderr(child: Child, { log }: UpstreamOptions, lastWords: LastWords): void {
  const write = (bytes: Buffer): void => {
    const text = bytes.toString().trimEnd();
    lastWords.add(text);
    log.info({ event: 'server.stderr' }, text);
  };
  const split = createLineSplitter(STDERR_LINE_BYTES, { line: write, overflow: write });
  child.stderr.on('data', split);
  // The last words of a process that dies often come without a line end.
  child.stderr.on('end', () => split(Buffer.from('\n')));
}
