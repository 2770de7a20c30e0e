import { RunError, toRunError } from '../errors.ts';
import type { Log, LogFields } from '../observe/log.ts';
import { asBuffer } from '../protocol/bytes.ts';
import { faultFrame } from '../protocol/fault.ts';
import { peekFrame, splitBatch, type Frame } from '../protocol/frame.ts';
import { createLineSplitter, type LineEnds, type LineSplitter } from '../protocol/lines.ts';
import { longAnswerTo, unreadableAnswerTo, unreadableRequestId } from '../protocol/outline.ts';
import type { StdoutMode } from '../config/types.ts';
import type { RequestId } from '../protocol/request-id.ts';
import { BrokenMessage } from './broken-message.ts';

export interface StdoutOptions {
  readonly server: string;
  readonly lineLimitBytes: number;
  /** `strict`: a line that is no message is skipped, whether or not it shows which request it answers. */
  readonly stdout: StdoutMode;
  readonly log: Log;
  /** A message, or the error that its caller gets in place of an answer that cannot be read. */
  readonly deliver: (frame: Frame) => void;
  /** The error response to a request of the server that cannot be read. */
  readonly refuse: (fault: Frame) => void;
  /** A line that is no message, and answers nothing. */
  readonly skip: (line: Buffer) => void;
}

/** How a batch begins. */
const ARRAY = '['.charCodeAt(0);
/** Messages that cannot be read and are told about one by one. */
const SHOWN = 3;

/** Reads the messages of a process off its stdout (2025-11-25, basic/transports, stdio). */
export function createStdoutReader(options: StdoutOptions): LineSplitter {
  const { server, lineLimitBytes, log, deliver, refuse, skip } = options;
  const broken = new BrokenMessage();
  let told = 0;
  return createLineSplitter(lineLimitBytes, { line, overflow });

  function line(bytes: Buffer): void {
    const isMcp = bytes[0] === ARRAY ? batch(bytes) : message(bytes);
    if (isMcp) broken.clear();
    else other(bytes);
  }

  /** An answer with raw line breaks is several lines, and none of them shows what it answers. */
  function other(bytes: Buffer): void {
    skip(bytes);
    const whole = options.stdout === 'skip' ? broken.add(bytes) : undefined;
    const answered = whole === undefined ? undefined : unreadableAnswerTo(whole, true);
    if (answered === undefined) return;
    broken.clear();
    fail(answered, 'it is broken into several lines');
  }

  /** Only servers of revision 2025-03-26 send batches. */
  function batch(bytes: Buffer): boolean {
    const others = splitBatch(bytes)?.map(asBuffer);
    if (others === undefined) return false;
    const skipped = others.filter((element) => !message(element));
    if (skipped.length === others.length) return false;
    skipped.forEach(skip);
    return true;
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
      fail(answered, String(detail));
      return true;
    }
    const asked = unreadableRequestId(bytes);
    if (asked === undefined) return false;
    tell(
      { event: 'server.request-unreadable', id: asked },
      `refused a request of the server: ${error.message}`,
    );
    refuse(faultFrame(error, asked));
    return true;
  }

  function fail(id: RequestId, detail: string): void {
    const fault = new RunError('UNREADABLE_ANSWER', { server, detail });
    tell({ event: 'server.answer-unreadable', id }, fault.message);
    deliver(faultFrame(fault, id));
  }

  /** The first ones are warnings; more must not fill the log. */
  function tell(fields: LogFields, text: string): void {
    told += 1;
    if (told > SHOWN) log.debug(fields, text);
    else log.warn(fields, text);
  }

  function overflow(ends: LineEnds): void {
    const error = new RunError('LINE_TOO_LONG', { server, maxBytes: lineLimitBytes });
    log.warn({ event: 'server.line-too-long', maxBytes: lineLimitBytes }, error.message);
    const id = longAnswerTo(ends);
    if (id !== undefined) deliver(faultFrame(error, id));
  }
}
