import { RunError, toRunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { faultFrame } from '../protocol/fault.ts';
import { peekFrame, splitBatch, type Frame } from '../protocol/frame.ts';
import { createLineSplitter, type LineEnds, type LineSplitter } from '../protocol/lines.ts';
import { longAnswerTo, unreadableAnswerTo, unreadableRequestId } from '../protocol/outline.ts';

export interface StdoutOptions {
  readonly server: string;
  readonly lineLimitBytes: number;
  /** `strict`: what is no message is skipped, whether or not it shows which request it answers. */
  readonly stdout: 'strict' | 'skip';
  readonly log: Log;
  /** A message, or the error that its caller gets in place of an answer that cannot be read. */
  readonly deliver: (frame: Frame) => void;
  /** The error that the server gets for a request of its own that cannot be read. */
  readonly refuse: (fault: Frame) => void;
  /** A line that is no message, and answers nothing. */
  readonly skip: (line: Buffer) => void;
}

/** How a batch begins. */
const ARRAY = '['.charCodeAt(0);

/** Reads the messages of a process off its stdout (2025-11-25, basic/transports, stdio). */
export function createStdoutReader(options: StdoutOptions): LineSplitter {
  const { server, lineLimitBytes, log, deliver, refuse, skip } = options;
  return createLineSplitter(lineLimitBytes, { line, overflow });

  function line(bytes: Buffer): void {
    const isMcp = bytes[0] === ARRAY ? batch(bytes) : message(bytes);
    if (!isMcp) skip(bytes);
  }

  /** Revision 2025-03-26 has batches; nobody else is sent one. */
  function batch(bytes: Buffer): boolean {
    let elements: readonly Uint8Array[];
    try {
      elements = splitBatch(bytes);
    } catch {
      return false;
    }
    return elements.map((element) => message(Buffer.from(element))).includes(true);
  }

  function message(bytes: Buffer): boolean {
    let frame: Frame;
    try {
      frame = peekFrame(bytes);
    } catch (error) {
      return options.stdout === 'skip' && unreadable(bytes, toRunError(error));
    }
    deliver(frame);
    return true;
  }

  /** A caller must not wait for an answer that has been given, if in a form that is none. */
  function unreadable(bytes: Buffer, error: RunError): boolean {
    const { detail = '' } = error.fields;
    const answered = unreadableAnswerTo(bytes);
    if (answered !== undefined) {
      const fault = new RunError('UNREADABLE_ANSWER', { server, detail }, { cause: error });
      log.warn({ event: 'server.answer-unreadable', id: answered }, fault.message);
      deliver(faultFrame(fault, answered));
      return true;
    }
    const asked = unreadableRequestId(bytes);
    if (asked === undefined) return false;
    log.warn(
      { event: 'server.request-unreadable', id: asked },
      `a request of the server is refused: ${error.message}`,
    );
    refuse(faultFrame(error, asked));
    return true;
  }

  function overflow(ends: LineEnds): void {
    const error = new RunError('LINE_TOO_LONG', { server, maxBytes: lineLimitBytes });
    log.warn({ event: 'server.line-too-long', maxBytes: lineLimitBytes }, error.message);
    const id = longAnswerTo(ends);
    if (id !== undefined) deliver(faultFrame(error, id));
  }
}
