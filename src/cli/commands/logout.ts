import { RunError, toRunError } from '../../errors.ts';
import type { Account, LoggedOut } from '../../gateway/tokens.ts';
import { tokenStoreDirectory } from '../../manifest/read/config-directory.ts';
import { maskUrl } from '../../manifest/read/secrets.ts';
import type { RejectedServer } from '../../manifest/settings.ts';
import type { CommandCall } from '../command.ts';
import { endSoon } from '../exit.ts';
import { describeBinding } from '../output/token-info.ts';
import { createPalette, printable } from '../output/palette.ts';
import { createPlainLog } from '../output/plain-log.ts';
import { readRemoteServers } from '../remote-servers.ts';
import { describeError } from '../output/describe-error.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

/** Deletes the tokens of remote servers, and revokes them; returns the exit code. */
export async function logout(call: CommandCall): Promise<number> {
  const { context, reporting } = call;
  try {
    const { accounts, rejected } = await readAccounts(call);
    const { logOut } = await import('../../gateway/tokens.ts');
    const { signal } = new AbortController();
    const log = createPlainLog(context);
    const done = await logOut(tokenStoreDirectory(context.env), accounts, {
      log,
      signal,
      clock: context.clock,
    });
    const code = rejected[0]?.error.exitCode ?? 0;
    if (reporting.document) writeDocument(documentOf(done, rejected, code), context);
    else {
      for (const { error } of rejected) await reportError(error, context, reporting);
      writeText(context.stdout, `${linesOf(done, reporting.stdoutColour).join('\n')}\n`);
    }
    endSoon(code, context.clock);
    return code;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

interface Accounts {
  /** Undefined: all. */
  readonly accounts: readonly Account[] | undefined;
  readonly rejected: readonly RejectedServer[];
}

async function readAccounts(call: CommandCall): Promise<Accounts> {
  const { flags, manifest } = call.args;
  if (flags['all'] !== true) {
    const { usable, rejected } = await readRemoteServers(call);
    return { accounts: usable.map(({ target }) => target), rejected };
  }
  if (manifest !== undefined || flags['config'] !== undefined || flags['server'] !== undefined) {
    throw new RunError('USAGE', { detail: '--all is about every server, and one is named besides' });
  }
  return { accounts: undefined, rejected: [] };
}

function linesOf(done: readonly LoggedOut[], colour: boolean): string[] {
  const { green, dim } = createPalette(colour);
  if (done.length === 0) return [`${dim('–')} Nothing is stored`];
  return done.map(({ url, isRevoked, bindings }) => {
    const what = isRevoked ? 'deleted and revoked' : 'deleted';
    const bound = bindings.map(
      ({ clientId, issuer }) => `; client ${printable(clientId)} stays bound to ${printable(issuer)}`,
    );
    return `${green('✓')} ${printable(maskUrl(url))}: ${what}${bound.join('')}`;
  });
}

function documentOf(
  done: readonly LoggedOut[],
  rejected: readonly RejectedServer[],
  exitCode: number,
): object {
  const servers = done.map(({ url, issuer, isRevoked, bindings }) => ({
    url: maskUrl(url),
    issuer: issuer ?? null,
    revoked: isRevoked,
    ...(bindings.length > 0 && { bindings: bindings.map(describeBinding) }),
  }));
  const faulty = rejected.map(({ name, error }) => ({ name, error: describeError(error) }));
  return { ok: exitCode === 0, exitCode, servers, ...(faulty.length > 0 && { rejected: faulty }) };
}
