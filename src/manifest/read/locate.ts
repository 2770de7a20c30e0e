import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../../errors.ts';

/** Where a manifest is looked for when none is named, in this order. */
const CANDIDATES = [
  'mcp-run.json',
  'mcp-run.jsonc',
  'mcp-run.yaml',
  'mcp.json',
  '.mcp.json',
  '.vscode/mcp.json',
] as const;

/**
 * The files to read: the named ones, else `MCP_RUN_CONFIG`, else the first candidate in the directory.
 * @throws RunError `MANIFEST_NOT_FOUND`, naming every place that was tried.
 */
export async function locateManifests(
  named: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  if (named.length > 0) return named;
  const configured = env['MCP_RUN_CONFIG'];
  if (configured !== undefined && configured !== '') return [configured];
  for (const candidate of CANDIDATES) {
    if (await exists(join(cwd, candidate))) return [candidate];
  }
  throw new RunError('MANIFEST_NOT_FOUND', {
    tried: CANDIDATES.map((candidate) => `./${candidate}`).join(', '),
  });
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
