import type { z } from 'zod';
import { hasReference } from '../resolve/expand.ts';
import type { KeyPath, ManifestDiagnostic } from './diagnostics.ts';
import type { SourceFile } from './read.ts';
import { didYouMean } from './suggest.ts';
import { describeKind, nodeAt, toPlain, type Node } from './node.ts';

/** A part of a file, with its place in it. */
export interface Located {
  readonly source: SourceFile;
  readonly path: KeyPath;
  readonly node: Node;
  /** What was found when an entry was put into our words. */
  readonly notes?: EntryNotes;
}

export interface EntryNotes {
  readonly faults: readonly ManifestDiagnostic[];
  readonly warnings: readonly ManifestDiagnostic[];
  /** Keys that have no counterpart. */
  readonly dropped: readonly ManifestDiagnostic[];
}

/** Checks a part of a file against its schema; what is wrong goes to `problems`, in words for people. */
export function validate<T>(
  schema: z.ZodType<T> & { readonly shape: object },
  { source, path, node }: Located,
  problems: ManifestDiagnostic[],
): T | undefined {
  const result = schema.safeParse(toPlain(node));
  if (result.success) return result.data;
  for (const issue of result.error.issues.flatMap(withinUnion)) {
    const inner = keyPath(issue.path);
    if (issue.code === 'unrecognized_keys') {
      problems.push(...unknownKeys(issue.keys, Object.keys(schema.shape), { source, path, node }));
      continue;
    }
    const culprit = nodeAt(node, inner);
    // Said already: the text still holds a reference that could not be expanded, or that was not looked at.
    if (culprit?.kind === 'scalar' && typeof culprit.value === 'string' && hasReference(culprit.value))
      continue;
    problems.push(source.diagnostic([...path, ...inner], detailOf(issue, culprit)));
  }
  return undefined;
}

/** What is wrong inside an object that a union allows, rather than that the union does not match. */
function withinUnion(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const inside = issue.errors.find(
    (issues) => issues.length > 0 && issues.every(({ path }) => typeof path[0] === 'string'),
  );
  return inside?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })) ?? [issue];
}

/** A diagnostic for each key that nothing knows. */
export function unknownKeys(
  keys: readonly string[],
  known: readonly string[],
  { source, path }: Located,
): ManifestDiagnostic[] {
  return keys.map((key) => source.diagnostic([...path, key], `unknown key${didYouMean(key, known)}`, 'key'));
}

function detailOf(issue: z.core.$ZodIssue, culprit: Node | undefined): string {
  if (culprit === undefined) return 'is missing';
  if (issue.code === 'invalid_value') return `${issue.message}${suggestionFor(issue.values, culprit)}`;
  if (issue.code === 'custom') return issue.message;
  if (issue.code !== 'invalid_type' && issue.code !== 'invalid_union') return issue.message;
  const isObject = issue.code === 'invalid_type' && issue.expected === 'object';
  return `${isObject ? 'must be an object' : issue.message}, not ${describeKind(culprit)}`;
}

function suggestionFor(values: readonly unknown[], culprit: Node): string {
  if (culprit.kind !== 'scalar' || typeof culprit.value !== 'string') return `, not ${describeKind(culprit)}`;
  return didYouMean(culprit.value, values.map(String)) || `, not ${JSON.stringify(culprit.value)}`;
}

function keyPath(path: readonly PropertyKey[]): KeyPath {
  return path.map((key) => (typeof key === 'symbol' ? String(key) : key));
}
