import type { KeyPath, ManifestDiagnostic } from './diagnostics.ts';
import type { SourceFile } from './read.ts';
import { inputSchema, type InputEntry } from '../schema/schema.ts';
import { child, describeKind, nodeAt, stringOf, type Node } from './node.ts';
import { isNull, withoutNulls } from './unset.ts';
import { validate } from './validate.ts';

export interface InputProblem {
  /** Undefined if the item has no id. */
  readonly id: string | undefined;
  readonly diagnostic: ManifestDiagnostic;
}

export interface Inputs {
  readonly inputs: ReadonlyMap<string, InputEntry>;
  readonly inputProblems: readonly InputProblem[];
}

/** VS Code's, in a file of their own or among its settings. */
export const INPUTS: readonly KeyPath[] = [['inputs'], ['mcp', 'inputs'], ['mcp.inputs']];

/**
 * Reads the values that a user is asked for.
 * @param faults of the parser, each in an item
 */
export function readInputs(source: SourceFile, root: Node, faults: readonly ManifestDiagnostic[]): Inputs {
  const inputs = new Map<string, InputEntry>();
  const inputProblems = faults.map((diagnostic): InputProblem => ({
    id: idAt(root, diagnostic.path),
    diagnostic,
  }));
  for (const at of INPUTS) readList(source, at, nodeAt(root, at), inputs, inputProblems);
  return { inputs, inputProblems };
}

function readList(
  source: SourceFile,
  at: KeyPath,
  node: Node | undefined,
  inputs: Map<string, InputEntry>,
  problems: InputProblem[],
): void {
  if (node === undefined || isNull(node)) return;
  if (node.kind !== 'array') {
    problems.push({
      id: undefined,
      diagnostic: source.diagnostic(at, `must be an array, not ${describeKind(node)}`),
    });
    return;
  }
  for (const [index, item] of node.items.entries()) {
    const path = [...at, index];
    const id = stringOf(child(item, 'id'));
    const complain = (diagnostic: ManifestDiagnostic): void => void problems.push({ id, diagnostic });
    if (item.kind !== 'object') {
      complain(source.diagnostic(path, `must be an object, not ${describeKind(item)}`));
      continue;
    }
    const found: ManifestDiagnostic[] = [];
    const input = validate(inputSchema, { source, path, node: withoutNulls(item) }, found);
    found.forEach(complain);
    if (input === undefined) continue;
    if (inputs.has(input.id))
      complain(source.diagnostic([...path, 'id'], `the input "${input.id}" is there twice`));
    inputs.set(input.id, input);
  }
}

/** The id of the item that a path leads into. */
function idAt(root: Node, path: KeyPath): string | undefined {
  const at = INPUTS.find((place) => place.every((key, index) => path[index] === key));
  const item = at && nodeAt(root, path.slice(0, at.length + 1));
  return stringOf(child(item, 'id'));
}
