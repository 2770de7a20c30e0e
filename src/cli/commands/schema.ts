import { readFile } from 'node:fs/promises';
import { toRunError } from '../../errors.ts';
import type { CommandCall } from '../command.ts';
import { reportError } from '../report.ts';

/** Prints the JSON Schema that the package ships. */
export async function schema({ context, reporting }: CommandCall): Promise<number> {
  try {
    const file = new URL('../../../schema/mcp-run.schema.json', import.meta.url);
    context.stdout.write(await readFile(file, 'utf8'));
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}
