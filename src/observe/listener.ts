import type { Log, LogFields } from './log.ts';

/** A log that hands its entries to a function and writes nothing. */
export function createListenerLog(onEntry: (fields: LogFields, text: string) => void): Log {
  const log: Log = {
    trace: onEntry,
    debug: onEntry,
    info: onEntry,
    warn: onEntry,
    error: onEntry,
    child: () => log,
    isLevelEnabled: () => true,
  };
  return log;
}
