import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { RunError, toRunError } from '../errors.ts';
import type { Era, Link } from '../link/link.ts';
import type { Principal } from '../link/principal.ts';
import { parseClientMessage } from '../protocol/client-message.ts';
import { faultFrame, forParent } from '../protocol/fault.ts';
import type { Frame } from '../protocol/frame.ts';
import { createLineWriter, type LineWriter } from '../protocol/line-writer.ts';
import { createLineSplitter, type LineEnds } from '../protocol/lines.ts';
import { longRequestId } from '../protocol/outline.ts';

/** How long a client may take to read the last answers. */
const FLUSH_MS = 1_000;
const PARENT: Principal = { id: 'parent', claims: {} };

export interface StdioOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly lineLimitBytes: number;
  readonly clock: Clock;
}

/** `ended`: the client sends nothing more and still reads. */
type Phase = 'open' | 'ended' | 'closed';

class StdioDownstream implements Link {
  readonly peer = 'client';
  readonly era: Era = 'legacy';
  readonly principal = PARENT;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #lineLimitBytes: number;
  readonly #clock: Clock;
  readonly #writer: LineWriter;
  #phase: Phase = 'open';
  /** Frames that the server has not taken yet. */
  #untaken = 0;
  #onframe: (frame: Frame) => void | Promise<void> = () => {};
  #onclose: (error?: Error) => void = () => {};

  constructor({ input, output, lineLimitBytes, clock }: StdioOptions) {
    this.#input = input;
    this.#output = output;
    this.#lineLimitBytes = lineLimitBytes;
    this.#clock = clock;
    this.#writer = createLineWriter(output);
  }

  get supports(): { readonly notifications: boolean; readonly requests: boolean } {
    return { notifications: true, requests: this.#phase === 'open' };
  }

  /** Notices from now on when the client stops reading. */
  watch(): void {
    this.#output.on('error', () => this.#closed());
    this.#output.on('close', () => this.#closed());
  }

  // From the client

  onframe(handler: (frame: Frame) => void | Promise<void>): void {
    this.#onframe = handler;
    const split = createLineSplitter(this.#lineLimitBytes, {
      line: (bytes) => this.#line(bytes),
      overflow: (ends) => this.#overflow(ends),
    });
    this.#input.on('data', split);
    // The last message may come without a line end.
    this.#input.on('end', () => split(Buffer.from('\n')));
  }

  onend(handler: () => void): void {
    const ended = (): void => {
      if (this.#phase !== 'open') return;
      this.#phase = 'ended';
      handler();
    };
    this.#input.on('end', ended);
    this.#input.on('error', ended);
  }

  #line(bytes: Buffer): void {
    try {
      this.#deliver(parseClientMessage(bytes));
    } catch (error) {
      // Where not even an id can be read it is null (JSON-RPC 2.0, section 5); the next line gets its chance.
      void this.send(faultFrame(toRunError(error), null));
    }
  }

  #overflow(ends: LineEnds): void {
    const detail = `a line is over ${this.#lineLimitBytes} bytes`;
    const id = longRequestId(ends) ?? null;
    void this.send(faultFrame(new RunError('INVALID_REQUEST', { detail }), id));
  }

  #deliver(frame: Frame): void {
    try {
      const wait = this.#onframe(frame);
      if (wait !== undefined) this.#pauseInput(wait);
    } catch (error) {
      void this.send(faultFrame(toRunError(error), frame.id ?? null));
    }
  }

  /** The server does not keep up, or is still starting: read no further, and the client waits. */
  #pauseInput(until: Promise<void>): void {
    this.#untaken += 1;
    this.#input.pause();
    void until.finally(() => {
      this.#untaken -= 1;
      if (this.#untaken === 0 && this.#phase !== 'closed') this.#input.resume();
    });
  }

  // To the client

  send(frame: Frame): void | Promise<void> {
    return this.#writer.send(forParent(frame));
  }

  abandonResponse(): void {}

  // Life cycle

  onclose(handler: (error?: Error) => void): void {
    this.#onclose = handler;
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#input.pause();
    await this.#flush();
    this.#onclose();
  }

  /** A client that has stopped reading must not keep us from ending. */
  async #flush(): Promise<void> {
    let cancel: () => void = () => {};
    const timedOut = new Promise<void>((resolve) => (cancel = this.#clock.after(FLUSH_MS, resolve)));
    await Promise.race([this.#writer.flush(), timedOut]);
    cancel();
  }

  #closed(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#onclose();
  }
}

/** The client that started us, on our own stdin and stdout (2025-11-25, basic/transports, stdio). */
export function createStdioDownstream(options: StdioOptions): Link {
  const link = new StdioDownstream(options);
  link.watch();
  return link;
}
