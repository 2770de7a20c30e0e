import type { KeyPath } from '../read/diagnostics.ts';
import { child, nodeAt, stringOf, type Node } from '../read/node.ts';
import { fold } from './draft.ts';

/** A place in a file that holds servers. */
export interface Section {
  readonly path: KeyPath;
  readonly node: Node;
}

/** The keys that hold servers, also with nothing in them that looks like one: Claude's and most others', VS Code's, Zed's, Codex'. */
const SERVER_KEYS = [
  'mcpServers',
  'servers',
  'context_servers',
  'mcp_servers',
  'mcp-servers',
  'modelContextProtocolServers',
];
/** The same as settings of an editor: `amp.mcpServers`, `mcp.servers`. */
const DOTTED =
  /(^mcp\.servers|\.(mcp\.servers|mcpServers|mcp_servers|context_servers|modelContextProtocolServers))$/;
/** The same inside of another key: `augment.advanced`, `tools`. */
const NESTED = ['mcpServers', 'mcp_servers', 'modelContextProtocolServers'];

const ADDRESS_KEYS = new Set(['command', 'cmd', 'url', 'httpurl', 'serverurl', 'uri']);
const GOOSE_TYPES = /^(stdio|sse|streamable_http|builtin|platform|frontend|inline_python)$/;

/** Finds the servers of any client's file. */
export function findSections(root: Node, folder: string): readonly Section[] {
  if (root.kind !== 'object') return [];
  const keys = root.entries.map(({ key }) => key);
  const paths: KeyPath[] = [
    ...SERVER_KEYS.filter((key) => keys.includes(key)).map((key) => [key]),
    ...insideMcp(root),
    ...keys.filter((key) => DOTTED.test(key)).map((key) => [key]),
    ...keys
      .filter((key) => key !== 'mcp' && key !== 'projects' && !SERVER_KEYS.includes(key))
      .flatMap((key) => NESTED.map((inner) => [key, inner])),
    ...(isGoose(child(root, 'extensions')) ? [['extensions']] : []),
    ...projectOf(root, folder),
  ];
  return paths.flatMap((path) => {
    const node = nodeAt(root, path);
    return node === undefined ? [] : [{ path, node }];
  });
}

/** OpenCode's and Crush's servers by name, or VS Code's settings with servers in them. */
function insideMcp(root: Node): readonly KeyPath[] {
  const mcp = child(root, 'mcp');
  if (mcp?.kind !== 'object') return [];
  const inner = ['servers', 'mcpServers'].filter((key) => {
    const node = child(mcp, key);
    return node !== undefined && !isServer(node);
  });
  if (inner.length > 0) return inner.map((key) => ['mcp', key]);
  const isMap = mcp.entries.length === 0 || mcp.entries.some(({ value }) => isServer(value));
  return isMap ? [['mcp']] : [];
}

function isGoose(node: Node | undefined): boolean {
  return (
    node?.kind === 'object' &&
    node.entries.some(({ value }) => {
      const type = stringOf(child(value, 'type')) ?? stringOf(child(child(value, 'config'), 'type')) ?? '';
      return GOOSE_TYPES.test(type);
    })
  );
}

/** Claude Code keeps servers of single projects: those of the project that this folder belongs to. */
function projectOf(root: Node, folder: string): readonly KeyPath[] {
  const projects = child(root, 'projects');
  if (projects?.kind !== 'object') return [];
  const around = projects.entries
    .filter(({ key, value }) => child(value, 'mcpServers') !== undefined && isWithin(folder, key))
    .toSorted((a, b) => b.key.length - a.key.length);
  return around.slice(0, 1).map(({ key }) => ['projects', key, 'mcpServers']);
}

/** Servers of other projects, which are not read. */
export function otherProjects(root: Node, folder: string): readonly KeyPath[] {
  const projects = child(root, 'projects');
  if (projects?.kind !== 'object') return [];
  const read = projectOf(root, folder)[0]?.[1];
  return projects.entries
    .filter(({ key, value }) => {
      const servers = child(value, 'mcpServers');
      return key !== read && servers?.kind === 'object' && servers.entries.length > 0;
    })
    .map(({ key }) => ['projects', key, 'mcpServers']);
}

function isWithin(folder: string, project: string): boolean {
  const parent = normal(project);
  const inner = normal(folder);
  return inner === parent || inner.startsWith(`${parent}/`);
}

function normal(path: string): string {
  return path.replaceAll('\\', '/').replace(/\/+$/, '');
}

/** Whether an object describes a server, in any client's words. */
function isServer(node: Node | undefined): boolean {
  if (node?.kind !== 'object') return false;
  return node.entries.some(
    ({ key, value }) =>
      (ADDRESS_KEYS.has(fold(key)) && (value.kind !== 'scalar' || typeof value.value === 'string')) ||
      (['transport', 'config'].includes(key) && isServer(value)),
  );
}

const MAX_DEPTH = 5;

/** What looks like servers, in a file that has none where they are expected. */
export interface Elsewhere {
  readonly path: KeyPath;
  readonly what: 'server' | 'map' | 'list';
  /** The first server of a map. */
  readonly first: string | undefined;
}

export function findElsewhere(root: Node): Elsewhere | undefined {
  let level: readonly Section[] = [{ path: [], node: root }];
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    for (const section of level) {
      const found = serversAt(section);
      if (found !== undefined) return found;
    }
    level = level.flatMap(({ path, node }) =>
      membersOf(node).map(([key, inner]) => ({ path: [...path, key], node: inner })),
    );
  }
  return undefined;
}

function serversAt({ path, node }: Section): Elsewhere | undefined {
  if (node.kind === 'array' && node.items.some(isServer)) return { path, what: 'list', first: undefined };
  if (node.kind !== 'object') return undefined;
  if (isServer(node)) return { path, what: 'server', first: undefined };
  const first = node.entries.find(({ value }) => isServer(value));
  if (first === undefined) return undefined;
  // An object of other things, of which one is a server.
  if (path.length > 0 && node.entries.some(({ value }) => value.kind !== 'object'))
    return { path: [...path, first.key], what: 'server', first: undefined };
  return { path, what: 'map', first: first.key };
}

function membersOf(node: Node): readonly (readonly [string | number, Node])[] {
  if (node.kind === 'array') return node.items.map((item, index) => [index, item] as const);
  return node.kind === 'object' ? node.entries.map(({ key, value }) => [key, value] as const) : [];
}
