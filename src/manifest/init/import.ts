import { access } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { RunError } from '../../errors.ts';
import { isSecretName } from '../../observe/secret-names.ts';
import { clientFiles, isClientName, type Surroundings } from '../read/client-files.ts';
import { workspaceFolderOf } from '../read/workspace-folder.ts';
import { hasServerKey, missingServers, readDeclarations, type Declarations } from '../read/formats.ts';
import { manifestError, type KeyPath, type ManifestDiagnostic } from '../read/diagnostics.ts';
import { readEntry } from '../read/read-entry.ts';
import { INPUTS } from '../read/read-inputs.ts';
import type { DeclaredServer } from '../read/read-servers.ts';
import { readManifestFile, type SourceFile } from '../read/read.ts';
import { errorOf, toRejected, type Rejection } from '../resolve/rejections.ts';
import { oauthSchema } from '../schema/remote-schema.ts';
import { inputSchema } from '../schema/schema.ts';
import { serverSchema } from '../schema/server-schema.ts';
import type { RejectedServer } from '../settings.ts';
import type { Syntax } from './starter.ts';
import { isToolKey } from '../schema/tool-keys.ts';
import { child, nodeAt, toPlain, type Node, type ObjectNode } from '../read/node.ts';
import { formatDuration, isPlainSeconds } from '../schema/units.ts';
import { withoutNulls } from '../read/unset.ts';
import type { Located } from '../read/validate.ts';

/** Another client's file in our format. */
export interface Import {
  /** The file it came from. */
  readonly source: string;
  readonly text: string;
  readonly servers: readonly string[];
  /** Servers that are left out because of errors in their entries. */
  readonly rejected: readonly RejectedServer[];
  /** Keys that mean nothing here, as `file:line: key`. */
  readonly dropped: readonly string[];
  /** What the reader should look at. */
  readonly notes: readonly string[];
}

type Plain = Record<string, unknown>;

/** What they name is relative to the manifest. */
const PATH_KEYS = new Set([
  'cwd',
  'envFile',
  'headersFile',
  'caFile',
  'certFile',
  'keyFile',
  'clientSecretFile',
  'privateKeyFile',
]);

/**
 * Reads another client's file, or finds the one of a client that is named, and writes what it says in our format.
 * References such as `${VAR}` stay references.
 * @param from a file, or the name of a client
 * @param target the absolute path of the file that the text is for
 * @throws RunError `IMPORT_NOT_FOUND`, `MANIFEST_UNREADABLE`, `MANIFEST_INVALID`.
 */
export async function importManifest(
  from: string,
  target: string,
  syntax: Syntax,
  surroundings: Surroundings,
): Promise<Import> {
  const { cwd } = surroundings;
  const declarations = isClientName(from)
    ? await findClient(from, surroundings)
    : readDeclarations(await readManifestFile(from, cwd), cwd);
  const { problems, servers, duplicates, inputProblems } = declarations;
  if (declarations.source.root === undefined) throw manifestError(problems);
  if (!hasServerKey(declarations))
    throw manifestError(problems.length > 0 ? problems : [missingServers(declarations)]);
  const checked = [...servers.values()].map(checkForImport);
  const rejections = checked.filter((each) => each.problems.length > 0);
  const usable = new Map(
    checked.filter((each) => each.problems.length === 0).map(({ declared }) => [declared.name, declared]),
  );
  if (problems.length > 0 || (usable.size === 0 && rejections.length > 0))
    throw errorOf(rejections, [...problems, ...inputProblems.map(({ diagnostic }) => diagnostic)]);
  const twice = duplicates.map((declared) => ({ declared, problems: declared.faults, refusals: [] }));
  const rejected = [...rejections, ...twice].map(toRejected);
  return { ...convert({ ...declarations, servers: usable }, target, syntax), rejected };
}

/** References stay as they are, so that only the rest of an entry is checked. */
function checkForImport(declared: DeclaredServer): Rejection {
  const problems = [...declared.faults];
  if (declared.node.kind === 'object') readEntry(declared, problems, []);
  return { declared, problems, refusals: [] };
}

async function findClient(
  client: Parameters<typeof clientFiles>[0],
  surroundings: Surroundings,
): Promise<Declarations> {
  const files = clientFiles(client, surroundings);
  for (const file of files) {
    if (!(await exists(file))) continue;
    const source = await readManifestFile(file, surroundings.cwd);
    const declarations = readDeclarations(source, surroundings.cwd);
    // A file that does not parse may be the one that is meant, and the reader wants to know. Settings of other kinds
    // may look like servers.
    const isMeant = hasServerKey(declarations) || source.root === undefined;
    if (declarations.servers.size > 0 || (isMeant && declarations.problems.length > 0)) return declarations;
  }
  throw new RunError('IMPORT_NOT_FOUND', { client, tried: files.join(', ') });
}

function convert(declarations: Declarations, target: string, syntax: Syntax): Omit<Import, 'rejected'> {
  const { source, servers, serve } = declarations;
  const dropped: ManifestDiagnostic[] = droppedFromRoot(declarations);
  const mcpServers: Plain = Object.create(null);
  for (const [name, located] of servers) mcpServers[name] = convertServer(located, target, dropped);
  const inputs = convertInputs(declarations, dropped);
  const manifest: Plain = {
    ...(inputs.length > 0 ? { inputs } : {}),
    mcpServers,
    ...(serve === undefined ? {} : { serve: toPlain(serve.node) }),
  };
  const text = syntax === 'yaml' ? stringify(manifest) : `${JSON.stringify(manifest, null, 2)}\n`;
  return {
    source: source.label,
    text,
    servers: [...servers.keys()],
    dropped: dropped
      .toSorted(byLine)
      .map(({ file, line, path }) => `${file}:${line ?? 1}: ${path.join('.')}`),
    notes: notesOf(declarations, target),
  };
}

function byLine(a: ManifestDiagnostic, b: ManifestDiagnostic): number {
  return (a.line ?? 0) - (b.line ?? 0);
}

/** Everything but what was read, the parts that are next to it included. */
function droppedFromRoot({ source, sections }: Declarations): ManifestDiagnostic[] {
  return source.root === undefined ? [] : leftIn(source.root, []);

  function leftIn(node: Node, path: KeyPath): ManifestDiagnostic[] {
    if (node.kind !== 'object') return [];
    return node.entries.flatMap(({ key, value }) => {
      const inner = [...path, key];
      const read = [...sections, ...INPUTS, ['serve']].filter((place) =>
        inner.every((part, index) => place[index] === part),
      );
      if (read.some((place) => place.length === inner.length)) return [];
      return read.length > 0 && value.kind === 'object'
        ? leftIn(value, inner)
        : [source.diagnostic(inner, '', 'key')];
    });
  }
}

function convertServer(located: Located, target: string, dropped: ManifestDiagnostic[]): Plain {
  const { source, path, node, notes } = located;
  const entry: Plain = Object.create(null);
  if (node.kind !== 'object') return entry;
  dropped.push(...(notes?.dropped ?? []));
  const moved = (text: string): string => rebase(text, source.path, target);
  for (const { key, value } of node.entries) {
    if (!Object.hasOwn(serverSchema.shape, key) && !isToolKey(key))
      dropped.push(source.diagnostic([...path, key], '', 'key'));
    else if (PATH_KEYS.has(key)) entry[key] = mapTexts(toPlain(value), moved);
    else if (key === 'oauth' && value.kind === 'object') entry[key] = convertOAuth(value);
    else if (key === 'args' || key === 'env' || key === 'headers') entry[key] = toTexts(value);
    else if (key === 'timeout') entry[key] = withUnit(toPlain(value));
    else entry[key] = toPlain(value);
  }
  return entry;

  function convertOAuth(oauth: ObjectNode): Plain {
    const plain: Plain = Object.create(null);
    for (const { key, value } of oauth.entries) {
      if (!Object.hasOwn(oauthSchema.shape, key))
        dropped.push(source.diagnostic([...path, 'oauth', key], '', 'key'));
      else plain[key] = PATH_KEYS.has(key) ? mapTexts(toPlain(value), moved) : toPlain(value);
    }
    return plain;
  }
}

/** The faulty ones are left out. */
function convertInputs(
  { source, inputProblems }: Declarations,
  dropped: ManifestDiagnostic[],
): readonly unknown[] {
  return INPUTS.flatMap((at) => {
    const node = source.root && nodeAt(source.root, at);
    if (node?.kind !== 'array') return [];
    return node.items.flatMap((item, index) => {
      const path = [...at, index];
      if (!isFaulty(path)) return [convertInput(withoutNulls(item), path, source, dropped)];
      dropped.push(source.diagnostic(path, ''));
      return [];
    });
  });

  function isFaulty(path: KeyPath): boolean {
    return inputProblems.some(({ diagnostic }) => path.every((key, index) => diagnostic.path[index] === key));
  }
}

/** Plain seconds would be warned about. */
function withUnit(timeout: unknown): unknown {
  return isPlainSeconds(timeout) ? formatDuration(Math.round(Number(timeout) * 1000)) : timeout;
}

function convertInput(node: Node, path: KeyPath, source: SourceFile, dropped: ManifestDiagnostic[]): unknown {
  if (node.kind !== 'object') return toPlain(node);
  const plain: Plain = Object.create(null);
  for (const { key, value } of node.entries) {
    if (Object.hasOwn(inputSchema.shape, key)) plain[key] = toPlain(value);
    else dropped.push(source.diagnostic([...path, key], '', 'key'));
  }
  return plain;
}

/** Numbers as they are written: 1.0 is not 1. */
function toTexts(node: Node): unknown {
  if (node.kind === 'array') return node.items.map(toTexts);
  if (node.kind === 'object') {
    const plain: Plain = Object.create(null);
    for (const { key, value } of node.entries) plain[key] = toTexts(value);
    return plain;
  }
  return typeof node.value === 'string' || node.value === null ? node.value : node.source;
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => mapTexts(item, map));
  return typeof value === 'string' ? map(value) : value;
}

/** A path that was relative to the old file's folder, from the new one's. */
function rebase(text: string, oldFile: string, newFile: string): string {
  const [before, after] = [workspaceFolderOf(oldFile), workspaceFolderOf(newFile)];
  if (before === after || isAbsolute(text) || text.includes('${')) return text;
  return relative(after, resolve(before, text)) || '.';
}

function notesOf({ source, servers }: Declarations, target: string): string[] {
  const notes: string[] = [];
  const all = [...servers];
  const named = (matches: (node: Node) => boolean): string =>
    all.flatMap(([name, { node }]) => (matches(node) ? [name] : [])).join(', ');
  const secret = named((node) => ['env', 'headers', 'oauth'].some((key) => holdsSecrets(child(node, key))));
  if (secret !== '')
    notes.push(`secrets were copied as they are (${secret}); \${NAME} takes them from the environment`);
  const moved = workspaceFolderOf(source.path) !== workspaceFolderOf(target);
  const tied = named((node) =>
    /\$\{(?:workspace(?:Folder|Root)|fileWorkspaceFolder|cwd)/.test(JSON.stringify(node)),
  );
  if (moved && tied !== '')
    notes.push(`\${workspaceFolder} and the like now mean ${dirname(target)}: ${tied}`);
  return notes;
}

function holdsSecrets(node: Node | undefined): boolean {
  if (node?.kind !== 'object') return false;
  return node.entries.some(
    ({ key, value }) =>
      isSecretName(key) &&
      !PATH_KEYS.has(key) &&
      value.kind === 'scalar' &&
      value.value !== '' &&
      !String(value.value).includes('${'),
  );
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
