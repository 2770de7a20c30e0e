import { normaliseEntry } from '../dialects/entry.ts';
import { leftOutServers } from '../dialects/host-settings.ts';
import type { Section } from '../dialects/sections.ts';
import { keyOfEntry } from './entry-faults.ts';
import type { KeyPath, ManifestDiagnostic } from './diagnostics.ts';
import type { SourceFile } from './read.ts';
import { faultOfName } from '../resolve/server-name.ts';
import { child, describeKind, stringOf, type Node } from './node.ts';
import { withoutUnset } from './unset.ts';
import type { Located } from './validate.ts';

/** An entry with the errors that its place in the file shows. Its node may be of any kind. */
export interface DeclaredServer extends Located {
  readonly name: string;
  readonly faults: readonly ManifestDiagnostic[];
}

export interface Servers {
  /** The faulty ones too. */
  readonly servers: ReadonlyMap<string, DeclaredServer>;
  /** Entries whose name another block of the file has already. */
  readonly duplicates: readonly DeclaredServer[];
  /** Errors that concern no single entry. */
  readonly problems: readonly ManifestDiagnostic[];
  readonly warnings: readonly ManifestDiagnostic[];
}

export interface ServersFile {
  readonly source: SourceFile;
  readonly root: Node;
  /** What the parser found, by `keyOfEntry`. */
  readonly faults: ReadonlyMap<string, readonly ManifestDiagnostic[]>;
}

class ServerReader implements Servers {
  readonly servers = new Map<string, DeclaredServer>();
  readonly duplicates: DeclaredServer[] = [];
  readonly problems: ManifestDiagnostic[] = [];
  readonly warnings: ManifestDiagnostic[] = [];
  readonly #file: ServersFile;
  /** Servers that the file itself leaves out, and where it says so. */
  readonly #leftOut: (name: string) => KeyPath | undefined;

  constructor(file: ServersFile) {
    this.#file = file;
    this.#leftOut = leftOutServers(file.root);
  }

  read(section: Section): void {
    const { source } = this.#file;
    const { path, node } = section;
    if (node.kind === 'scalar') {
      if (node.value === null) return;
      const detail = `must be an object of servers by name, not ${describeKind(node)}`;
      this.problems.push(source.diagnostic(path, detail));
      return;
    }
    if (node.kind === 'array') {
      for (const [index, item] of node.items.entries()) this.#readListed(section, [...path, index], item);
      return;
    }
    // Beside its servers, "mcp" may hold settings of the client.
    const hasSettings = path.length === 1 && path[0] === 'mcp';
    for (const { key: name, value } of node.entries) {
      if (hasSettings && value.kind !== 'object')
        this.warnings.push(source.diagnostic([...path, name], 'ignored: it is not a server', 'key'));
      else this.#add(section, { name, path: [...path, name], node: value });
    }
  }

  /** Continue's and some editors' servers have their name inside. */
  #readListed(section: Section, path: KeyPath, node: Node): void {
    const name = stringOf(child(node, 'name')) ?? stringOf(child(node, 'id'));
    // Without a name, the place in the list has to do for the report.
    this.#add(section, { name: name ?? `[${path.at(-1)}]`, path, node }, name !== undefined);
  }

  #add(section: Section, entry: NamedEntry, isNamed = true): void {
    const { name, path } = entry;
    const declared = this.#declare(section, entry, isNamed);
    const other = this.servers.get(name);
    // A project's own server wins over the user's, as in Claude Code. A key that is there twice is faulty already.
    const isReplaced = section.path[0] === 'projects' || keyOfEntry(other?.path ?? path) === keyOfEntry(path);
    if (isReplaced) this.servers.set(name, declared);
    else this.duplicates.push(asDuplicate(declared, other?.path ?? path));
  }

  #declare(section: Section, { name, path, node }: NamedEntry, isNamed: boolean): DeclaredServer {
    const { source, root, faults: found } = this.#file;
    const faults = [...(found.get(keyOfEntry(path)) ?? [])];
    const fault = isNamed ? faultOfName(name) : undefined;
    if (fault !== undefined) faults.push(source.diagnostic(path, fault, 'key'));
    if (node.kind !== 'object') {
      faults.push(source.diagnostic(path, `must be an object, not ${describeKind(node)}`));
      return { name, source, path, node, faults };
    }
    if (!isNamed) faults.push(source.diagnostic(path, 'needs a "name", because the servers are a list'));
    const located = normaliseEntry({
      source,
      path,
      node: withoutUnset(node),
      name,
      isListed: section.node.kind === 'array',
      hasBraceReferences: isOpenCode(root, section, node),
      leftOutBy: this.#leftOut(name),
    });
    return { ...located, name, node: withoutUnset(located.node), faults };
  }
}

/** Reads all entries of a file, each in mcp-run's words. */
export function readServers(sections: readonly Section[], file: ServersFile): Servers {
  const reader = new ServerReader(file);
  for (const section of sections) reader.read(section);
  return reader;
}

interface NamedEntry {
  readonly name: string;
  readonly path: KeyPath;
  readonly node: Node;
}

function asDuplicate(server: DeclaredServer, other: KeyPath): DeclaredServer {
  const place = other.slice(0, -1).join('.');
  const diagnostic = server.source.diagnostic(
    server.path,
    `"${server.name}" is also under "${place}"`,
    'key',
  );
  return { ...server, faults: [...server.faults, diagnostic] };
}

function isOpenCode(root: Node, { path }: Section, node: Node): boolean {
  const isMcp = path.length === 1 && path[0] === 'mcp';
  const schema = stringOf(child(root, '$schema')) ?? '';
  return isMcp && (/opencode/.test(schema) || /^(local|remote)$/.test(stringOf(child(node, 'type')) ?? ''));
}
