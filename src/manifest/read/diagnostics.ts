import { RunError, type Diagnostic } from '../../errors.ts';

/** Where something is in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing wrong with a manifest, or worth a warning. */
export interface ManifestDiagnostic extends Diagnostic {
  /** The path that `key` is the text of, from the root of the file. */
  readonly path: KeyPath;
}

export type KeyPath = readonly (string | number)[];

/** @param detail what is wrong, and what to write instead */
export function createDiagnostic(
  file: string,
  path: KeyPath,
  detail: string,
  {
    position,
    sourceLine,
  }: { readonly position?: Position | undefined; readonly sourceLine?: string | undefined } = {},
): ManifestDiagnostic {
  return {
    file,
    line: position?.line,
    column: position?.column,
    key: formatPath(path),
    path,
    detail,
    sourceLine,
  };
}

/** `file:line:column: key.path: what is wrong`. */
export function formatDiagnostic({ file, line, column, key, detail }: Diagnostic): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  return key === '' ? `${place}: ${detail}` : `${place}: ${key}: ${detail}`;
}

/** All problems as the one error that reports them, in the order of the file. */
export function manifestError(problems: readonly Diagnostic[]): RunError {
  const ordered = problems.toSorted(
    (a, b) =>
      a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  return new RunError(
    'MANIFEST_INVALID',
    { problems: ordered.map(formatDiagnostic).join('\n') },
    { culprits: ordered.map(withoutPath) },
  );
}

/** As errors carry it. */
export function withoutPath({ file, line, column, key, detail, sourceLine }: Diagnostic): Diagnostic {
  return { file, line, column, key, detail, sourceLine };
}

function formatPath(path: KeyPath): string {
  return path.map(formatKey).join('');
}

function formatKey(key: string | number, index: number): string {
  if (typeof key === 'number') return `[${key}]`;
  if (!/^[\w$@/-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
  return index === 0 ? key : `.${key}`;
}
