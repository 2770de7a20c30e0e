import type { Clock } from '../clock.ts';
import { RunError } from '../errors.ts';
import type { RemoteTarget } from '../config/types.ts';
import type { Log } from '../observe/log.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import { createMask } from '../observe/mask.ts';
import { maskLog } from '../observe/masked-log.ts';
import { tokenInfoOf, type TokenInfo } from '../upstream/oauth/token-info.ts';
import { listBindings, type Binding } from '../upstream/oauth/issuer-binding.ts';
import { listTokenStores, serverUrl } from '../upstream/oauth/token-store.ts';

export { listBindings, type Binding, type TokenInfo as Holding };

const NO_TLS = { caFile: undefined, certFile: undefined, keyFile: undefined };

interface Call {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Obtains tokens for a remote server, now.
 * @returns undefined if it does not ask for any
 * @throws RunError `AUTHORIZATION_FAILED`, `UPSTREAM_UNREACHABLE`, `INTERRUPTED`
 */
export async function logIn(
  name: string,
  target: RemoteTarget,
  { log, signal, clock }: Call,
): Promise<TokenInfo | undefined> {
  const { oauth } = target;
  if (oauth === undefined) {
    throw new RunError('USAGE', {
      detail: `Server "${name}" is authorized by a header, or not at all, as it is set`,
    });
  }
  const { logIn: obtain } = await import('../upstream/oauth/log-in.ts');
  const quiet = maskLog(log.child({ server: name }), createMask(secretsOf(target)));
  return await obtain({ ...target, oauth }, { server: name, log: quiet, signal, clock });
}

export interface LoggedOut {
  readonly url: string;
  readonly issuer: string | undefined;
  readonly isRevoked: boolean;
  /** They stay: signing in again must not show a secret to another issuer. */
  readonly bindings: readonly Binding[];
}

/** The settings that are needed besides the stored tokens. */
export type Account = Pick<RemoteTarget, 'url' | 'tls' | 'oauth'>;

/**
 * Deletes the tokens of these servers, or of all, and revokes them where that is possible.
 * @param accounts undefined: all
 */
export async function logOut(
  directory: string,
  accounts: readonly Account[] | undefined,
  { log, signal, clock }: Call,
): Promise<readonly LoggedOut[]> {
  const { logOut: deleteTokens } = await import('../upstream/oauth/log-out.ts');
  const bindings = await listBindings(directory);
  const done: LoggedOut[] = [];
  for (const server of await listTokenStores(directory, log)) {
    const { url, tokens } = server.stored;
    const account = accounts?.find((each) => serverUrl(each).href === url);
    if (accounts !== undefined && account === undefined) continue;
    const isRevoked = await deleteTokens(server, {
      tls: account?.tls ?? NO_TLS,
      credentials: account?.oauth,
      log,
      signal,
      clock,
    });
    const own = bindings.filter((binding) => binding.url === url);
    done.push({ url, issuer: tokens?.issuer, isRevoked, bindings: own });
  }
  return done;
}

/** The stored tokens. */
export async function listTokenInfo(directory: string, log: Log): Promise<readonly TokenInfo[]> {
  return (await listTokenStores(directory, log)).flatMap(({ stored }) => tokenInfoOf(stored) ?? []);
}
