import { RunError, type Diagnostic } from '../../errors.ts';

/** Where something is in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing wrong with a manifest, or worth a warning. */
export interface Problem {
  /** As shown to people: relative when that is shorter. */
  readonly file: string;
  readonly position: Position | undefined;
  /** From the root of the file. */
  readonly path: KeyPath;
  /** What is wrong, and what to write instead. */
  readonly detail: string;
  /** The line of the file that it is in, without its secrets. */
  readonly sourceLine?: string | undefined;
}

export type KeyPath = readonly (string | number)[];

/** `file:line:column: key.path: what is wrong`. */
export function formatProblem({ file, position, path, detail }: Problem): string {
  const place = position === undefined ? file : `${file}:${position.line}:${position.column}`;
  return path.length === 0 ? `${place}: ${detail}` : `${place}: ${formatPath(path)}: ${detail}`;
}

/** All problems as the one error that reports them, in the order of the file. */
export function manifestError(problems: readonly Problem[]): RunError {
  const ordered = problems.toSorted(
    (a, b) =>
      a.file.localeCompare(b.file) ||
      (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
      (a.position?.column ?? 0) - (b.position?.column ?? 0),
  );
  return new RunError(
    'MANIFEST_INVALID',
    { problems: ordered.map(formatProblem).join('\n') },
    { culprits: ordered.map(toDiagnostic) },
  );
}

/** The same, as an error carries it. */
export function toDiagnostic({ file, position, path, detail, sourceLine }: Problem): Diagnostic {
  return {
    file,
    line: position?.line,
    column: position?.column,
    key: formatPath(path),
    detail,
    sourceLine,
  };
}

function formatPath(path: KeyPath): string {
  return path.map(formatKey).join('');
}

function formatKey(key: string | number, index: number): string {
  if (typeof key === 'number') return `[${key}]`;
  if (!/^[\w$@/-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
  return index === 0 ? key : `.${key}`;
}
