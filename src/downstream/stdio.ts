import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { RunError, toRunError } from '../errors.ts';
import { parseClientMessage } from '../protocol/client-message.ts';
import { faultFrame, forParent } from '../protocol/fault.ts';
import type { Frame } from '../protocol/frame.ts';
import { createLineWriter } from '../protocol/line-writer.ts';
import { createLineSplitter, type LineEnds } from '../protocol/lines.ts';
import type { Link } from '../link/link.ts';
import { longRequestId } from '../protocol/outline.ts';

/** How long a client may take to read the last answers. */
const FLUSH_MS = 1_000;

export interface StdioOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly lineLimitBytes: number;
}

/** The client that started us, on our own stdin and stdout (2025-11-25, basic/transports, stdio). */
export function createStdioDownstream({ input, output, lineLimitBytes }: StdioOptions): Link {
  const writer = createLineWriter(output);
  let handler: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let held = 0;
  let inputEnded = false;
  let closed = false;

  output.on('error', gone);
  output.on('close', gone);

  return {
    peer: 'client',
    era: 'legacy',
    principal: 'parent',
    supports: {
      notifications: true,
      get requests() {
        return !inputEnded;
      },
    },
    send,
    onframe(next) {
      handler = next;
      const split = createLineSplitter(lineLimitBytes, { line, overflow });
      input.on('data', split);
      // The last message may come without a line end.
      input.on('end', () => split(Buffer.from('\n')));
    },
    onend(end) {
      const ended = (): void => {
        if (inputEnded) return;
        inputEnded = true;
        end();
      };
      input.on('end', ended);
      input.on('error', ended);
    },
    onclose(next) {
      onclose = next;
    },
    abandonResponse() {},
    close,
  };

  function send(frame: Frame): void | Promise<void> {
    return writer.send(forParent(frame));
  }

  function line(bytes: Buffer): void {
    try {
      deliver(parseClientMessage(bytes));
    } catch (error) {
      // Where not even an id can be read it is null (JSON-RPC 2.0, section 5); the next line gets its chance.
      void send(faultFrame(toRunError(error), null));
    }
  }

  function deliver(frame: Frame): void {
    try {
      const wait = handler(frame);
      if (wait !== undefined) hold(wait);
    } catch (error) {
      void send(faultFrame(toRunError(error), frame.id ?? null));
    }
  }

  /** The server does not keep up, or is still starting: read no further, and the client waits. */
  function hold(wait: Promise<void>): void {
    held += 1;
    input.pause();
    void wait.finally(() => {
      held -= 1;
      if (held === 0 && !closed) input.resume();
    });
  }

  function overflow(ends: LineEnds): void {
    const detail = `a line is over ${lineLimitBytes} bytes`;
    const id = longRequestId(ends) ?? null;
    void send(faultFrame(new RunError('INVALID_REQUEST', { detail }), id));
  }

  function gone(): void {
    if (closed) return;
    closed = true;
    onclose();
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    input.pause();
    // A client that has stopped reading must not keep us from ending.
    await Promise.race([writer.flush(), delay(FLUSH_MS, undefined, { ref: false })]);
    onclose();
  }
}
