import { stringOf, type Entry, type Node } from './node.ts';

/** Members that other programs write although nothing is set: null, and empty strings where they have no meaning. */

/** Whether a value stands for its absence. */
export function isNull(node: Node | undefined): boolean {
  return node?.kind === 'scalar' && node.value === null;
}

/** Whose absence an empty string does not express. */
const MEMBERS_OF_OTHER_TYPES = new Set(['args', 'env', 'headers', 'allow', 'oauth']);

/** An entry without its unset members. An empty argument, variable or header is a value. */
export function withoutUnset(server: Node): Node {
  return filterEntries(
    server,
    ({ key, value }, { entries }) => {
      if (stringOf(value) !== '' || MEMBERS_OF_OTHER_TYPES.has(key)) return true;
      if (key !== 'command' && key !== 'url') return false;
      // The only one of the two is a mistake, which is an error of its own.
      const other = entries.find((entry) => entry.key === (key === 'url' ? 'command' : 'url'))?.value;
      return other === undefined || isNull(other) || (key === 'command' && stringOf(other) === '');
    },
    (key) => key === 'oauth',
  );
}

/** An empty host is every address, an empty path the root, and an empty file name hides that no token is needed. */
const MEANINGFUL_IF_EMPTY = new Set(['host', 'httpPath', 'ssePath', 'messagesPath', 'tokenFile']);

/** The `serve` block without its unset members. */
export function withoutUnsetSettings(serve: Node): Node {
  return filterEntries(serve, ({ key, value }) => stringOf(value) !== '' || MEANINGFUL_IF_EMPTY.has(key));
}

/** An object without members that are null, at any depth; items of arrays stay. */
export function withoutNulls(node: Node): Node {
  return filterEntries(node, () => true);
}

type ObjectNode = Extract<Node, { kind: 'object' }>;

function filterEntries(
  node: Node,
  keeps: (entry: Entry, parent: ObjectNode) => boolean,
  isStrictInside: (key: string) => boolean = () => false,
): Node {
  if (node.kind !== 'object') return node;
  const entries = node.entries
    .filter((entry) => !isNull(entry.value) && keeps(entry, node))
    .map((entry) => ({
      ...entry,
      value: filterEntries(entry.value, isStrictInside(entry.key) ? isNotEmpty : () => true),
    }));
  return { ...node, entries };
}

function isNotEmpty({ value }: Entry): boolean {
  return stringOf(value) !== '';
}
