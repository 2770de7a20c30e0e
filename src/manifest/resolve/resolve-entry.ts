import { variableLookup } from './environment.ts';
import { expandNode } from './expand.ts';
import type { Inputs } from './inputs.ts';
import { secretsOf } from '../../observe/known-secrets.ts';
import { isSecretName } from '../../observe/secret-names.ts';
import type { ManifestDiagnostic } from '../read/diagnostics.ts';
import { readEntry } from '../read/read-entry.ts';
import type { DeclaredServer } from '../read/read-servers.ts';
import type { Rejection } from './rejections.ts';
import type { Refusal } from './resolve-remote.ts';
import { resolveServer, type ServerContext } from './resolve-server.ts';
import type { ServerSpec } from '../settings.ts';
import { withoutUnset } from '../read/unset.ts';
import type { Located } from '../read/validate.ts';
import { variablesOf } from './variables.ts';

/** What is common to all entries of a manifest. */
export interface EntryContext extends Pick<ServerContext, 'env' | 'child' | 'remote' | 'ignoreTools'> {
  readonly inputs: Inputs;
}

/** An entry by itself: its siblings are not affected by its errors. */
export interface ResolvedEntry extends Rejection {
  /** Undefined if it is rejected, or has to wait for an input. */
  readonly spec: ServerSpec | undefined;
  readonly warnings: readonly ManifestDiagnostic[];
  /** Ids of inputs that the user has to be asked for. */
  readonly open: ReadonlySet<string>;
}

/**
 * Expands, checks and completes one entry. Its errors are in the result.
 * @throws RunError `MANIFEST_UNREADABLE` for an env file of the command line.
 */
export async function resolveEntry(declared: DeclaredServer, context: EntryContext): Promise<ResolvedEntry> {
  const { name, source, path, node, faults } = declared;
  const problems: ManifestDiagnostic[] = [...faults];
  const warnings: ManifestDiagnostic[] = [];
  const refusals: Refusal[] = [];
  const open = new Set<string>();
  const result = { declared, problems, refusals, warnings, open };
  if (node.kind !== 'object') return { ...result, spec: undefined };
  const secrets = new Set<string>();
  const expanded = expand(declared, context, problems, open, secrets);
  const located = { ...expanded, node: withoutUnset(expanded.node) };
  const entry = readEntry(located, problems, warnings);
  const spec =
    entry && (await resolveServer(name, entry, located, { ...context, problems, warnings, refusals }));
  // A value that was put in for a reference may look like another one, which is checked no further.
  if (spec === undefined && problems.length === 0 && open.size === 0)
    problems.push(source.diagnostic(path, 'a value in it still holds a reference such as ${NAME}', 'key'));
  return { ...result, spec: spec && withSecrets(spec, secrets) };
}

/** The log must not repeat what a reference to a secret stands for, wherever it stands. */
function withSecrets(spec: ServerSpec, secrets: ReadonlySet<string>): ServerSpec {
  if (secrets.size === 0) return spec;
  // Most are under names that say so.
  const known = new Set(secretsOf(spec.target));
  const others = [...secrets].filter((secret) => !known.has(secret));
  return others.length === 0 ? spec : { ...spec, target: { ...spec.target, secrets: others } };
}

/**
 * A part of a file with its references replaced; those that cannot be are errors.
 * @param secrets gets the values of references to secrets
 */
export function expand(
  located: Located,
  { env, inputs }: Pick<EntryContext, 'env' | 'inputs'>,
  problems: ManifestDiagnostic[],
  open: Set<string>,
  secrets = new Set<string>(),
): Located {
  const lookUp = variableLookup(env);
  const variables = variablesOf(located.source.path, {
    env(name) {
      const value = lookUp(name);
      if (value !== undefined && isSecretName(name)) secrets.add(value);
      return value;
    },
    input(id) {
      const value = inputs.lookup(id, open);
      if ('value' in value && (inputs.isHidden(id) || isSecretName(id))) secrets.add(value.value);
      return value;
    },
  });
  const node = expandNode(located.node, located.path, variables, (path, detail) => {
    problems.push(located.source.diagnostic(path, detail));
  });
  return { ...located, node };
}
