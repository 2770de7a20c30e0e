import { writeFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { RunError, toRunError } from '../../errors.ts';
import { refuseSpecialFile } from '../../files/regular-file.ts';
import { starterText, syntaxOf } from '../../manifest/init/starter.ts';
import type { RejectedServer } from '../../manifest/settings.ts';
import type { CommandCall } from '../command.ts';
import { createPalette, printable } from '../output/palette.ts';
import { describeError } from '../output/describe-error.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

const DEFAULT_FILE = 'mcp-run.jsonc';

interface Draft {
  readonly text: string;
  readonly servers: readonly string[];
  /** The file it was made from. */
  readonly source: string | undefined;
  readonly rejected: readonly RejectedServer[];
  readonly dropped: readonly string[];
  readonly notes: readonly string[];
}

/** Writes a manifest to start with, or another client's in our format. */
export async function init(call: CommandCall): Promise<number> {
  const { args, context, reporting } = call;
  try {
    const file = args.manifest ?? DEFAULT_FILE;
    const path = resolve(context.cwd, file);
    const draft = await createDraft(path, call);
    await save(path, file, draft, args.flags['force'] === true);
    if (reporting.document) {
      const { source: from, servers, dropped, notes } = draft;
      const rejected = draft.rejected.map(({ name, error }) => ({ name, error: describeError(error) }));
      const document = { ok: true, exitCode: 0, file, from: from ?? null, servers, dropped, notes };
      writeDocument({ ...document, ...(rejected.length > 0 && { rejected }) }, context);
    } else {
      await reportRejected(draft, call);
      writeText(context.stdout, `${screenLines(file, draft, call).join('\n')}\n`);
    }
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

async function createDraft(path: string, { args, context }: CommandCall): Promise<Draft> {
  if (extname(path).toLowerCase() === '.toml') {
    const detail = 'mcp-run writes JSON or YAML; name a file that ends in .jsonc or .yaml';
    throw new RunError('FILE_UNWRITABLE', { file: args.manifest ?? path, detail });
  }
  const syntax = syntaxOf(path);
  const { from } = args.flags;
  if (typeof from !== 'string') {
    const text = starterText(syntax);
    return { text, servers: ['demo'], source: undefined, rejected: [], dropped: [], notes: [] };
  }
  const { importManifest } = await import('../../manifest/init/import.ts');
  return await importManifest(from, path, syntax, {
    cwd: context.cwd,
    env: context.env,
    platform: process.platform,
  });
}

async function reportRejected({ rejected }: Draft, { context, reporting }: CommandCall): Promise<void> {
  if (rejected.length === 0) return;
  const { createUi } = await import('../output/ui.ts');
  createUi(context, reporting.colour).rejected(rejected, 'the others are taken over');
}

async function save(path: string, file: string, { text, source }: Draft, force: boolean): Promise<void> {
  try {
    // Writing to a pipe would wait for its reader.
    if (force) await refuseSpecialFile(path);
    // What came from another file may hold that file's secrets.
    await writeFile(path, text, { flag: force ? 'w' : 'wx', mode: source === undefined ? 0o666 : 0o600 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST') throw new RunError('FILE_EXISTS', { file }, { cause: error });
    const detail =
      code === 'ENOENT' ? 'there is no such folder' : error instanceof Error ? error.message : String(error);
    throw new RunError('FILE_UNWRITABLE', { file, detail }, { cause: error });
  }
}

function screenLines(
  file: string,
  { servers, source, dropped, notes }: Draft,
  { reporting }: CommandCall,
): string[] {
  const colours = createPalette(reporting.stdoutColour);
  const from = source === undefined ? '' : ` from ${printable(source)}`;
  const count = `${servers.length} ${servers.length === 1 ? 'server' : 'servers'}`;
  const lines = [
    `Wrote ${colours.bold(printable(file))} with ${count}${from}: ${servers.map(printable).join(', ')}`,
  ];
  if (dropped.length > 0)
    lines.push(
      '',
      'Left out, since mcp-run knows nothing of it:',
      ...dropped.map((key) => `  ${printable(key)}`),
    );
  for (const note of notes) lines.push('', `${colours.yellow('note:')} ${printable(note)}`);
  // A name of our own choosing is found without being named.
  const named = /^mcp-run\.(jsonc?|yaml)$/.test(file) ? '' : ` ${printable(file)}`;
  lines.push(
    '',
    `Next: ${colours.cyan(`mcp-run check${named}`)}, then ${colours.cyan(`mcp-run serve${named}`)}`,
  );
  return lines;
}
