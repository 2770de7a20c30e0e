import { variableLookup } from './environment.ts';
import { expandNode } from './expand.ts';
import type { Inputs } from './inputs.ts';
import type { Problem } from './problems.ts';
import { readEntry } from './read-entry.ts';
import type { DeclaredServer } from './read-servers.ts';
import type { Rejection } from './rejections.ts';
import type { Refusal } from './resolve-remote.ts';
import { resolveServer, type ServerContext } from './resolve-server.ts';
import type { ServerSpec } from './settings.ts';
import { withoutUnset } from './unset.ts';
import type { Located } from './validate.ts';
import { variablesOf } from './variables.ts';

/** What is common to all entries of a manifest. */
export interface EntryContext extends Pick<ServerContext, 'env' | 'child' | 'remote' | 'ignoreTools'> {
  readonly inputs: Inputs;
}

/** An entry by itself: its siblings are not affected by its errors. */
export interface ResolvedEntry extends Rejection {
  /** Undefined if it is rejected, or has to wait for an input. */
  readonly spec: ServerSpec | undefined;
  readonly warnings: readonly Problem[];
  /** Ids of inputs that the user has to be asked for. */
  readonly open: ReadonlySet<string>;
}

/**
 * Expands, checks and completes one entry. Its errors are in the result.
 * @throws RunError `MANIFEST_UNREADABLE` for an env file of the command line.
 */
export async function resolveEntry(declared: DeclaredServer, context: EntryContext): Promise<ResolvedEntry> {
  const { name, source, path, node, faults } = declared;
  const problems: Problem[] = [...faults];
  const warnings: Problem[] = [];
  const refusals: Refusal[] = [];
  const open = new Set<string>();
  const result = { declared, problems, refusals, warnings, open };
  if (node.kind !== 'object') return { ...result, spec: undefined };
  const expanded = expand(declared, context, problems, open);
  const located = { ...expanded, node: withoutUnset(expanded.node) };
  const entry = readEntry(located, problems, warnings);
  const spec =
    entry && (await resolveServer(name, entry, located, { ...context, problems, warnings, refusals }));
  // A value that was put in for a reference may look like another one, which is checked no further.
  if (spec === undefined && problems.length === 0 && open.size === 0)
    problems.push(source.problem(path, 'a value in it still holds a reference such as ${NAME}', 'key'));
  return { ...result, spec };
}

/** A part of a file with its references replaced; those that cannot be are errors. */
export function expand(
  located: Located,
  { env, inputs }: Pick<EntryContext, 'env' | 'inputs'>,
  problems: Problem[],
  open: Set<string>,
): Located {
  const variables = variablesOf(located.source.path, {
    env: variableLookup(env),
    input: (id) => inputs.lookup(id, open),
  });
  const node = expandNode(located.node, located.path, variables, (path, detail) => {
    problems.push(located.source.problem(path, detail));
  });
  return { ...located, node };
}
