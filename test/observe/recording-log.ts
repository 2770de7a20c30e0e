import type { Log, LogFields } from '../../src/observe/log.ts';

export interface Entry extends LogFields {
  readonly level: string;
  readonly text: string;
}

export interface RecordingLog extends Log {
  readonly entries: readonly Entry[];
  /** The entries of one event. */
  of(event: string): Entry[];
}

/** A log that keeps what is logged, its children's lines among them. */
export function createRecordingLog(): RecordingLog {
  const entries: Entry[] = [];
  const at =
    (level: string) =>
    (fields: LogFields, text: string): void =>
      void entries.push({ ...fields, level, text });
  const log: RecordingLog = {
    entries,
    of: (event) => entries.filter((entry) => entry.event === event),
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
    isLevelEnabled: () => true,
  };
  return log;
}
