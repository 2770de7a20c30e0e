/**
 * The code blocks of a Markdown file, with what a comment right above a block says about running it:
 *
 *     <!-- run: file=mcp.json -->            write the block to that file (any language)
 *     <!-- run: background ready=/regex/ --> leave it running, once its output matches, until the next `stop` or `##`
 *     <!-- run: expect=/regex/ exit=2 -->    what the output must match, and the exit code if it is not 0
 *     <!-- run: clone -->                    run it in a fresh clone instead of where the package is installed
 *     <!-- run: append="-- test/cli" -->     words added to the command
 *     <!-- run: stop -->                     (no block) end what runs in the background
 *
 * A `sh`, `bash` or `console` block without a comment is run and must exit with 0; other languages are not commands.
 */

export interface Block {
  readonly kind: 'run' | 'file' | 'background' | 'stop';
  /** Line of the block's fence, or of the comment, counted from 1. */
  readonly line: number;
  /** Commands, or the file's text. */
  readonly text: string;
  readonly file: string;
  readonly ready: RegExp | undefined;
  readonly expect: RegExp | undefined;
  readonly exitCode: number;
  readonly clone: boolean;
}

const COMMANDS = new Set(['sh', 'bash', 'shell', 'console']);
const KEYS = new Set(['file', 'background', 'ready', 'expect', 'exit', 'clone', 'append', 'stop']);

export function parseBlocks(markdown: string): Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  let directive = new Map<string, string>();
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const comment = /^\s*<!-- run: (.*?) -->\s*$/.exec(line);
    const fence = /^(\s*)(```+)(\w*)\s*$/.exec(line);
    if (comment !== null) {
      directive = parseDirective(comment[1] ?? '', index + 1);
      if (directive.has('stop')) blocks.push(blockOf(directive, index + 1, ''));
    } else if (fence !== null) {
      const [, indent = '', ticks = '', language = ''] = fence;
      const end = lines.findIndex((other, at) => at > index && other.trim() === ticks);
      if (end === -1) throw new Error(`line ${index + 1}: the block does not end`);
      const body = lines.slice(index + 1, end).map((text) => text.slice(indent.length));
      const wanted = COMMANDS.has(language) || directive.has('file');
      if (wanted) blocks.push(blockOf(directive, index + 1, textOf(body, language)));
      index = end;
      directive = new Map();
    } else if (line.startsWith('## ')) {
      blocks.push(blockOf(new Map([['stop', '']]), index + 1, ''));
    } else if (line.trim() !== '' && directive.size > 0 && !directive.has('stop')) {
      throw new Error(`line ${index + 1}: expected a code block below the comment`);
    }
  }
  return blocks;
}

function blockOf(directive: ReadonlyMap<string, string>, line: number, text: string): Block {
  const append = directive.get('append');
  return {
    kind: kindOf(directive),
    line,
    text: append === undefined ? text : `${text} ${append}`,
    file: directive.get('file') ?? '',
    ready: regexOf(directive.get('ready'), line),
    expect: regexOf(directive.get('expect'), line),
    exitCode: Number(directive.get('exit') ?? 0),
    clone: directive.has('clone'),
  };
}

function kindOf(directive: ReadonlyMap<string, string>): Block['kind'] {
  if (directive.has('stop')) return 'stop';
  if (directive.has('file')) return 'file';
  return directive.has('background') ? 'background' : 'run';
}

/** `key`, `key=word`, `key="some words"` or `key=/regex/`. */
function parseDirective(text: string, line: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, key = '', value = ''] of text.matchAll(
    /([\w-]+)(?:=("[^"]*"|\/(?:[^/\\]|\\.)+\/\w*|\S+))?/g,
  )) {
    if (!KEYS.has(key)) throw new Error(`line ${line}: unknown word in the comment: ${key}`);
    found.set(key, value.startsWith('"') ? value.slice(1, -1) : value);
  }
  return found;
}

function regexOf(text: string | undefined, line: number): RegExp | undefined {
  if (text === undefined) return undefined;
  const parts = /^\/(.*)\/(\w*)$/.exec(text);
  if (parts === null) throw new Error(`line ${line}: not a regular expression: ${text}`);
  return new RegExp(parts[1] ?? '', parts[2]);
}

/** A `console` block shows commands behind `$ ` and their output, which is for the reader. */
function textOf(lines: readonly string[], language: string): string {
  if (language !== 'console') return lines.join('\n');
  return lines
    .filter((line) => line.startsWith('$ '))
    .map((line) => line.slice(2))
    .join('\n');
}
