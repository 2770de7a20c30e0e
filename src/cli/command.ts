import type { CliContext } from './context.ts';
import type { ServeArguments } from './manifest-source.ts';
import type { Reporting } from './output/reporting.ts';

/** One command line, ready to be carried out. */
export interface CommandCall {
  readonly args: ServeArguments;
  readonly context: CliContext;
  readonly reporting: Reporting;
  /** Of this program. */
  readonly version: string;
}

/** Carries it out and returns the exit code; never rejects. */
export type Command = (call: CommandCall) => Promise<number>;
