import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { takeEnvironment } from './options/environment.ts';

/** Everything the command line takes from its process, so that a test can be one. */
export interface ProcessContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Someone can read the stderr stream now. */
  readonly stderrIsTerminal: boolean;
  /** Someone can read the stdout stream now. */
  readonly stdoutIsTerminal: boolean;
  /** How wide the terminal is at the moment. */
  columns(): number;
  /** Takes variables out of the environment of the process; `env` keeps them. */
  forgetVariables?(names: Iterable<string>): void;
  /** Someone can be asked. */
  readonly canAsk: boolean;
}

/** What a command works with. The clock is added where commands are loaded, since `--version` loads no module for it. */
export interface CliContext extends ProcessContext {
  readonly clock: Clock;
}

/** The real process. */
export function processContext(): ProcessContext {
  const { stdin, stdout, stderr } = process;
  const env = takeEnvironment(process.env);
  // `mcp-run --help | head -1` closes our stdout early; that is no failure.
  stdout.on('error', () => {});
  const stderrIsTerminal = stderr.isTTY;
  return {
    env,
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    stderrIsTerminal,
    stdoutIsTerminal: stdout.isTTY,
    columns: () => stderr.columns || stdout.columns || 80,
    canAsk: stderrIsTerminal && stdin.isTTY,
    forgetVariables(names) {
      for (const name of names) delete process.env[name];
    },
  };
}
