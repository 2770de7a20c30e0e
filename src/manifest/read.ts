import { extname, relative, resolve } from 'node:path';
import { parseJsonText } from './parse-json.ts';
import { parseYamlText } from './parse-yaml.ts';
import type { KeyPath, Position, Problem } from './problems.ts';
import { readText } from './read-text.ts';
import { blotSecrets } from './secrets.ts';
import { offsetAt, type Node, type ParsedText } from './tree.ts';

/** One manifest file, parsed but not yet understood. */
export interface SourceFile {
  /** Absolute. */
  readonly path: string;
  /** For people. */
  readonly label: string;
  readonly root: Node | undefined;
  readonly faults: readonly Problem[];
  /** Says something about the value, or the key, at `path`. */
  problem(path: KeyPath, detail: string, at?: 'key' | 'value'): Problem;
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
  let safeText: string | undefined;
  const problemAt = (offset: number | undefined, keys: KeyPath, detail: string): Problem => {
    const position = offset === undefined ? undefined : positionOf(text, offset);
    const sourceLine =
      position === undefined ? undefined : lineOf((safeText ??= blotSecrets(text, root)), position.line);
    return { file: label, position, path: keys, detail, sourceLine };
  };
  const found = faults.map(({ offset, path: keys, detail }) => problemAt(offset, keys, detail));
  if (root === undefined && found.length === 0) {
    found.push(problemAt(0, [], 'the file is empty; write {"mcpServers": {}}'));
  }
  return {
    path,
    label,
    root,
    faults: found,
    problem: (keys, detail, where) =>
      problemAt(root === undefined ? undefined : offsetAt(root, keys, where), keys, detail),
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

function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: before.length - lineStart + 1 };
}

function lineOf(text: string, line: number): string {
  return (text.split('\n')[line - 1] ?? '').replace(/\r$/, '');
}

function labelOf(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length && !short.startsWith('..') ? short : path;
}
