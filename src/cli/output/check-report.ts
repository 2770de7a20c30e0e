import { ERRORS, type RunError } from '../../errors.ts';
import type { CheckResult } from '../../inspect/check-server.ts';
import type { Declared, Inventory } from '../../manifest/read/inventory.ts';
import type { RejectedServer } from '../../manifest/settings.ts';

/** What `check` has found out about one server. */
export interface CheckedServer {
  readonly name: string;
  readonly status: 'ready' | 'failed' | 'disabled';
  /** Where it is declared; absent without a manifest. */
  readonly declared: Declared | undefined;
  readonly result: CheckResult | undefined;
  readonly error: RunError | undefined;
  /** What the reader can do about the error. */
  readonly hint: string;
}

/** Every server of the manifest in its order, whether it was started or not. */
export function joinResults(
  results: readonly CheckResult[],
  inventory: Inventory | undefined,
  /** Only these; empty: all. */
  wanted: readonly string[],
  rejected: readonly RejectedServer[] = [],
): readonly CheckedServer[] {
  const byName = new Map(results.map((result) => [result.server, result]));
  if (inventory === undefined) return results.map((result) => probed(result, undefined));
  const seen = new Set<string>();
  return inventory.servers
    .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    .map((declared) => {
      const { name } = declared;
      // Of a name in two blocks of a file the second entry is rejected, also if the first one is.
      const isSecond = seen.has(name);
      seen.add(name);
      const result = isSecond ? undefined : byName.get(name);
      if (result !== undefined) return probed(result, declared);
      const inManifest = isSecond ? undefined : rejected.find((each) => each.name === name)?.error;
      const error = inManifest ?? (isSecond && !declared.disabled ? declared.error : undefined);
      return error === undefined ? notStarted(declared) : faulty(declared, error);
    });
}

/** An entry that is rejected because of the errors in it. */
function faulty(declared: Declared, error: RunError): CheckedServer {
  const { name } = declared;
  return { name, status: 'failed', declared, result: undefined, error, hint: error.hint };
}

/** Without a result it was not asked for. */
function notStarted(declared: Declared): CheckedServer {
  const { name } = declared;
  return { name, status: 'disabled', declared, result: undefined, error: undefined, hint: '' };
}

/** A server that was started. */
function probed(result: CheckResult, declared: Declared | undefined): CheckedServer {
  const { server: name, error } = result;
  const status = error === undefined ? 'ready' : 'failed';
  return { name, status, declared, result, error, hint: hintFor(result) };
}

/** Its own last lines say more than the hint that they are in the log. */
function hintFor({ error, stderr }: CheckResult): string {
  if (error === undefined) return '';
  const isTelling = error.code !== 'UPSTREAM_EXITED' || error.hint !== ERRORS.UPSTREAM_EXITED.hint;
  if (isTelling) return error.hint;
  return stderr.length > 0 ? '' : 'It said nothing on stderr. Run its command in a terminal to see why.';
}

/** 0, or the code of the gravest error: 2 before 4 before 5. */
export function exitCodeOf(servers: readonly CheckedServer[]): number {
  const codes = servers.flatMap(({ error }) => (error === undefined ? [] : [error.exitCode]));
  return codes.length === 0 ? 0 : Math.min(...codes);
}
