import { StringDecoder } from 'node:string_decoder';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { RunError } from '../../errors.ts';
import type { HttpResponse } from './http-call.ts';

export interface EventReader {
  readonly server: string;
  /** Longest event, in characters. */
  readonly maxLength: number;
  /** A promise holds the next ones back. */
  event(event: EventSourceMessage): void | Promise<void>;
  /** How long to wait before the stream is opened again. */
  retry(ms: number): void;
  /** Called once. `error`: the connection broke, or an event was too long. */
  end(error: Error | undefined): void;
}

const BOM = '\uFEFF';

/** Reads a response as a stream of events (HTML, server-sent events). */
export function readEvents(response: HttpResponse, reader: EventReader): void {
  const decode = createTextDecoder();
  let waits: Promise<void>[] = [];
  let isOver = false;
  const parser = createParser({
    maxBufferSize: reader.maxLength,
    onEvent(event) {
      if (isOver) return;
      if (event.data.length > reader.maxLength) return tooLong();
      const held = reader.event(event);
      if (held !== undefined) waits.push(held);
    },
    onRetry: (ms) => reader.retry(ms),
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') tooLong();
    },
  });
  response.read({
    data(chunk) {
      if (isOver) return undefined;
      parser.feed(decode(chunk));
      if (waits.length === 0) return undefined;
      const held = waits;
      waits = [];
      return Promise.all(held).then(() => {});
    },
    end: () => end(undefined),
    failed: end,
  });

  function tooLong(): void {
    response.abort();
    end(new RunError('LINE_TOO_LONG', { server: reader.server, maxBytes: reader.maxLength }));
  }

  function end(error: Error | undefined): void {
    if (isOver) return;
    isOver = true;
    reader.end(error);
  }
}

/**
 * The text of a stream without its byte order mark, all lines ended by LF: a CR at the end of a chunk ends its line at
 * once, and a LF in the next chunk belongs to it.
 */
function createTextDecoder(): (chunk: Buffer) => string {
  const decoder = new StringDecoder('utf8');
  let isStart = true;
  let isBehindCr = false;
  return (chunk) => {
    let text = decoder.write(chunk);
    if (text === '') return text;
    if (isStart ? text.startsWith(BOM) : isBehindCr && text.startsWith('\n')) text = text.slice(1);
    isStart = false;
    isBehindCr = text.endsWith('\r');
    return text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text;
  };
}
