import { readFileSync } from 'node:fs';
import { processContext, type ProcessContext } from './context.ts';

/** Runs one command line and returns its exit code; never throws and never exits. */
export async function main(
  argv: readonly string[] = process.argv.slice(2),
  context: ProcessContext = processContext(),
): Promise<number> {
  // Answered before anything is loaded: this is what scripts call to see whether the program is there.
  if (argv.length === 1 && /^(--version|-v|-V)$/.test(argv[0] ?? '')) {
    context.stdout.write(`${version()}\n`);
    return 0;
  }
  const { runProgram } = await import('./program.ts');
  return await runProgram(argv, context, version());
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const isNamed = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isNamed ? String(manifest.version) : 'unknown';
}
