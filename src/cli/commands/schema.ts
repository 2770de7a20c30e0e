import { readFile } from 'node:fs/promises';
import { toRunError } from '../../errors.ts';
import type { CommandCall } from '../command.ts';
import { packageFile } from '../../files/package-file.ts';
import { reportError } from '../output/report.ts';

/** Prints the JSON Schema that the package ships. */
export async function schema({ context, reporting }: CommandCall): Promise<number> {
  try {
    context.stdout.write(await readFile(packageFile('schema/mcp-run.schema.json'), 'utf8'));
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}
