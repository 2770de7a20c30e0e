import type { CheckResult } from '../../inspect/check-server.ts';
import type { CheckedServer } from './check-report.ts';
import { alignColumns, printable, type Palette } from './palette.ts';

const DETAIL_INDENT = '    ';

/** One server as a line of its own, with what is wrong with it below: for logs, and for programs that read lines. */
export function plainLines(server: CheckedServer, colours: Palette): string[] {
  const { name, status } = server;
  const head = `${status.padEnd(12)}${printable(name)}`;
  const summary = summaryOf(server);
  return [summary === '' ? head : `${head}: ${summary}`, ...detailLines(server, colours)];
}

/** All servers as a table, and below it what is wrong. */
export function tableLines(servers: readonly CheckedServer[], colours: Palette): string[] {
  const header = [
    '',
    'SERVER',
    'IMPLEMENTATION',
    'REVISION',
    'ERA',
    'TOOLS',
    'RESOURCES',
    'PROMPTS',
    'START',
    'ALSO',
  ];
  const rows = alignColumns([header, ...servers.map(rowOf)], new Set([5, 6, 7, 8]));
  const [head = '', ...body] = rows;
  const lines = [colours.dim(head), ...body.map((row, index) => paint(row, servers[index]?.status, colours))];
  for (const server of servers) {
    const details = detailLines(server, colours);
    if (server.error === undefined && details.length === 0) continue;
    lines.push(
      '',
      `${mark(server.status, colours)} ${colours.bold(printable(server.name))}: ${summaryOf(server)}`,
    );
    lines.push(...details);
  }
  return lines;
}

/** `3 servers: 2 ready, 1 failed`. */
export function countLine(servers: readonly CheckedServer[]): string {
  const counts = new Map<string, number>();
  for (const { status } of servers) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = [...counts].map(([status, count]) => `${count} ${status}`);
  return `${servers.length} ${servers.length === 1 ? 'server' : 'servers'}: ${parts.join(', ')}`;
}

const SYMBOLS = { ready: '✔', failed: '✖', disabled: '–' } as const satisfies Record<Status, string>;

function rowOf({ name, status, result }: CheckedServer): string[] {
  const { introduction, offer, startMs } = result ?? {};
  const symbol = SYMBOLS[status];
  if (introduction === undefined) return [symbol, printable(name), status];
  return [
    symbol,
    printable(name),
    implementationOf(introduction),
    printable(introduction.revision),
    introduction.era,
    ...[offer?.tools, offer?.resources, offer?.prompts].map((count) => String(count ?? '–')),
    `${startMs} ms`,
    otherCapabilities(introduction.capabilities).join(', '),
  ];
}

/** Which clients' messages are translated. */
const TRANSLATIONS = {
  legacy: 'legacy (translated for clients of 2026-07-28)',
  modern: 'modern (translated for clients of 2025-11-25 and before)',
  both: 'of both eras (never translated)',
} as const satisfies Record<NonNullable<CheckResult['introduction']>['era'], string>;

function summaryOf({ error, result }: CheckedServer): string {
  if (error !== undefined && error.culprits.length > 1) return `${error.culprits.length} errors in its entry`;
  if (error !== undefined) return printable(error.message.replaceAll('\n', ' '));
  if (result?.introduction === undefined) return '';
  const { introduction, offer, startMs } = result;
  const counts = [
    countOf(offer?.tools, 'tool'),
    countOf(offer?.resources, 'resource'),
    countOf(offer?.prompts, 'prompt'),
  ].filter((text) => text !== '');
  const others = otherCapabilities(introduction.capabilities);
  return [
    implementationOf(introduction),
    `revision ${printable(introduction.revision)}`,
    TRANSLATIONS[introduction.era],
    ...counts,
    ...(others.length === 0 ? [] : [`also ${others.join(' and ')}`]),
    result.url === undefined
      ? `started in ${startMs} ms`
      : `answered in ${startMs} ms at ${printable(result.url)}`,
  ].join(', ');
}

function detailLines({ result, hint, error }: CheckedServer, colours: Palette): string[] {
  const lines: string[] = [];
  if (error !== undefined && error.culprits.length > 1)
    for (const line of error.message.split('\n')) lines.push(`${DETAIL_INDENT}${printable(line)}`);
  if (hint !== '') lines.push(`${DETAIL_INDENT}${colours.cyan('hint:')} ${printable(hint)}`);
  const skipped = result?.skippedLines ?? 0;
  if (skipped > 0) {
    const what = skipped === 1 ? 'line on its stdout was' : 'lines on its stdout were';
    lines.push(
      `${DETAIL_INDENT}${colours.yellow('warning:')} ${skipped} ${what} not JSON-RPC, and skipped; servers log to stderr`,
    );
  }
  if (error === undefined || result === undefined || result.stderr.length === 0) return lines;
  lines.push(`${DETAIL_INDENT}its last lines on stderr:`);
  for (const text of result.stderr) lines.push(`${DETAIL_INDENT}${colours.dim('|')} ${printable(text)}`);
  return lines;
}

function implementationOf({
  name,
  version,
}: {
  name: string | undefined;
  version: string | undefined;
}): string {
  return printable(`${name ?? '(unnamed)'} ${version ?? ''}`.trim());
}

/** Those that are not counted. */
function otherCapabilities(capabilities: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(capabilities)
    .filter((name) => !['tools', 'resources', 'prompts'].includes(name))
    .map(printable);
}

function countOf(count: number | undefined, noun: string): string {
  return count === undefined ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`;
}

type Status = CheckedServer['status'];

function mark(status: Status, colours: Palette): string {
  return paint(SYMBOLS[status], status, colours);
}

/** The first character says it all; a row that is not in use is dim. */
function paint(row: string, status: Status | undefined, colours: Palette): string {
  if (status === 'disabled') return colours.dim(row);
  const colour = status === 'ready' ? colours.green : colours.red;
  return `${colour(row.slice(0, 1))}${row.slice(1)}`;
}
