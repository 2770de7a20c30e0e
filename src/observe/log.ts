import { systemClock, type Clock } from '../clock.ts';
import { LINE_LEVELS, type LineLevel, type LogFormat, type LogLevel } from '../config/types.ts';
import { printable, printableJson, printableLines, printableStyled } from './printable.ts';

/** Fields of an event; `event` names it and never varies, the text is for people. */
export interface LogFields {
  readonly event: string;
  readonly [field: string]: unknown;
}

export type Log = Record<LineLevel, (fields: LogFields, text: string) => void> & {
  child(fields: { readonly server?: string; readonly session?: string }): Log;
  isLevelEnabled(level: LineLevel): boolean;
};

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly colour: boolean;
}

/** Unread bytes on stderr past which log lines are dropped: a parent that never reads must not fill our memory. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Opens the log. It writes to stderr only, and never blocks on a reader that has stopped. */
export async function openLog(options: LogOptions, clock: Clock = systemClock): Promise<Log> {
  const sink = createSink(process.stderr);
  const destination =
    options.format === 'json'
      ? { write: (line: string) => sink.write(printableJson(line)) }
      : await createPrettyPrinter(sink, options.colour);
  return createLog({ sink: destination, clock }, options.level, {});
}

/** Where the lines of a log go, and what dates them. */
interface Output {
  readonly sink: Sink;
  readonly clock: Clock;
}

/** A log whose lines all have these fields. */
function createLog(output: Output, level: LogOptions['level'], bound: object): Log {
  const { sink, clock } = output;
  const lowest = level === 'silent' ? LINE_LEVELS.length : LINE_LEVELS.indexOf(level);
  const isLevelEnabled = (name: LineLevel): boolean => LINE_LEVELS.indexOf(name) >= lowest;
  const at = (name: LineLevel): Log[LineLevel] =>
    isLevelEnabled(name)
      ? (fields, text) => sink.write(lineOf({ level: name, time: clock.date(), ...bound }, fields, text))
      : () => {};
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => createLog(output, level, { ...bound, ...fields }),
    isLevelEnabled,
  };
}

function lineOf(head: object, fields: LogFields, msg: string): string {
  try {
    return `${JSON.stringify({ ...head, ...fields, msg }, digits)}\n`;
  } catch {
    // A field that is no JSON is a bug, but none that should end the service.
    return `${JSON.stringify({ ...head, event: fields.event, msg })}\n`;
  }
}

/** A request id may be an integer that JSON can hold and `JSON.stringify` cannot. */
function digits(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

interface Sink {
  write(line: string): void;
}

function createSink(stream: NodeJS.WriteStream): Sink {
  // The reader of our stderr may go away at any time; that is no reason to stop serving.
  stream.on('error', () => {});
  let dropped = 0;
  return {
    write(line) {
      if (stream.writableLength > MAX_UNREAD_BYTES || !stream.writable) {
        dropped += 1;
        return;
      }
      if (dropped > 0) {
        stream.write(
          `${JSON.stringify({ level: 'warn', event: 'log.dropped', lines: dropped, msg: 'log lines dropped: stderr is not being read' })}\n`,
        );
        dropped = 0;
      }
      stream.write(line);
    },
  };
}

async function createPrettyPrinter(sink: Sink, colour: boolean): Promise<Sink> {
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({
    colorize: colour,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,event,server',
    messageFormat: '{if server}[{server}] {end}{msg}',
  });
  return { write: (line) => sink.write(printableStyled(pretty(readable(line)))) };
}

/** The line with control characters escaped in its texts: servers and clients choose parts of these, and could forge lines. */
function readable(line: string): string {
  const record: unknown = JSON.parse(line);
  return JSON.stringify(record, (key, value: unknown) => {
    if (typeof value !== 'string') return value;
    // A stack is ours, and reads better as it is.
    return key === 'stack' ? printableLines(value) : printable(value);
  });
}
