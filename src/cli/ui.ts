import { Chalk, type ChalkInstance } from 'chalk';
import type { RunError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { CliContext } from './context.ts';

/** What people see on stderr. */
export interface Ui {
  error(error: Pick<RunError, 'message' | 'hint'>, stack: string | undefined): void;
  startScreen(connection: Connection, show: { readonly withCurl: boolean }): void;
}

export function createUi(context: CliContext, colour: boolean): Ui {
  const chalk = new Chalk({ level: colour ? 1 : 0 });
  const print = (lines: readonly string[]): void => {
    context.stderr.write(`${lines.join('\n')}\n`);
  };
  return {
    error(error, stack) {
      const lines = [`${chalk.red('error:')} ${error.message}`];
      if (error.hint !== '') lines.push(`${chalk.cyan('hint:')} ${error.hint}`);
      if (stack !== undefined) lines.push(chalk.dim(stack));
      print(lines);
    },
    startScreen: (connection, { withCurl }) => print(screenLines(connection, withCurl, chalk)),
  };
}

function screenLines(connection: Connection, withCurl: boolean, chalk: ChalkInstance): string[] {
  const { names, source, url, endpoints, snippet, curl, stdio } = connection;
  const what = names.map((name) => chalk.bold(name)).join(', ');
  const from = chalk.dim(`(from ${source})`);
  if (url === undefined) return [`mcp-run serves ${what} on stdin and stdout ${from}. Ctrl-C stops it.`];
  const lines = [`mcp-run serves ${what} at ${chalk.cyan(url)} ${from}`, ''];
  if (stdio) lines.push('  stdio   stdin and stdout of this process');
  const width = Math.max(0, ...endpoints.map(({ name }) => name.length));
  for (const { name, kind, url: endpoint } of endpoints) {
    const label = endpoints.some((other) => other.name !== name) ? `${name.padEnd(width)}  ` : '';
    lines.push(`  ${label}${kind.padEnd(6)}  ${chalk.cyan(endpoint)}`);
  }
  lines.push('', 'Paste this into a client:', '', indent(JSON.stringify(snippet, null, 2)));
  if (withCurl && curl !== undefined) lines.push('', 'Or call it from another terminal:', '', indent(curl));
  lines.push('', chalk.dim('Ctrl-C stops it.'));
  return lines;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
