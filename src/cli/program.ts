import { Command, CommanderError, Option } from 'commander';
import { RunError, toRunError } from '../errors.ts';
import type { OptionGroup } from '../manifest/options.ts';
import type { CliContext } from './context.ts';
import { LAUNCH_OPTIONS, SETTING_OPTIONS } from './options.generated.ts';
import { readReporting, reportError } from './report.ts';

const SERVE_EXAMPLES = `
Examples:
  mcp-run serve                                   the manifest of this directory, over HTTP and SSE
  mcp-run serve mcp.json --server files --stdio   one server of a manifest, for a client that starts us
  mcp-run serve --http -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-run serve --demo                            the bundled server, to try a client with

Without a manifest or a command, the first of these is used: MCP_RUN_CONFIG, mcp-run.json, mcp-run.jsonc,
mcp-run.yaml, mcp.json, .mcp.json, .vscode/mcp.json. Every option has a variable: --port is MCP_RUN_PORT.
Durations are written 30s or 5m, sizes 512kb or 4mb.
`;

const TOP_EXAMPLES = `
Examples:
  mcp-run serve --demo
  mcp-run serve --http -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-run serve --help
`;

/** Parses the command line, runs the command, reports what went wrong; returns the exit code. */
export async function runProgram(
  argv: readonly string[],
  context: CliContext,
  version: string,
): Promise<number> {
  const { own, command } = splitAtCommand(argv);
  const reporting = readReporting(argv, context);
  let exitCode = 0;
  const program = createProgram(context, version, async (manifest, flags) => {
    const { serve } = await import('./commands/serve.ts');
    exitCode = await serve({ manifest, command, flags }, context, reporting);
  });
  if (own.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync([...own], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return await reportError(toUsage(error), context, reporting);
  }
}

type ServeAction = (manifest: string | undefined, flags: Readonly<Record<string, unknown>>) => Promise<void>;

function createProgram(context: CliContext, version: string, onServe: ServeAction): Command {
  const program = new Command('mcp-run')
    .description('Launch any MCP server, over any transport, for any client, from one manifest.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      // Errors are reported in one place, in the format of the log.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('after', TOP_EXAMPLES);
  const serve = program
    .command('serve')
    .summary('serve the servers of a manifest, or one command')
    .description('Serve the servers of a manifest, or the one that a command after -- starts.')
    .usage('[options] [manifest | -- command…]')
    .argument('[manifest]', 'a manifest file; JSON, JSON with comments, or YAML')
    .addHelpOption(new Option('-h, --help', 'Show this help').helpGroup('Help:'))
    .addHelpText('after', SERVE_EXAMPLES)
    .action(onServe);
  const rows = [...LAUNCH_OPTIONS, ...SETTING_OPTIONS];
  for (const group of GROUPS) {
    for (const row of rows.filter((each) => each.group === group))
      optionsFor(row).forEach((each) => serve.addOption(each));
  }
  return program;
}

const GROUPS = [
  'What to serve',
  'The server process',
  'Listening',
  'Access',
  'Limits',
  'Log',
] as const satisfies readonly OptionGroup[];

type Row = (typeof LAUNCH_OPTIONS)[number] | (typeof SETTING_OPTIONS)[number];

function optionsFor(row: Row): Option[] {
  if (row.flag === null) return [];
  const heading = `${row.group}:`;
  if (row.kind === 'switches') {
    return row.choices.map((name) => new Option(`--${name}`, SWITCHES.get(name) ?? name).helpGroup(heading));
  }
  const fallback = row.default === undefined ? '' : ` (default: ${row.default})`;
  const choices = 'choices' in row ? `: ${row.choices.join(', ')}` : '';
  const option = new Option(row.flag, `${row.description}${choices}${fallback}`).helpGroup(heading);
  if (row.kind === 'list')
    option.argParser((value, previous) => [...(Array.isArray(previous) ? previous : []), value]);
  if (row.kind !== 'boolean' || row.flag.startsWith('--no-')) return [option];
  // Turns off again what a variable or the manifest turned on.
  return [option, new Option(`--no-${row.flag.slice(2)}`).hideHelp()];
}

const SWITCHES = new Map([
  ['stdio', 'Serve on our own stdin and stdout'],
  ['sse', 'Serve HTTP+SSE, of revision 2024-11-05 (default, together with --http)'],
  ['http', 'Serve Streamable HTTP (default, together with --sse)'],
]);

/** Everything behind the first `--` belongs to the server. */
function splitAtCommand(argv: readonly string[]): {
  own: readonly string[];
  command: readonly string[] | undefined;
} {
  const at = argv.indexOf('--');
  return at === -1
    ? { own: argv, command: undefined }
    : { own: argv.slice(0, at), command: argv.slice(at + 1) };
}

function toUsage(error: unknown): RunError {
  if (!(error instanceof CommanderError)) return toRunError(error);
  const text = error.message.replace(/^error: /, '').replace(/\n\(?/g, ' (');
  const detail =
    error.code === 'commander.excessArguments'
      ? 'serve takes one manifest; put -- before a command to serve'
      : text;
  return new RunError('USAGE', { detail }, { cause: error });
}
