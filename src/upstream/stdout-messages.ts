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
}

/** Takes what a server writes to its stdout. */
export interface StdoutHandler {
  /** A message, or the error that its caller gets in place of an answer that cannot be read. */
  deliver(frame: Frame): void;
  /** The error response to a request of the server that cannot be read. */
  reject(fault: Frame): void;
  /** A line that is no message, and answers nothing. */
  skip(line: Buffer): void;
}

/** How a batch begins. */
const ARRAY = '['.charCodeAt(0);
/** Messages that cannot be read and are logged as warnings. */
const MAX_WARNINGS = 3;

/** Reads the messages of a process off its stdout (2025-11-25, basic/transports, stdio). */
export class StdoutReader {
  readonly #options: StdoutOptions;
  readonly #handler: StdoutHandler;
  readonly #split: LineSplitter;
  readonly #broken = new BrokenMessage();
  #unreadable = 0;

  constructor(options: StdoutOptions, handler: StdoutHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#split = createLineSplitter(options.lineLimitBytes, {
      line: (bytes) => this.#readLine(bytes),
      overflow: (ends) => this.#onOverflow(ends),
    });
  }

  /** Reads up to `maxLines` lines of a chunk. @returns the number of bytes that were read */
  read(chunk: Buffer, maxLines?: number): number {
    return this.#split(chunk, maxLines);
  }

  #readLine(bytes: Buffer): void {
    const isMcp = bytes[0] === ARRAY ? this.#readBatch(bytes) : this.#readMessage(bytes);
    if (isMcp) this.#broken.clear();
    else this.#skip(bytes);
  }

  /** An answer with raw line breaks is several lines, and none of them shows which request it answers. */
  #skip(bytes: Buffer): void {
    this.#handler.skip(bytes);
    const whole = this.#options.stdout === 'skip' ? this.#broken.add(bytes) : undefined;
    const answered = whole === undefined ? undefined : unreadableAnswerTo(whole, true);
    if (answered === undefined) return;
    this.#broken.clear();
    this.#failRequest(answered, 'it is broken into several lines');
  }

  /** Only servers of revision 2025-03-26 send batches. */
  #readBatch(bytes: Buffer): boolean {
    const elements = splitBatch(bytes)?.map(asBuffer);
    if (elements === undefined) return false;
    const skipped = elements.filter((element) => !this.#readMessage(element));
    if (skipped.length === elements.length) return false;
    for (const element of skipped) this.#handler.skip(element);
    return true;
  }

  #readMessage(bytes: Buffer): boolean {
    let frame: Frame;
    try {
      frame = peekFrame(bytes);
    } catch (error) {
      return this.#options.stdout === 'skip' && this.#readUnreadable(bytes, toRunError(error));
    }
    this.#handler.deliver(frame);
    return true;
  }

  /** A caller must not wait for an answer that was sent in a form that cannot be read. */
  #readUnreadable(bytes: Buffer, error: RunError): boolean {
    const { detail = '' } = error.fields;
    const answered = unreadableAnswerTo(bytes);
    if (answered !== undefined) {
      this.#failRequest(answered, String(detail));
      return true;
    }
    const id = unreadableRequestId(bytes);
    if (id === undefined) return false;
    const fields = { event: 'server.request-unreadable', id };
    this.#logUnreadable(fields, `refused a request of the server: ${error.message}`);
    this.#handler.reject(faultFrame(error, id));
    return true;
  }

  #failRequest(id: RequestId, detail: string): void {
    const fault = new RunError('UNREADABLE_ANSWER', { server: this.#options.server, detail });
    this.#logUnreadable({ event: 'server.answer-unreadable', id }, fault.message);
    this.#handler.deliver(faultFrame(fault, id));
  }

  /** The first ones are warnings; more must not fill the log. */
  #logUnreadable(fields: LogFields, text: string): void {
    this.#unreadable += 1;
    if (this.#unreadable > MAX_WARNINGS) this.#options.log.debug(fields, text);
    else this.#options.log.warn(fields, text);
  }

  #onOverflow(ends: LineEnds): void {
    const { server, lineLimitBytes: maxBytes, log } = this.#options;
    const error = new RunError('LINE_TOO_LONG', { server, maxBytes });
    log.warn({ event: 'server.line-too-long', maxBytes }, error.message);
    const id = longAnswerTo(ends);
    if (id !== undefined) this.#handler.deliver(faultFrame(error, id));
  }
}
