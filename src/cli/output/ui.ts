import type { RunError } from '../../errors.ts';
import type { RejectedServer } from '../../manifest/settings.ts';
import { printableJson, printableLines } from '../../observe/printable.ts';
import type { Connection } from './connection.ts';
import type { CliContext } from '../context.ts';
import { excerptLines } from './excerpt.ts';
import { alignColumns, createPalette, printable, type Palette } from './palette.ts';
import { redactCulprits } from './describe-error.ts';
import { writeText } from './write-text.ts';

/** What people see on stderr. */
export interface Ui {
  error(error: Pick<RunError, 'message' | 'hint' | 'culprits'>, stack: string | undefined): void;
  /** Servers that are left out. */
  rejected(servers: readonly RejectedServer[], others: string): void;
  startScreen(connection: Connection, show: { readonly withCurl: boolean }): void;
}

export function createUi(context: CliContext, colour: boolean): Ui {
  const chalk = createPalette(colour);
  const print = (lines: readonly string[]): void => {
    writeText(context.stderr, `${lines.join('\n')}\n`);
  };
  return {
    error(error, stack) {
      const lines =
        error.culprits.length === 0 ? [printable(error.message)] : culpritLines(error.culprits, chalk);
      lines[0] = `${chalk.red('error:')} ${lines[0]}`;
      if (error.hint !== '') lines.push(`${chalk.cyan('hint:')} ${printable(error.hint)}`);
      if (stack !== undefined) lines.push(chalk.dim(printableLines(stack)));
      print(lines);
    },
    rejected: (servers, others) => print(rejectedLines(servers, others, chalk)),
    startScreen: (connection, { withCurl }) => print(screenLines(connection, withCurl, chalk)),
  };
}

function culpritLines(culprits: RunError['culprits'], chalk: Palette): string[] {
  const excerpts = culprits.map((culprit) => excerptLines(culprit, chalk));
  if (excerpts.length === 1) return excerpts.flat();
  return [
    `${culprits.length} things are wrong with the manifest`,
    ...excerpts.flatMap((lines) => ['', ...lines]),
    '',
  ];
}

function rejectedLines(servers: readonly RejectedServer[], others: string, chalk: Palette): string[] {
  return servers.flatMap(({ name, error }) => [
    `${chalk.red('error:')} rejected server "${chalk.bold(printable(name))}"; ${others}`,
    ...redactCulprits(error.culprits)
      .flatMap((culprit) => excerptLines(culprit, chalk))
      .map((line) => `  ${line}`),
    // The general one tells nothing about a single entry.
    ...(error.code === 'MANIFEST_INVALID' ? [] : [`  ${chalk.cyan('hint:')} ${printable(error.hint)}`]),
    '',
  ]);
}

function screenLines(connection: Connection, withCurl: boolean, chalk: Palette): string[] {
  const { names, source, url, endpoints, remote, snippet, curl, stdio } = connection;
  const what = names.map((name) => chalk.bold(printable(name))).join(', ');
  const from = chalk.dim(`(from ${printable(source)})`);
  if (url === undefined) return [`mcp-run serves ${what} on stdin and stdout ${from}. Ctrl-C stops it.`];
  const lines = [`mcp-run serves ${what} at ${chalk.cyan(url)} ${from}`, ''];
  if (stdio) lines.push('  stdio   stdin and stdout of this process');
  const labels = alignColumns(
    endpoints.map(({ name }) => [printable(name), '|']),
    new Set(),
  );
  const hasLabels = endpoints.some(({ name }) => name !== endpoints[0]?.name);
  for (const [index, { kind, url: endpoint }] of endpoints.entries()) {
    const label = hasLabels ? (labels[index] ?? '').slice(0, -1) : '';
    lines.push(`  ${label}${kind.padEnd(6)}  ${chalk.cyan(endpoint)}`);
  }
  // A single URL is the source itself.
  const elsewhere = remote.filter((each) => each.url !== source);
  if (elsewhere.length > 0) lines.push('');
  for (const { name, url: target } of elsewhere)
    lines.push(`  ${chalk.bold(printable(name))} is at ${chalk.cyan(printable(target))}`);
  lines.push('', 'Paste this into a client:', '', indent(printableJson(JSON.stringify(snippet, null, 2))));
  if (withCurl && curl !== undefined) lines.push('', 'Or call it from another terminal:', '', indent(curl));
  lines.push('', chalk.dim('Ctrl-C stops it.'));
  return lines;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
