import type { KeyPath } from '../read/diagnostics.ts';
import { child, nodeAt, stringOf, type Node } from '../read/node.ts';

/** What a file says about its servers outside of their entries. */

const EXCLUDED: readonly KeyPath[] = [['mcp', 'excluded'], ['excludeMCPServers'], ['disabledMcpServers']];
const ALLOWED: readonly KeyPath[] = [['mcp', 'allowed'], ['allowMCPServers']];

/** Gemini CLI and its relatives list the servers that may be used, or that may not. */
export function leftOutServers(root: Node): (name: string) => KeyPath | undefined {
  const excluded = EXCLUDED.filter((path) => nodeAt(root, path)?.kind === 'array');
  const allowed = ALLOWED.filter((path) => nodeAt(root, path)?.kind === 'array');
  return (name) =>
    excluded.find((path) => namesAt(root, path).includes(name)) ??
    allowed.find((path) => !namesAt(root, path).includes(name));
}

function namesAt(root: Node, path: KeyPath): readonly string[] {
  const node = nodeAt(root, path);
  return node?.kind === 'array' ? node.items.flatMap((item) => stringOf(item) ?? []) : [];
}

/** Restrictions for all servers, which mcp-run does not apply. */
export function unappliedSettings(
  root: Node,
  sections: readonly KeyPath[],
): readonly { readonly path: KeyPath; readonly detail: string }[] {
  if (sections.length === 0) return [];
  const found = [['sandbox'], ['tools', 'sandbox']]
    .filter((path) => isOn(nodeAt(root, path)))
    .map((path) => ({ path, detail: 'not applied: mcp-run starts the servers without a sandbox' }));
  // OpenCode switches tools off by patterns that begin with the name of a server.
  const tools = sections.some(([key]) => key === 'mcp') ? child(root, 'tools') : undefined;
  const off = tools?.kind === 'object' ? tools.entries.filter(({ value }) => isFalse(value)) : [];
  const detail = 'not applied: name the tools in "excludeTools" of their server';
  return [...found, ...off.map(({ key }) => ({ path: ['tools', key], detail }))];
}

function isFalse(node: Node): boolean {
  return node.kind === 'scalar' && node.value === false;
}

function isOn(node: Node | undefined): boolean {
  if (node === undefined) return false;
  return node.kind === 'scalar' ? node.value !== null && node.value !== false : true;
}
