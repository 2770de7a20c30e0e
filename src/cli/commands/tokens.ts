import { toRunError } from '../../errors.ts';
import type { Binding, Holding } from '../../gateway/tokens.ts';
import { tokenStoreDirectory } from '../../manifest/read/config-directory.ts';
import { maskUrl } from '../../manifest/read/secrets.ts';
import type { CommandCall } from '../command.ts';
import { describeBinding, describeHolding, expiryText } from '../output/token-info.ts';
import { alignColumns, createPalette, printable } from '../output/palette.ts';
import { createPlainLog } from '../output/plain-log.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

/** Lists the servers that tokens are stored for, and the issuers that clients are bound to; shows no token. */
export async function tokens({ context, reporting }: CommandCall): Promise<number> {
  try {
    const directory = tokenStoreDirectory(context.env);
    const { listBindings, listTokenInfo: listHoldings } = await import('../../gateway/tokens.ts');
    const holdings = await listHoldings(directory, createPlainLog(context));
    const bindings = await listBindings(directory);
    if (reporting.document) {
      const bound = bindings.length > 0 && { bindings: bindings.map(describeBinding) };
      const servers = holdings.map(describeHolding);
      writeDocument({ ok: true, exitCode: 0, directory, servers, ...bound }, context);
    } else {
      const lines = [
        ...tableOf(holdings, directory, { colour: reporting.stdoutColour, now: context.clock.date() }),
        ...bindings.map(lineOf),
      ];
      writeText(context.stdout, `${lines.join('\n')}\n`);
    }
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

/** The secret or the key of a client, which the settings hold, goes to one issuer. */
function lineOf({ url, clientId, issuer, since }: Binding): string {
  const [day = ''] = new Date(since).toISOString().split('T');
  return `Client ${printable(clientId)} of ${printable(maskUrl(url))} is bound to ${printable(issuer)} since ${day}`;
}

function tableOf(
  holdings: readonly Holding[],
  directory: string,
  { colour, now }: { readonly colour: boolean; readonly now: number },
): string[] {
  if (holdings.length === 0) return [`No tokens are stored in ${printable(directory)}`];
  const rows = holdings.map((holding) => [
    maskUrl(holding.url),
    holding.issuer,
    holding.scope ?? '–',
    expiryText(holding, now),
  ]);
  const [head = '', ...lines] = alignColumns(
    [['SERVER', 'ISSUER', 'SCOPE', 'GOOD'], ...rows.map((row) => row.map(printable))],
    new Set(),
  );
  return [createPalette(colour).dim(head), ...lines];
}
