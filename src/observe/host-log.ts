import type { LineLevel } from '../config/types.ts';
import type { Log, LogFields } from './log.ts';

/** The part of a logger such as Fastify's or pino's that is used here. */
export type HostLogger = Record<LineLevel, (fields: object, text: string) => void> & {
  child(fields: object): HostLogger;
  isLevelEnabled?: (level: LineLevel) => boolean;
};

/** Writes to the logger of the application that mcp-run is a part of. */
export function logTo(logger: HostLogger): Log {
  const at =
    (level: LineLevel): Log[LineLevel] =>
    (fields: LogFields, text: string) =>
      logger[level](fields, text);
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => logTo(logger.child(fields)),
    // A logger that cannot tell drops lines by itself.
    isLevelEnabled: (level) => logger.isLevelEnabled?.(level) ?? true,
  };
}
