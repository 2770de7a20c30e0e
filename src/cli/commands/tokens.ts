import { toRunError } from '../../errors.ts';
import type { Holding } from '../../gateway/tokens.ts';
import { tokenStoreDirectory } from '../../manifest/config-directory.ts';
import { maskUrl } from '../../manifest/secrets.ts';
import type { CommandCall } from '../command.ts';
import { describeHolding, expiryText } from '../holdings.ts';
import { alignColumns, createPalette, printable } from '../palette.ts';
import { createPlainLog } from '../plain-log.ts';
import { reportError, writeDocument } from '../report.ts';

/** Lists the servers that tokens are stored for; shows no token. */
export async function tokens({ context, reporting }: CommandCall): Promise<number> {
  try {
    const directory = tokenStoreDirectory(context.env);
    const { listHoldings } = await import('../../gateway/tokens.ts');
    const holdings = await listHoldings(directory, createPlainLog(context));
    if (reporting.document) {
      writeDocument({ ok: true, exitCode: 0, directory, servers: holdings.map(describeHolding) }, context);
    } else {
      context.stdout.write(`${tableOf(holdings, directory, reporting.stdoutColour).join('\n')}\n`);
    }
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

function tableOf(holdings: readonly Holding[], directory: string, colour: boolean): string[] {
  if (holdings.length === 0) return [`No tokens are stored in ${printable(directory)}`];
  const rows = holdings.map((holding) => [
    maskUrl(holding.url),
    holding.issuer,
    holding.scope ?? '–',
    expiryText(holding),
  ]);
  const [head = '', ...lines] = alignColumns(
    [['SERVER', 'ISSUER', 'SCOPE', 'GOOD'], ...rows.map((row) => row.map(printable))],
    new Set(),
  );
  return [createPalette(colour).dim(head), ...lines];
}
