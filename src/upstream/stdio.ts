import { RunError } from '../errors.ts';
import { startChild, type Child, type ChildExit } from '../process/child.ts';
import { faultFrame } from '../protocol/fault.ts';
import { parseBody, peekAnsweredId, peekFrame, type Frame } from '../protocol/frame.ts';
import { createLineWriter } from '../protocol/line-writer.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import type { Link } from '../protocol/link.ts';
import type { StdioTarget, UpstreamOptions } from './target.ts';

/** How a batch begins. */
const ARRAY = '['.charCodeAt(0);
/** Longest stderr line that is logged whole. */
const STDERR_LINE_BYTES = 16 * 1024;

/**
 * Starts a stdio server and speaks with it line by line (2025-11-25, basic/transports, stdio).
 * @throws RunError `COMMAND_NOT_FOUND`, `SPAWN_FAILED`
 */
export async function openStdioUpstream(target: StdioTarget, options: UpstreamOptions): Promise<Link> {
  const child = await startChild({ server: options.server, ...target });
  options.log.debug({ event: 'server.started', pid: child.pid }, `started (pid ${child.pid})`);
  logStderr(child, options);
  return createStdioLink(child, options);
}

function createStdioLink(child: Child, options: UpstreamOptions): Link {
  const { server, log } = options;
  const writer = createLineWriter(child.stdin);
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let held = 0;

  void child.exited.then((exit) => {
    logExit(exit, options);
    onclose(endOf(exit, server));
  });

  return {
    peer: 'server',
    era: 'legacy',
    principal: 'child',
    can: { push: true, ask: true },
    send: (frame) => writer.send(frame),
    onframe(handler) {
      onframe = handler;
      child.stdout.on('data', createLineSplitter(options.lineLimitBytes, { line, overflow }));
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
    let frames: Frame | Frame[];
    try {
      // Revision 2025-03-26 has batches; nobody else is sent one.
      frames = bytes[0] === ARRAY ? parseBody(bytes) : peekFrame(bytes);
    } catch {
      log.warn(
        { event: 'server.stdout-skipped', bytes: bytes.length },
        'a line on stdout is not a JSON-RPC message, skipped (servers must log to stderr)',
      );
      return;
    }
    if (Array.isArray(frames)) frames.forEach(deliver);
    else deliver(frames);
  }

  function deliver(frame: Frame): void {
    const wait = onframe(frame);
    if (wait === undefined) return;
    // The client does not keep up: stop reading, so that the server waits and not our memory grows.
    held += 1;
    child.stdout.pause();
    void wait.finally(() => {
      held -= 1;
      if (held === 0) child.stdout.resume();
    });
  }

  function overflow(ends: Buffer): void {
    const error = new RunError('LINE_TOO_LONG', { server, maxBytes: options.lineLimitBytes });
    log.warn({ event: 'server.line-too-long', maxBytes: options.lineLimitBytes }, error.message);
    const id = peekAnsweredId(ends);
    if (id !== undefined) deliver(faultFrame(error, id));
  }
}

/** `exitCode` is the one that the process chose; 0 when we had to end it by a signal. */
function endOf(exit: ChildExit, server: string): RunError {
  if (exit.stopped) {
    return new RunError('UPSTREAM_CLOSED', { server, exitCode: exit.signal === null ? exit.code : 0 });
  }
  const status = exit.signal ?? `exit code ${exit.code}`;
  return new RunError('UPSTREAM_EXITED', { server, status, exitCode: exit.code });
}

function logExit(exit: ChildExit, { log }: UpstreamOptions): void {
  const how = exit.signal ?? `exit code ${exit.code}`;
  const fields = { event: 'server.exited', code: exit.code, signal: exit.signal };
  // Whether that is worth a warning depends on what it had answered: the supervisor says so.
  log.debug(fields, `${exit.stopped ? 'stopped' : 'exited by itself'} (${how})`);
}

/** The child's stderr is its log: every line goes to ours, under the server's name. */
function logStderr(child: Child, { log }: UpstreamOptions): void {
  const write = (bytes: Buffer): void => log.info({ event: 'server.stderr' }, bytes.toString().trimEnd());
  const split = createLineSplitter(STDERR_LINE_BYTES, { line: write, overflow: write });
  child.stderr.on('data', split);
  // The last words of a process that dies often come without a line end.
  child.stderr.on('end', () => split(Buffer.from('\n')));
}
