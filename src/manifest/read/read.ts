import { extname, relative, resolve } from 'node:path';
import { parseJsonText } from './parse-json.ts';
import { parseYamlText } from './parse-yaml.ts';
import { createDiagnostic, type KeyPath, type ManifestDiagnostic, type Position } from './diagnostics.ts';
import { readText } from './read-text.ts';
import { redactSource } from './secrets.ts';
import { offsetAt, type Node, type ParsedText } from './node.ts';

/** One manifest file, parsed but not yet understood. */
export interface SourceFile {
  /** Absolute. */
  readonly path: string;
  /** For people. */
  readonly label: string;
  readonly root: Node | undefined;
  readonly faults: readonly ManifestDiagnostic[];
  /** Says something about the value, or the key, at `path`. */
  diagnostic(path: KeyPath, detail: string, at?: 'key' | 'value'): ManifestDiagnostic;
}

/**
 * Reads a manifest. What is wrong inside it is in `faults`.
 * @throws RunError `MANIFEST_UNREADABLE` if the file cannot be read or is not text.
 */
export async function readManifestFile(file: string, cwd: string): Promise<SourceFile> {
  const path = resolve(cwd, file);
  const label = labelOf(path, cwd);
  const text = await readText(path, label);
  return createSource(path, label, text, await parseText(path, text));
}

/** Parses the text of a manifest; the file's extension decides the syntax, else its first lines. */
async function parseText(path: string, text: string): Promise<ParsedText> {
  const syntax = syntaxOf(path, text);
  if (syntax === 'json') return parseJsonText(text);
  if (syntax === 'yaml') return parseYamlText(text);
  const { parseTomlText } = await import('./parse-toml.ts');
  return parseTomlText(text);
}

function createSource(path: string, label: string, text: string, { root, faults }: ParsedText): SourceFile {
  const starts = once(() => lineStartsOf(text));
  const safeLines = once(() => redactSource(text, root).split('\n'));
  const diagnosticAt = (offset: number | undefined, keys: KeyPath, detail: string): ManifestDiagnostic => {
    const position = offset === undefined ? undefined : positionOf(starts(), Math.min(offset, text.length));
    const sourceLine =
      position === undefined ? undefined : (safeLines()[position.line - 1] ?? '').replace(/\r$/, '');
    return createDiagnostic(label, keys, detail, { position, sourceLine });
  };
  const found = faults.map(({ offset, path: keys, detail }) => diagnosticAt(offset, keys, detail));
  if (root === undefined && found.length === 0) {
    found.push(diagnosticAt(0, [], 'the file is empty; write {"mcpServers": {}}'));
  }
  return {
    path,
    label,
    root,
    faults: found,
    diagnostic: (keys, detail, where) =>
      diagnosticAt(root === undefined ? undefined : offsetAt(root, keys, where), keys, detail),
  };
}

type Syntax = 'json' | 'yaml' | 'toml';

const EXTENSIONS = new Map<string, Syntax>([
  ['.json', 'json'],
  ['.jsonc', 'json'],
  ['.yaml', 'yaml'],
  ['.yml', 'yaml'],
  ['.toml', 'toml'],
]);

/** A table's header or an assignment, after comments. */
const TOML_START =
  /^(?:\s|#[^\n]*(?:\n|$))*(?:\[\[?\s*[\w-]+(?:\s*\.\s*[\w"'-][^\]\n]*)?\s*\]\]?\s*(?:#|\r?\n|$)|[\w."'-]+\s*=)/;

function syntaxOf(path: string, text: string): Syntax {
  const known = EXTENSIONS.get(extname(path).toLowerCase());
  if (known !== undefined) return known;
  if (TOML_START.test(text)) return 'toml';
  return /^\s*([{[]|\/[/*])/.test(text) ? 'json' : 'yaml';
}

/** The same value at each call: a file may have very many faults. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function lineStartsOf(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Finds the last line that starts at the offset or before it. */
function positionOf(starts: readonly number[], offset: number): Position {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}

function labelOf(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length && !short.startsWith('..') ? short : path;
}
