import type { RunError } from '../../errors.ts';
import { printableJson } from '../../observe/printable.ts';
import { redact } from '../../observe/redact.ts';
import type { CliContext } from '../context.ts';
import { describeError, redactCulprits } from './describe-error.ts';
import type { Reporting } from './reporting.ts';

/** Writes an error to stderr, for people or as one line of the JSON log, and returns its exit code. */
export async function reportError(
  error: RunError,
  context: CliContext,
  reporting: Reporting,
): Promise<number> {
  const stack = reporting.stacks ? redact(stackOf(error) ?? '') : undefined;
  const { code, exitCode } = error;
  const hint = redact(error.hint);
  // It may repeat what was typed or written: an option, a URL.
  const msg = redact(error.message);
  if (reporting.document) {
    writeDocument({ ok: false, exitCode, error: describeError(error) }, context);
    return exitCode;
  }
  // A user who mistyped a flag reads a terminal or a build log, not a log collector.
  if (reporting.format === 'json' && code !== 'USAGE') {
    const line = {
      level: 'error',
      time: context.clock.date(),
      event: 'command.failed',
      code,
      exitCode,
      hint,
      stack,
      msg,
    };
    context.stderr.write(`${printableJson(JSON.stringify(line))}\n`);
    return exitCode;
  }
  const { createUi } = await import('./ui.ts');
  createUi(context, reporting.colour).error(
    { message: msg, hint, culprits: redactCulprits(error.culprits) },
    stack,
  );
  return exitCode;
}

/** Writes what `--json` promises: one document on stdout. */
export function writeDocument(document: object, { stdout }: CliContext): void {
  stdout.write(`${printableJson(JSON.stringify(document, null, 2))}\n`);
}

function stackOf(error: RunError): string | undefined {
  return (error.cause instanceof Error ? error.cause : error).stack;
}
