import type { RunError } from '../../errors.ts';
import { expandNode } from './expand.ts';
import { manifestError, type ManifestDiagnostic } from '../read/diagnostics.ts';
import { readEntry } from '../read/read-entry.ts';
import type { DeclaredServer } from '../read/read-servers.ts';
import type { Refusal } from './resolve-remote.ts';
import { kindOf } from '../schema/server-kind.ts';
import type { RejectedServer } from '../settings.ts';
import { variablesOf } from './variables.ts';

/** An entry that is not served, and the errors in it. */
export interface Rejection {
  readonly declared: DeclaredServer;
  readonly problems: readonly ManifestDiagnostic[];
  /** URLs that are not opened although there is no error in the entry. */
  readonly refusals: readonly Refusal[];
}

/** The entry as an error, as `Manifest.rejected` holds it. */
export function toRejected(rejection: Rejection): RejectedServer {
  const { name, node } = rejection.declared;
  const kind = kindOf(node) === 'stdio' ? 'stdio' : 'remote';
  return { name, kind, error: errorOf([rejection], []) };
}

/** All of them, and problems of other parts of the file, as one error. */
export function errorOf(rejections: readonly Rejection[], others: readonly ManifestDiagnostic[]): RunError {
  const problems = [...others, ...rejections.flatMap((each) => each.problems)];
  const refusals = rejections.flatMap((each) => each.refusals);
  const [only] = refusals;
  if (problems.length === 0 && only !== undefined) return only.error;
  return manifestError([...problems, ...refusals.map(({ diagnostic }) => diagnostic)]);
}

/** Errors in an entry as far as the file alone shows them: no variable has to be set for it. */
export function checkDeclared(
  declared: DeclaredServer,
  warnings: ManifestDiagnostic[],
): readonly ManifestDiagnostic[] {
  const { source, node, path, faults } = declared;
  if (node.kind !== 'object') return faults;
  const problems = [...faults];
  const variables = variablesOf(source.path, {
    env: () => '',
    input: (id) => ({ value: `\${input:${id}}` }),
  });
  expandNode(node, path, variables, (at, detail) => void problems.push(source.diagnostic(at, detail)));
  readEntry(declared, problems, warnings);
  return problems;
}
