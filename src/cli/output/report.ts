import type { Diagnostic, RunError } from '../../errors.ts';
import type { LogFormat } from '../../config/types.ts';
import { printableJson } from '../../observe/printable.ts';
import { redact } from '../../observe/redact.ts';
import type { CliContext } from '../context.ts';

/** The form of everything that is written to stderr. */
export interface Reporting {
  readonly format: LogFormat;
  /** On stderr. */
  readonly colour: boolean;
  /** On stdout. */
  readonly stdoutColour: boolean;
  /** Stack traces are for those who debug. */
  readonly stacks: boolean;
  /** The command's one JSON document on stdout is the place for errors, too. */
  readonly document: boolean;
}

/** Writes an error to stderr, for people or as one line of the JSON log, and returns its exit code. */
export async function reportError(
  error: RunError,
  context: CliContext,
  reporting: Reporting,
): Promise<number> {
  const stack = reporting.stacks ? redact(stackOf(error) ?? '') : undefined;
  const { code, exitCode } = error;
  const hint = redact(error.hint);
  // It may repeat what was typed or written: an option, a URL.
  const msg = redact(error.message);
  if (reporting.document) {
    writeDocument({ ok: false, exitCode, error: describeError(error) }, context);
    return exitCode;
  }
  // A user who mistyped a flag reads a terminal or a build log, not a log collector.
  if (reporting.format === 'json' && code !== 'USAGE') {
    const line = {
      level: 'error',
      time: context.clock.date(),
      event: 'command.failed',
      code,
      exitCode,
      hint,
      stack,
      msg,
    };
    context.stderr.write(`${printableJson(JSON.stringify(line))}\n`);
    return exitCode;
  }
  const { createUi } = await import('./ui.ts');
  createUi(context, reporting.colour).error(
    { message: msg, hint, culprits: redactCulprits(error.culprits) },
    stack,
  );
  return exitCode;
}

interface DescribedError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly problems?: readonly Omit<Diagnostic, 'sourceLine'>[];
}

/** An error as `--json` shows it. */
export function describeError(error: RunError): DescribedError {
  const { code, message, culprits } = error;
  const hint = redact(error.hint);
  const problems = redactCulprits(culprits).map(({ file, line, column, key, detail }) => ({
    file,
    line,
    column,
    key,
    detail,
  }));
  return {
    code,
    message: redact(message),
    ...(hint === '' ? {} : { hint }),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

/** Their texts may repeat what a file holds. */
export function redactCulprits(culprits: readonly Diagnostic[]): readonly Diagnostic[] {
  return culprits.map((culprit) => ({
    ...culprit,
    key: redact(culprit.key),
    detail: redact(culprit.detail),
  }));
}

/** Writes what `--json` promises: one document on stdout. */
export function writeDocument(document: object, { stdout }: CliContext): void {
  stdout.write(`${printableJson(JSON.stringify(document, null, 2))}\n`);
}

const COMPANIONS = new Set(['check', 'list', 'init', 'schema', 'login', 'logout', 'tokens']);

/** What the command line and the environment say about it, read by hand: the error may be that it does not parse. */
export function readReporting(
  argv: readonly string[],
  { env, stderrIsTerminal, stdoutIsTerminal }: CliContext,
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

function wantsColour(env: CliContext['env'], isTerminal: boolean): boolean {
  const forced = env['FORCE_COLOR'] ?? '';
  if (forced !== '') return forced !== '0' && forced !== 'false';
  return isTerminal && (env['NO_COLOR'] ?? '') === '';
}

function valueOf(flag: string, argv: readonly string[]): string | undefined {
  const joined = argv.findLast((arg) => arg.startsWith(`${flag}=`));
  const at = argv.lastIndexOf(flag);
  return joined?.slice(flag.length + 1) ?? (at === -1 ? undefined : argv[at + 1]);
}

function stackOf(error: RunError): string | undefined {
  return (error.cause instanceof Error ? error.cause : error).stack;
}
