import { toRunError, type RunError } from '../../errors.ts';
import type { Holding } from '../../gateway/tokens.ts';
import { maskUrl } from '../../manifest/read/secrets.ts';
import type { CommandCall } from '../command.ts';
import { endSoon } from '../exit.ts';
import { interruptible } from '../interruptible.ts';
import { describeHolding, expiryText } from '../output/token-info.ts';
import { createPalette, printable } from '../output/palette.ts';
import { createPlainLog } from '../output/plain-log.ts';
import { readRemoteServers, type RemoteServer } from '../remote-servers.ts';
import { describeError } from '../output/describe-error.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

/** How it went at one server. */
interface Login {
  readonly server: { readonly name: string; readonly target?: RemoteServer['target'] };
  /** Undefined: it asks for none. */
  readonly holding?: Holding | undefined;
  readonly error?: RunError;
}

/** Obtains tokens for remote servers, one after the other: there is one user; returns the exit code. */
export async function login(call: CommandCall): Promise<number> {
  const { context, reporting } = call;
  try {
    const { usable, rejected } = await readRemoteServers(call);
    const faulty = rejected.map(({ name, error }): Login => ({ server: { name }, error }));
    if (!reporting.document) for (const { error } of rejected) await reportError(error, context, reporting);
    const { result, exitCode } = await interruptible((signal) => logInAll(usable, call, signal));
    const logins = [...faulty, ...result];
    const code = exitCode ?? exitCodeOf(logins);
    if (reporting.document) writeDocument(documentOf(logins, code), context);
    endSoon(code, context.clock);
    return code;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

async function logInAll(
  servers: readonly RemoteServer[],
  { context, reporting }: CommandCall,
  signal: AbortSignal,
): Promise<readonly Login[]> {
  const { logIn } = await import('../../gateway/tokens.ts');
  const log = createPlainLog(context);
  const logins: Login[] = [];
  for (const server of servers) {
    if (signal.aborted) break;
    const outcome = await logIn(server.name, server.target, { log, signal, clock: context.clock }).then(
      (holding): Login => ({ server, holding }),
      (error: unknown): Login => ({ server, error: toRunError(error) }),
    );
    logins.push(outcome);
    if (reporting.document || signal.aborted) continue;
    if (outcome.error === undefined)
      writeText(context.stdout, `${lineOf(outcome, reporting.stdoutColour, context.clock.date())}\n`);
    else await reportError(outcome.error, context, reporting);
  }
  return logins;
}

function lineOf({ server, holding }: Login, colour: boolean, now: number): string {
  const { green, dim } = createPalette(colour);
  const name = printable(server.name);
  if (holding === undefined) return `${dim('–')} ${name}: asks for no authorization`;
  const scope = holding.scope === undefined ? '' : `, scope ${printable(holding.scope)}`;
  return `${green('✓')} ${name}: authorized by ${printable(holding.issuer)}${scope}, ${expiryText(holding, now)}`;
}

function exitCodeOf(logins: readonly Login[]): number {
  return logins.find(({ error }) => error !== undefined)?.error?.exitCode ?? 0;
}

function documentOf(logins: readonly Login[], exitCode: number): object {
  const servers = logins.map(({ server, holding, error }) => ({
    name: server.name,
    ...(server.target !== undefined && { url: maskUrl(server.target.url) }),
    ...(error === undefined
      ? { status: holding === undefined ? 'not-needed' : 'authorized' }
      : { status: 'failed', error: describeError(error) }),
    ...(holding !== undefined && describeHolding(holding)),
  }));
  return { ok: exitCode === 0, exitCode, servers };
}
