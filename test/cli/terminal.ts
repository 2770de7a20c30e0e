import { PassThrough } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import { systemClock } from '../../src/clock.ts';
import type { CliContext } from '../../src/cli/context.ts';

/** A process around the command line: nothing in the environment, and pipes for streams. */
export function createTerminal(overrides: Partial<CliContext> = {}) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const context: CliContext = {
    env: {},
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    clock: systemClock,
    stderrIsTerminal: false,
    stdoutIsTerminal: false,
    columns: () => 80,
    canAsk: false,
    ...overrides,
  };
  return { context, stdin, stdout, stderr };
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line that ends by itself. */
export async function run(argv: readonly string[], overrides: Partial<CliContext> = {}): Promise<Outcome> {
  const { context, stdout, stderr } = createTerminal(overrides);
  const code = await main(argv, context);
  return { code, stdout: drain(stdout), stderr: drain(stderr) };
}

function drain(stream: PassThrough): string {
  const rest: unknown = stream.read();
  return rest === null ? '' : String(rest);
}
