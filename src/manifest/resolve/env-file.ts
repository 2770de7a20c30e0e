/** The `KEY=VALUE` files that dotenv made common. */

import { isOwnVariable } from './environment.ts';
import { readText } from '../read/read-text.ts';

export interface EnvFile {
  readonly values: Readonly<Record<string, string>>;
  /** Lines that are not assignments, counted from 1. */
  readonly badLines: readonly number[];
  /** Variables of mcp-run itself, which are left out: no server gets them. */
  readonly ownNames: readonly string[];
}

/**
 * Reads an env file.
 * @throws RunError `MANIFEST_UNREADABLE`.
 */
export async function readEnvFile(path: string): Promise<EnvFile> {
  return parseEnvFile(await readText(path, path));
}

/** What is ignored in an env file; undefined when nothing is. */
export function complaintOf({ badLines, ownNames }: EnvFile): string | undefined {
  const ignored = [
    ...(badLines.length > 0 ? [`line ${badLines.join(', ')} ignored, not NAME=VALUE`] : []),
    ...(ownNames.length > 0 ? [`${ownNames.join(', ')} ignored: variables of mcp-run reach no server`] : []),
  ];
  return ignored.length === 0 ? undefined : ignored.join('; ');
}

// Quoted values may span lines. What follows a closing quote or ` #` is a comment.
const ENTRY =
  /[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(?:"((?:\\[^]|[^"\\])*)"[ \t]*(?:#.*)?|'([^']*)'[ \t]*(?:#.*)?|([^\n]*))(?:\n|$)/y;
const BLANK = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y;
const REST_OF_LINE = /[^\n]*(?:\n|$)/y;

/** Parses the text of an env file; `\n`, `\t`, `\"` and `\\` are read in double quotes only. */
export function parseEnvFile(source: string): EnvFile {
  const text = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const values: Record<string, string> = Object.create(null);
  const badLines: number[] = [];
  const ownNames = new Set<string>();
  let offset = 0;
  let line = 1;
  const advance = (length: number): void => {
    for (let at = offset; at < offset + length; at += 1) if (text[at] === '\n') line += 1;
    offset += length;
  };
  while (offset < text.length) {
    const entry = matchAt(ENTRY, text, offset);
    if (entry?.[1] !== undefined) {
      if (isOwnVariable(entry[1])) ownNames.add(entry[1]);
      else values[entry[1]] = valueOf(entry);
      advance(entry[0].length);
      continue;
    }
    const blank = matchAt(BLANK, text, offset);
    if (blank === undefined) badLines.push(line);
    advance((blank ?? matchAt(REST_OF_LINE, text, offset))?.[0].length ?? text.length);
  }
  return { values, badLines, ownNames: [...ownNames] };
}

const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
]);

function valueOf([, , double, single, bare]: RegExpExecArray): string {
  if (double !== undefined)
    return double.replaceAll(/\\([^])/g, (whole, char: string) => ESCAPES.get(char) ?? whole);
  if (single !== undefined) return single;
  return (bare ?? '').replace(/(^|\s)#[^]*$/, '').trim();
}

function matchAt(pattern: RegExp, text: string, offset: number): RegExpExecArray | undefined {
  pattern.lastIndex = offset;
  return pattern.exec(text) ?? undefined;
}
