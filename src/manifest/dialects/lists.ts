import { itemsOf, type Item } from './draft.ts';
import { child, stringOf, type Node } from '../read/node.ts';

/**
 * The members of a record: an object, a list of `{name, value}`, or a list of `NAME=value`.
 * Undefined if it is none of them.
 */
export function membersOf({ value, from }: Item): readonly Item[] | undefined {
  if (value.kind === 'object') return itemsOf(value, from);
  if (value.kind !== 'array') return undefined;
  const members = value.items.map((item, index) => memberOf(item, [...from, index]));
  return members.every((member) => member !== undefined) ? members : undefined;
}

function memberOf(node: Node, from: Item['from']): Item | undefined {
  const name = stringOf(child(node, 'name')) ?? stringOf(child(node, 'key'));
  const value = child(node, 'value');
  if (name !== undefined && value !== undefined)
    return { key: name, keyOffset: node.offset, value, from: [...from, 'value'] };
  const text = stringOf(node) ?? '';
  const end = text.indexOf('=');
  if (node.kind !== 'scalar' || end < 1) return undefined;
  const assigned = text.slice(end + 1);
  return {
    key: text.slice(0, end),
    keyOffset: node.offset,
    value: { ...node, value: assigned, source: JSON.stringify(assigned) },
    from,
  };
}

/** The names in a list of names, or of objects with a name. */
export function namesIn(value: Node): readonly Node[] | undefined {
  if (value.kind !== 'array') return undefined;
  const names = value.items.map((item) => (item.kind === 'object' ? child(item, 'name') : item));
  return names.every((name) => name !== undefined && stringOf(name) !== undefined)
    ? names.filter((name) => name !== undefined)
    : undefined;
}
