import type { Diagnostic, RunError } from '../../errors.ts';
import { redact } from '../../observe/redact.ts';

interface DescribedError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly problems?: readonly Omit<Diagnostic, 'sourceLine'>[];
}

/** An error as `--json` shows it. */
export function describeError(error: RunError): DescribedError {
  const { code, message, culprits } = error;
  const hint = redact(error.hint);
  const problems = redactCulprits(culprits).map(({ file, line, column, key, detail }) => ({
    file,
    line,
    column,
    key,
    detail,
  }));
  return {
    code,
    message: redact(message),
    ...(hint === '' ? {} : { hint }),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

/** Their texts may repeat what a file holds. */
export function redactCulprits(culprits: readonly Diagnostic[]): readonly Diagnostic[] {
  return culprits.map((culprit) => ({
    ...culprit,
    key: redact(culprit.key),
    detail: redact(culprit.detail),
  }));
}
