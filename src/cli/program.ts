import { Command, CommanderError, Option } from 'commander';
import { systemClock } from '../clock.ts';
import { RunError, toRunError } from '../errors.ts';
import type { CommandName, OptionGroup } from '../manifest/schema/options.ts';
import { COMMANDS } from './command-table.ts';
import type { CliContext, ProcessContext } from './context.ts';
import type { LaunchOption, SettingOption } from './options/option-types.ts';
import { COMPANION_OPTIONS, LAUNCH_OPTIONS, SETTING_OPTIONS } from './options/options.generated.ts';
import { reportError } from './output/report.ts';
import { readReporting } from './output/reporting.ts';
import { writeText } from './output/write-text.ts';

const TOP_EXAMPLES = `
Examples:
  mcp-run serve --demo
  mcp-run serve --http -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-run init && mcp-run check
  mcp-run serve --help
`;

/** Parses the command line, runs the command, reports what went wrong; returns the exit code. */
export async function runProgram(
  argv: readonly string[],
  taken: ProcessContext | CliContext,
  version: string,
): Promise<number> {
  const context: CliContext = { clock: systemClock, ...taken };
  const { own, command } = splitAtCommand(argv);
  const reporting = readReporting(argv, context);
  let exitCode = 0;
  const program = createProgram(
    own,
    context,
    version,
    async ({ load, name, commandPurpose }, manifest, flags) => {
      if (command !== undefined && commandPurpose === undefined) {
        throw new RunError('USAGE', { detail: `${name} takes no command after --` });
      }
      const run = await load();
      exitCode = await run({ args: { manifest, command, flags }, context, reporting, version });
    },
  );
  if (own.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync([...own], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return await reportError(toUsage(error, own), context, reporting);
  }
}

type Action = (
  command: (typeof COMMANDS)[number],
  argument: string | undefined,
  flags: Readonly<Record<string, unknown>>,
) => Promise<void>;

function createProgram(
  own: readonly string[],
  context: CliContext,
  version: string,
  onCommand: Action,
): Command {
  const program = new Command('mcp-run')
    .description('Launch any MCP server, over any transport, for any client, from one manifest.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => writeText(context.stdout, text),
      writeErr: (text) => writeText(context.stderr, text),
      // Errors are reported in one place, in the format of the log.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('after', TOP_EXAMPLES);
  // The others, and their many options, cost time at every start.
  const typed = COMMANDS.filter(({ name }) => name === own[0]);
  for (const text of typed.length > 0 ? typed : COMMANDS) {
    const command = addCommand(program, text, onCommand);
    if (own.includes(text.name)) addOptions(command, text.name);
  }
  return program;
}

function addCommand(program: Command, text: (typeof COMMANDS)[number], onCommand: Action): Command {
  const { name, summary, description, usage, argument, examples } = text;
  const command = program
    .command(name)
    .summary(summary)
    .description(description)
    .usage(usage)
    .addHelpOption(new Option('-h, --help', 'Show this help').helpGroup('Help:'))
    .addHelpText('after', examples);
  if (argument === undefined) {
    command.action((flags: Readonly<Record<string, unknown>>) => onCommand(text, undefined, flags));
  } else {
    command
      .argument(...argument)
      .action((value: string | undefined, flags: Readonly<Record<string, unknown>>) =>
        onCommand(text, value, flags),
      );
  }
  return command;
}

const GROUPS = [
  'What to serve',
  'The server process',
  'The remote server',
  'Listening',
  'Access',
  'Sharing',
  'Limits',
  'Output',
  'Log',
] as const satisfies readonly OptionGroup[];

/** What the groups are called where nothing is served. */
const COMPANION_HEADINGS = new Map<OptionGroup, string>([
  ['What to serve', 'Servers:'],
  ['Log', 'Output:'],
]);

function addOptions(command: Command, name: CommandName): void {
  const rows = [...LAUNCH_OPTIONS, ...COMPANION_OPTIONS, ...SETTING_OPTIONS].filter((row) =>
    commandsOf(row).includes(name),
  );
  for (const group of GROUPS) {
    const heading = name === 'serve' ? `${group}:` : (COMPANION_HEADINGS.get(group) ?? `${group}:`);
    for (const row of rows.filter((each) => each.group === group))
      optionsFor(row, heading).forEach((each) => command.addOption(each));
  }
}

function commandsOf(row: Row): readonly CommandName[] {
  return ('commands' in row ? row.commands : undefined) ?? ['serve'];
}

type Row = LaunchOption | SettingOption;

const SWITCHES = new Map([
  ['stdio', 'Serve on our own stdin and stdout'],
  ['sse', 'Serve HTTP+SSE, of revision 2024-11-05 (default, together with --http)'],
  ['http', 'Serve Streamable HTTP (default, together with --sse)'],
]);

function optionsFor(row: Row, heading: string): Option[] {
  if (row.flag === null) return [];
  if (row.kind === 'switches') {
    return (row.choices ?? []).map((name) =>
      new Option(`--${name}`, SWITCHES.get(name) ?? name).helpGroup(heading),
    );
  }
  const fallback = row.default === undefined ? '' : ` (default: ${row.default})`;
  const choices = 'choices' in row && row.choices !== undefined ? `: ${row.choices.join(', ')}` : '';
  const option = new Option(row.flag, `${row.description}${choices}${fallback}`).helpGroup(heading);
  if ('isAlias' in row && row.isAlias) option.hideHelp();
  if (row.kind === 'list')
    option.argParser((value, previous) => [...(Array.isArray(previous) ? previous : []), value]);
  if (row.kind !== 'boolean' || row.flag.startsWith('--no-')) return [option];
  // Turns off again what a variable or the manifest turned on.
  return [option, new Option(`--no-${row.flag.slice(2)}`).hideHelp()];
}

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

function toUsage(error: unknown, [name]: readonly string[]): RunError {
  if (!(error instanceof CommanderError)) return toRunError(error);
  const text = error.message.replace(/^error: /, '').replace(/\n\(?/g, ' (');
  const detail = error.code === 'commander.excessArguments' ? tooMany(name) : text;
  return new RunError('USAGE', { detail }, { cause: error });
}

function tooMany(name: string | undefined): string {
  const command = COMMANDS.find((each) => each.name === name);
  if (command?.argument === undefined) return `${name} takes no file`;
  const { commandPurpose: purpose } = command;
  if (purpose === undefined) return `${name} takes one file`;
  return `${name} takes one manifest or URL; put -- before a command to ${purpose}`;
}
