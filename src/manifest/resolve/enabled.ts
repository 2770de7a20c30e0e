import { child, type Node } from '../read/node.ts';

/** Whether an entry is to be served unless a server is named. */
export function isEnabled(node: Node): boolean {
  const disabled = child(node, 'disabled');
  const enabled = child(node, 'enabled');
  const off = disabled?.kind === 'scalar' && disabled.value === true;
  return !off && !(enabled?.kind === 'scalar' && enabled.value === false);
}
