import type { LogFormat } from '../../config/types.ts';
import type { ProcessContext } from '../context.ts';

/** The form of everything that is written to stderr. */
export interface Reporting {
  readonly format: LogFormat;
  /** On stderr. */
  readonly colour: boolean;
  /** On stdout. */
  readonly stdoutColour: boolean;
  /** Whether an error is written with its stack trace: at the log levels `debug` and `trace`. */
  readonly stacks: boolean;
  /** The command's one JSON document on stdout is the place for errors, too. */
  readonly document: boolean;
}

const COMPANIONS = new Set(['check', 'list', 'init', 'schema', 'login', 'logout', 'tokens']);

/** What the command line and the environment say about it, read by hand: the error may be that it does not parse. */
export function readReporting(
  argv: readonly string[],
  { env, stderrIsTerminal, stdoutIsTerminal }: ProcessContext,
): Reporting {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const format = valueOf('--log-format', own) ?? env['MCP_RUN_LOG_FORMAT'];
  const level = valueOf('--log-level', own) ?? env['MCP_RUN_LOG_LEVEL'];
  // Only what serves is run where a collector reads stderr; the others talk to people, or to programs by --json.
  const isCompanion = COMPANIONS.has(own[0] ?? '');
  const asked = format === 'json' || format === 'human' ? format : undefined;
  return {
    format: isCompanion ? 'human' : (asked ?? (stderrIsTerminal ? 'human' : 'json')),
    document: isCompanion && own.includes('--json'),
    colour: !own.includes('--no-color') && wantsColour(env, stderrIsTerminal),
    stdoutColour: !own.includes('--no-color') && wantsColour(env, stdoutIsTerminal),
    stacks: level === 'debug' || level === 'trace',
  };
}

function wantsColour(env: ProcessContext['env'], isTerminal: boolean): boolean {
  const forced = env['FORCE_COLOR'] ?? '';
  if (forced !== '') return forced !== '0' && forced !== 'false';
  return isTerminal && (env['NO_COLOR'] ?? '') === '';
}

function valueOf(flag: string, argv: readonly string[]): string | undefined {
  const joined = argv.findLast((arg) => arg.startsWith(`${flag}=`));
  const at = argv.lastIndexOf(flag);
  return joined?.slice(flag.length + 1) ?? (at === -1 ? undefined : argv[at + 1]);
}
