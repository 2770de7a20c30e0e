import type { CheckedServer } from './check-report.ts';
import { exitCodeOf } from './check-report.ts';
import { describeError } from './describe-error.ts';

const TRANSLATED_FOR = { legacy: ['modern'], modern: ['legacy'], both: [] } as const;

/** The result of `check --json`. */
export function checkDocument(
  source: string,
  warnings: readonly string[],
  servers: readonly CheckedServer[],
): object {
  const exitCode = exitCodeOf(servers);
  return { ok: exitCode === 0, exitCode, source, warnings, servers: servers.map(serverDocument) };
}

function serverDocument({ name, status, declared, result, error, hint }: CheckedServer): object {
  const { url, state, introduction, offer, startMs, stderr, skippedLines } = result ?? {};
  return {
    name,
    status,
    url: url ?? declared?.url,
    state,
    file: declared?.file,
    line: declared?.line,
    ...(introduction === undefined
      ? {}
      : {
          implementation: { name: introduction.name, version: introduction.version },
          revision: introduction.revision,
          era: introduction.era,
          // The clients that it does not speak with as it is.
          translatedFor: TRANSLATED_FOR[introduction.era],
          capabilities: introduction.capabilities,
          startMs,
        }),
    // null: a kind that the server does not have.
    ...(offer === undefined
      ? {}
      : { tools: offer.tools ?? null, resources: offer.resources ?? null, prompts: offer.prompts ?? null }),
    ...(error === undefined
      ? {}
      : { error: { ...describeError(error), hint: hint === '' ? undefined : hint } }),
    stderr,
    skippedLines,
  };
}
