import { unappliedSettings } from '../dialects/host-settings.ts';
import { findElsewhere, findSections, otherProjects } from '../dialects/sections.ts';
import { sortFaults } from './entry-faults.ts';
import type { KeyPath, ManifestDiagnostic } from './diagnostics.ts';
import type { SourceFile } from './read.ts';
import { INPUTS, readInputs, type InputProblem } from './read-inputs.ts';
import { readServers, type DeclaredServer } from './read-servers.ts';
import type { InputEntry } from '../schema/schema.ts';
import { closest } from './suggest.ts';
import { child, describeKind, type Node } from './node.ts';
import { isNull, withoutUnsetSettings } from './unset.ts';
import type { Located } from './validate.ts';

/** What one file declares, whichever client's format it is in. */
export interface Declarations {
  readonly source: SourceFile;
  /** Where in the file its servers are, even if there are none. */
  readonly sections: readonly KeyPath[];
  /** The faulty ones too. */
  readonly servers: ReadonlyMap<string, DeclaredServer>;
  /** Entries whose name another block of the file has already. */
  readonly duplicates: readonly DeclaredServer[];
  readonly inputs: ReadonlyMap<string, InputEntry>;
  /** Errors in single items of `inputs`; they concern the servers that refer to these. */
  readonly inputProblems: readonly InputProblem[];
  readonly serve: Located | undefined;
  /** Errors that concern the whole file. */
  readonly problems: readonly ManifestDiagnostic[];
  readonly warnings: readonly ManifestDiagnostic[];
}

const ROOT_KEYS = ['mcpServers', 'servers', 'inputs', 'serve'];

/**
 * Finds servers, inputs and settings in a parsed file. Other keys belong to other tools.
 * @param folder where mcp-run was started: some files hold servers of several projects
 */
export function readDeclarations(source: SourceFile, folder: string): Declarations {
  const { root } = source;
  if (root === undefined || root.kind !== 'object') return undeclared(source);
  const found = findSections(root, folder);
  const sections = found.map(({ path }) => path);
  const faults = sortFaults(source.faults, sections, INPUTS);
  const read = readServers(found, { source, root, faults: faults.ofEntries });
  const problems = [...faults.ofFile, ...read.problems];
  const serve = child(root, 'serve');
  const declarations: Declarations = {
    source,
    sections,
    servers: read.servers,
    duplicates: read.duplicates,
    ...readInputs(source, root, faults.ofInputs),
    serve:
      serve === undefined || isNull(serve)
        ? undefined
        : { source, path: ['serve'], node: withoutUnsetSettings(serve) },
    problems,
    warnings: [...read.warnings, ...warningsAbout(source, root, sections, folder)],
  };
  // Servers in a place that is not known must not pass for a file without any.
  if (sections.length === 0 && findElsewhere(root) !== undefined) problems.push(missingServers(declarations));
  return declarations;
}

/** A file that does not parse, or is no object. */
function undeclared(source: SourceFile): Declarations {
  const { root, faults } = source;
  const none = { servers: new Map(), duplicates: [], inputs: new Map(), inputProblems: [], warnings: [] };
  const problems = root === undefined ? faults : [...faults, source.diagnostic([], faultOfRoot(root))];
  return { source, sections: [], ...none, serve: undefined, problems };
}

function faultOfRoot(root: Node): string {
  const found = findElsewhere(root);
  const example = found?.what === 'list' ? '{"mcpServers": […]}' : '{"mcpServers": {}}';
  return `must be an object such as ${example}, not ${describeKind(root)}`;
}

function warningsAbout(
  source: SourceFile,
  root: Node,
  sections: readonly KeyPath[],
  folder: string,
): readonly ManifestDiagnostic[] {
  return [
    ...misspeltKeys(source, sections),
    ...unappliedSettings(root, sections).map(({ path, detail }) => source.diagnostic(path, detail, 'key')),
    ...aboutProjects(otherProjects(root, folder), source, folder),
  ];
}

/** One warning, for there may be dozens of projects. */
function aboutProjects(
  paths: readonly KeyPath[],
  source: SourceFile,
  folder: string,
): readonly ManifestDiagnostic[] {
  const [first, ...others] = paths;
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : `, others to ${others.length} more`;
  const detail = `not read: these servers belong to ${first[1]}${more}, and not to ${folder}`;
  return [source.diagnostic(first, detail, 'key')];
}

/** Why a file without any server has none. */
export function missingServers({ source, warnings }: Declarations): ManifestDiagnostic {
  const found = source.root === undefined ? undefined : findElsewhere(source.root);
  const misspelt = warnings.find(({ path }) => found === undefined || isSamePath(found.path, path));
  if (misspelt !== undefined) return misspelt;
  if (found === undefined)
    return source.diagnostic([], `there is no "mcpServers" (nor VS Code's "servers") in it`);
  const { path, what } = found;
  const subject = what === 'server' ? 'looks like a server' : 'looks like servers';
  const inside = what === 'server' ? '{"NAME": {…}}' : what === 'list' ? '[…]' : '{…}';
  const advice = `the servers must be inside "mcpServers": {"mcpServers": ${inside}}`;
  if (path.length > 0) return source.diagnostic(path, `${subject}; ${advice}`, 'key');
  const bare = what === 'map' ? [found.first ?? ''] : [];
  return source.diagnostic(bare, bare.length > 0 ? `looks like a server; ${advice}` : advice, 'key');
}

function isSamePath(a: KeyPath, b: KeyPath): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

/** Whether the file has a place for servers, even an empty one. */
export function hasServerKey({ sections }: Declarations): boolean {
  return sections.length > 0;
}

/** Keys that are probably ours; other clients' files have too many of their own to tell. */
function misspeltKeys(source: SourceFile, sections: readonly KeyPath[]): ManifestDiagnostic[] {
  const isForeign = sections.some(([key = '']) => !ROOT_KEYS.includes(String(key)));
  if (isForeign || source.root?.kind !== 'object') return [];
  return source.root.entries.flatMap(({ key }) => {
    const meant = ROOT_KEYS.includes(key) ? undefined : closest(key, ROOT_KEYS);
    return meant === undefined ? [] : [source.diagnostic([key], `ignored; did you mean "${meant}"?`, 'key')];
  });
}
