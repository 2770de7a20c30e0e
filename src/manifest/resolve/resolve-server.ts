import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../../files/package-file.ts';
import { isRunError } from '../../errors.ts';
import { complaintOf, readEnvFile } from './env-file.ts';
import { childEnvironment } from './environment.ts';
import { workspaceFolderOf } from '../read/workspace-folder.ts';
import { createDiagnostic, type ManifestDiagnostic } from '../read/diagnostics.ts';
import { parseRemoteUrl } from '../schema/remote-checks.ts';
import { resolveRemote, type RemoteContext } from './resolve-remote.ts';
import { DEFAULT_SERVER_OPTIONS } from '../schema/defaults.generated.ts';
import { optionsIn, serverOptionRegistry } from '../schema/schema-parts.ts';
import { serverSchema, type ServerEntry } from '../schema/server-schema.ts';
import { kindOf } from '../schema/server-kind.ts';
import type { StdioTarget } from '../../config/types.ts';
import type { ServerOptions, ServerSpec } from '../settings.ts';
import { mergeToolFilters, readToolFilter } from '../schema/tool-keys.ts';
import type { Located } from '../read/validate.ts';

/** What the command line adds to every server that is served. */
export interface ChildOptions {
  /** Absolute; replaces the manifest's. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly envFiles?: readonly string[];
  readonly passEnv?: readonly string[];
}

export interface ServerContext extends RemoteContext {
  readonly child: ChildOptions;
  /** What the command line hides, besides what the entry says. */
  readonly ignoreTools: readonly string[];
}

/**
 * What the gateway needs to know to start or to reach a server.
 * @throws RunError `MANIFEST_UNREADABLE` for an env file of the command line.
 */
export async function resolveServer(
  name: string,
  entry: ServerEntry,
  located: Located,
  context: ServerContext,
): Promise<ServerSpec | undefined> {
  const target = await resolveTarget(name, entry, located, context);
  if (target === undefined) return undefined;
  return {
    name,
    target,
    ...serverOptions(entry),
    tools: mergeToolFilters(readToolFilter(located, context.problems), {
      allow: [],
      deny: context.ignoreTools,
    }),
  };
}

function serverOptions(entry: ServerEntry): ServerOptions {
  const options = { ...DEFAULT_SERVER_OPTIONS };
  for (const [name, { value }] of optionsIn(serverSchema.shape, entry, serverOptionRegistry))
    Object.assign(options, { [name]: value });
  return options;
}

async function resolveTarget(
  name: string,
  entry: ServerEntry,
  located: Located,
  context: ServerContext,
): Promise<ServerSpec['target'] | undefined> {
  const kind = kindOf(located.node);
  const { command, url } = entry;
  if (kind === 'stdio')
    return command === undefined ? undefined : await resolveCommand(command, entry, located, context);
  const parsed = parseRemoteUrl(url ?? '');
  if ('fault' in parsed) return undefined;
  return await resolveRemote(name, parsed.value, kind, entry, located, context);
}

async function resolveCommand(
  command: string,
  entry: ServerEntry,
  located: Located,
  context: ServerContext,
): Promise<StdioTarget> {
  const { child } = context;
  const folder = workspaceFolderOf(located.source.path);
  const extraFiles = await readExtraEnvFiles(context);
  const env = childEnvironment({
    from: context.env,
    passEnv: [...listOf(entry.passEnv), ...(child.passEnv ?? [])],
    set: [
      ...(await readOwnEnvFiles(listOf(entry.envFile), folder, located, context)),
      toTexts(entry.env),
      ...extraFiles,
      child.env ?? {},
    ],
  });
  const cwd = child.cwd ?? resolve(folder, entry.cwd ?? '.');
  return { kind: 'stdio', ...commandOf(command, (entry.args ?? []).map(String)), cwd, env };
}

/** `mcp-run` in a manifest is this very program, wherever it is installed: PATH need not know it. */
function commandOf(command: string, args: readonly string[]): Pick<StdioTarget, 'command' | 'args'> {
  if (command !== 'mcp-run') return { command, args };
  const program = fileURLToPath(packageFile('bin/mcp-run.js'));
  return { command: process.execPath, args: [program, ...args] };
}

async function readOwnEnvFiles(
  files: readonly string[],
  folder: string,
  { source, path }: Located,
  { problems, warnings }: ServerContext,
): Promise<readonly Readonly<Record<string, string>>[]> {
  const contents: Readonly<Record<string, string>>[] = [];
  for (const name of files) {
    const complain = (detail: string): ManifestDiagnostic => source.diagnostic([...path, 'envFile'], detail);
    try {
      const file = await readEnvFile(resolve(folder, name));
      contents.push(file.values);
      const complaint = complaintOf(file);
      if (complaint !== undefined) warnings.push(complain(`${name}: ${complaint}`));
    } catch (error) {
      if (!isRunError(error, 'MANIFEST_UNREADABLE')) throw error;
      problems.push(complain(error.message));
    }
  }
  return contents;
}

/** Those of the command line. */
async function readExtraEnvFiles({
  child,
  warnings,
}: ServerContext): Promise<readonly Readonly<Record<string, string>>[]> {
  const paths = child.envFiles ?? [];
  const files = await Promise.all(paths.map(readEnvFile));
  for (const [index, file] of files.entries()) {
    const detail = complaintOf(file);
    const path = paths[index] ?? '';
    if (detail !== undefined) warnings.push(createDiagnostic(path, [], detail));
  }
  return files.map(({ values }) => values);
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function toTexts(
  record: Readonly<Record<string, string | number | boolean>> | undefined,
): Record<string, string> {
  const texts: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(record ?? {})) texts[name] = String(value);
  return texts;
}
