import { RunError, toRunError } from '../../errors.ts';
import type { Account, LoggedOut } from '../../gateway/tokens.ts';
import { tokenStoreDirectory } from '../../manifest/config-directory.ts';
import { maskUrl } from '../../manifest/secrets.ts';
import type { CommandCall } from '../command.ts';
import { endSoon } from '../exit.ts';
import { createPalette, printable } from '../palette.ts';
import { createPlainLog } from '../plain-log.ts';
import { readRemoteServers } from '../remote-servers.ts';
import { reportError, writeDocument } from '../report.ts';

/** Deletes the tokens of remote servers, and revokes them; returns the exit code. */
export async function logout(call: CommandCall): Promise<number> {
  const { context, reporting } = call;
  try {
    const accounts = await readAccounts(call);
    const { logOut } = await import('../../gateway/tokens.ts');
    const { signal } = new AbortController();
    const log = createPlainLog(context);
    const done = await logOut(tokenStoreDirectory(context.env), accounts, { log, signal });
    if (reporting.document) writeDocument(documentOf(done), context);
    else context.stdout.write(`${linesOf(done, reporting.stdoutColour).join('\n')}\n`);
    endSoon(0);
    return 0;
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

/** Undefined: all. */
async function readAccounts(call: CommandCall): Promise<readonly Account[] | undefined> {
  const { flags, manifest } = call.args;
  if (flags['all'] !== true) return (await readRemoteServers(call)).map(({ target }) => target);
  if (manifest !== undefined || flags['config'] !== undefined || flags['server'] !== undefined) {
    throw new RunError('USAGE', { detail: '--all is about every server, and one is named besides' });
  }
  return undefined;
}

function linesOf(done: readonly LoggedOut[], colour: boolean): string[] {
  const { green, dim } = createPalette(colour);
  if (done.length === 0) return [`${dim('–')} Nothing is stored`];
  return done.map(({ url, isRevoked }) => {
    const what = isRevoked ? 'deleted and revoked' : 'deleted';
    return `${green('✓')} ${printable(maskUrl(url))}: ${what}`;
  });
}

function documentOf(done: readonly LoggedOut[]): object {
  const servers = done.map(({ url, issuer, isRevoked }) => ({
    url: maskUrl(url),
    issuer: issuer ?? null,
    revoked: isRevoked,
  }));
  return { ok: true, exitCode: 0, servers };
}
