import { pino } from 'pino';
import { printable } from './printable.ts';

type LevelName = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Fields of an event; `event` names it and never varies, the text is for people. */
export interface LogFields {
  readonly event: string;
  readonly [field: string]: unknown;
}

export type Log = Record<LevelName, (fields: LogFields, text: string) => void> & {
  child(fields: { readonly server?: string; readonly session?: string }): Log;
  isLevelEnabled(level: LevelName): boolean;
};

export interface LogOptions {
  readonly level: LevelName | 'silent';
  readonly format: 'human' | 'json';
  readonly colour: boolean;
}

/** Unread bytes on stderr past which log lines are dropped: a parent that never reads must not fill our memory. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Opens the log. It writes to stderr only, and never blocks on a reader that has stopped. */
export async function openLog(options: LogOptions): Promise<Log> {
  const sink = createSink(process.stderr);
  const destination = options.format === 'json' ? sink : await createPrettyPrinter(sink, options.colour);
  const log: Log = pino(
    { level: options.level, base: null, formatters: { level: (label) => ({ level: label }) } },
    destination,
  );
  return log;
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
  return { write: (line) => sink.write(pretty(printable(line))) };
}
