import { RunError, toRunError } from '../../errors.ts';
import type { Declared, Inventory } from '../../manifest/read/inventory.ts';
import { redact } from '../../observe/redact.ts';
import type { CommandCall } from '../command.ts';
import { excerptLines } from '../output/excerpt.ts';
import { isUrl } from '../manifest-source.ts';
import { readLaunch } from '../options/options.ts';
import { alignColumns, createPalette, printable, type Palette } from '../output/palette.ts';
import { describeError, redactCulprits } from '../output/describe-error.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

/** Shows what a manifest declares; starts nothing. */
export async function list(call: CommandCall): Promise<number> {
  const { context, reporting } = call;
  try {
    const inventory = await read(call);
    if (reporting.document) {
      const { source, servers } = inventory;
      const warnings = inventory.warnings.map(redact);
      const documents = servers.map(({ error, ...server }) => ({
        ...server,
        ...(error !== undefined && { error: describeError(error) }),
      }));
      writeDocument({ ok: true, exitCode: 0, source, warnings, servers: documents }, context);
      return 0;
    }
    const colours = createPalette(reporting.colour);
    for (const warning of inventory.warnings)
      writeText(context.stderr, `${colours.yellow('warning:')} ${printable(redact(warning))}\n`);
    const out = createPalette(reporting.stdoutColour);
    const lines = [...tableLines(inventory, out), ...errorLines(inventory, out)];
    writeText(context.stdout, `${lines.join('\n')}\n`);
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

async function read({ args, context }: CommandCall): Promise<Inventory> {
  const { config, server: wanted, strict } = readLaunch(args.flags, context.env);
  const { readInventory } = await import('../../manifest/load.ts');
  if (args.manifest !== undefined && isUrl(args.manifest))
    throw new RunError('USAGE', { detail: 'list shows manifests; mcp-run check asks a URL what it is' });
  const files = [...config, ...(args.manifest === undefined ? [] : [args.manifest])];
  const inventory = await readInventory({
    files,
    servers: wanted,
    strict,
    cwd: context.cwd,
    env: context.env,
  });
  const { servers, source } = inventory;
  const available = servers.map(({ name }) => name);
  const unknown = wanted.find((name) => !available.includes(name));
  if (unknown !== undefined) {
    throw new RunError('SERVER_UNKNOWN', { server: unknown, source, available: available.join(', ') });
  }
  return {
    ...inventory,
    servers: servers.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
  };
}

function tableLines({ servers, source }: Inventory, colours: Palette): string[] {
  if (servers.length === 0) return [`${printable(source)} has no servers`];
  const header = ['SERVER', 'KIND', 'WHERE', 'VARIABLES', 'WHAT'];
  const [head = '', ...rows] = alignColumns([header, ...servers.map(rowOf)], new Set());
  return [
    colours.dim(head),
    ...rows.map((row, index) => (servers[index]?.disabled ? colours.dim(row) : row)),
  ];
}

/** Each faulty server with the errors in its entry. */
function errorLines({ servers }: Inventory, colours: Palette): string[] {
  return servers.flatMap(({ name, disabled, error }) => {
    if (error === undefined) return [];
    const state = disabled ? 'could not be served' : 'cannot be served';
    return [
      '',
      `${colours.red('✖')} ${colours.bold(printable(name))} ${state}:`,
      ...redactCulprits(error.culprits)
        .flatMap((culprit) => excerptLines(culprit, colours))
        .map((line) => `  ${line}`),
    ];
  });
}

function rowOf({ name, kind, disabled, file, line, error, ...server }: Declared): string[] {
  const what = server.command === undefined ? (server.url ?? '') : [server.command, ...server.args].join(' ');
  const cells = [
    name,
    [kind, ...(error === undefined ? [] : ['invalid']), ...(disabled ? ['disabled'] : [])].join(', '),
    line === undefined ? file : `${file}:${line}`,
    variablesOf(server) || '–',
    what,
  ];
  return cells.map(printable);
}

function variablesOf({
  env,
  envFile,
  passEnv,
  headers,
  headersFile,
}: Omit<Declared, 'name' | 'kind' | 'disabled' | 'file' | 'line' | 'error'>): string {
  return [
    ...env,
    ...envFile.map((file) => `(${file})`),
    ...passEnv,
    ...headers.map((name) => `${name}:`),
    ...(headersFile === undefined ? [] : [`(${headersFile})`]),
  ].join(' ');
}
