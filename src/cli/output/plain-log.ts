import type { Log, LogFields } from '../../observe/log.ts';
import type { CliContext } from '../context.ts';
import { printable } from './palette.ts';
import { writeText } from './write-text.ts';

/** The log of a command that talks to a person: the texts alone, on stderr. */
export function createPlainLog({ stderr }: Pick<CliContext, 'stderr'>, server?: string): Log {
  const print = (_: LogFields, text: string): void =>
    writeText(stderr, `${server === undefined ? '' : `[${printable(server)}] `}${printable(text)}\n`);
  const skip = (): void => {};
  return {
    trace: skip,
    debug: skip,
    info: print,
    warn: print,
    error: print,
    child: (fields) => createPlainLog({ stderr }, fields.server ?? server),
    isLevelEnabled: (level) => level !== 'trace' && level !== 'debug',
  };
}
