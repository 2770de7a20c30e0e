import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Authorization, Challenge } from '../authorization.ts';
import type { ServerAddresses } from '../http/server-addresses.ts';
import type { OAuthSettings, RemoteTarget } from '../../config/types.ts';
import type { AddressScope } from './address-scope.ts';
import { PromptLimit } from './prompt-limit.ts';
import { readChallenge } from './challenge.ts';
import { openTokenRecord, type OAuthContext } from './context.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { openBindingStore } from './issuer-binding.ts';
import type { Wanted } from './acquire-tokens.ts';
import type { StoredTokens } from './stored.ts';
import { openTokenStore, serverUrl, withLock } from './token-store.ts';

export interface AuthorizationOptions {
  readonly server: string;
  readonly log: Log;
  /** Where connections to the server lead. */
  readonly addresses?: ServerAddresses;
  /** The user has requested it, and is prompted however often it has failed. */
  readonly interactive?: boolean;
  /** Of the server; by default one of its own. */
  readonly promptLimit?: PromptLimit;
}

/** A token is renewed so long before it expires, or at the end of this part of its life, if that is later. */
const MARGIN_MS = 30_000;
const PART = 0.75;

/** OAuth for one remote server (2026-07-28, basic/authorization). Reads and asks nothing before it is used. */
export function createAuthorization(
  target: RemoteTarget & { readonly oauth: OAuthSettings },
  { server, log, addresses, interactive = false, promptLimit = new PromptLimit() }: AuthorizationOptions,
): Authorization {
  const url = serverUrl(target);
  const { oauth: settings, tls } = target;
  const store = openTokenStore(url.href, settings, log);
  const binding = openBindingStore(server, url.href, settings);
  /** Loaded when it is needed: most of the time a token is there, or no server asks for one. */
  let guarded: Promise<GuardedFetch> | undefined;
  const closing = new AbortController();
  const { signal } = closing;
  let held: StoredTokens | undefined;
  let firstRead: Promise<unknown> | undefined;
  const underWay = new Map<string, Promise<boolean>>();
  /** The token that could not be renewed ahead of time: the server is to say whether it is still good. */
  let unrenewable: string | undefined;

  return {
    async header(caller) {
      firstRead ??= readStore();
      await firstRead;
      if (held !== undefined && isExpiring(held) && held.accessToken !== unrenewable) {
        const renewal = share('renewal', renewAhead);
        // One that is still good is used until then: the lock may be held by somebody who waits for a user.
        if (isExpired(held)) await abortable(renewal, caller());
        else renewal.catch(() => {});
      }
      return headerOf(held);
    },
    async challenged(challenge, caller) {
      await readStore();
      if (isReplaced(challenge)) return true;
      const bearer = readChallenge(challenge.wwwAuthenticate);
      const isStepUp = challenge.status === 403;
      const what = `${isStepUp} ${bearer.scope}`;
      return await abortable(
        share(what, () => answer(challenge, { challenge: bearer, isStepUp, interactive })),
        caller,
      );
    },
    async close() {
      closing.abort(new RunError('UPSTREAM_CLOSED', { server }));
      await Promise.allSettled(underWay.values());
      await (await guarded)?.close();
    },
  };

  /** Who wants the same while it is under way gets what it gets. */
  function share(what: string, attempt: () => Promise<boolean>): Promise<boolean> {
    const shared = underWay.get(what) ?? attempt().finally(() => underWay.delete(what));
    underWay.set(what, shared);
    return shared;
  }

  async function answer(challenge: Challenge, wanted: Wanted): Promise<boolean> {
    return await underLock(async (context) => {
      // Somebody else may have been here.
      if (isReplaced(challenge)) return true;
      const { acquireTokens: obtain } = await import('./acquire-tokens.ts');
      return await obtain(wanted, promptLimit, context);
    });
  }

  async function renewAhead(): Promise<boolean> {
    return await underLock(async (context) => {
      if (held === undefined || !isExpiring(held)) return true;
      unrenewable = held.accessToken;
      try {
        const { renew } = await import('./acquire-tokens.ts');
        return await renew(held, context);
      } catch (error) {
        signal.throwIfAborted();
        const detail = error instanceof Error ? error.message : String(error);
        log.warn({ event: 'oauth.renewal-failed', detail }, `The token could not be renewed: ${detail}`);
        return false;
      }
    });
  }

  async function underLock(work: (context: OAuthContext) => Promise<boolean>): Promise<boolean> {
    const onwait = (): void =>
      log.info({ event: 'oauth.waiting' }, 'Another process is obtaining the authorization; waiting for it');
    return await withLock(store, { signal, onwait }, async () => {
      const tokenStore = await openTokenRecord(store);
      held = tokenStore.stored.tokens;
      const { fetch, check, home } = await guard(tokenStore.stored.reach);
      try {
        return await work({
          server,
          url,
          settings,
          log,
          fetch: fetch(signal),
          checkUrl: check,
          home,
          tokenStore,
          binding,
          signal,
        });
      } finally {
        held = tokenStore.stored.tokens;
      }
    });
  }

  function guard(knownReach: AddressScope | undefined): Promise<GuardedFetch> {
    guarded ??= import('./guarded-fetch.ts').then(({ createGuardedFetch }) =>
      createGuardedFetch({ server, url, tls, addresses, knownReach, issuer: settings.issuer }),
    );
    return guarded;
  }

  async function readStore(): Promise<void> {
    held = (await store.read()).tokens;
  }

  function isReplaced({ sent }: Challenge): boolean {
    return held !== undefined && headerOf(held) !== sent && !isExpired(held);
  }
}

function headerOf(tokens: StoredTokens | undefined): string | undefined {
  return tokens === undefined ? undefined : `Bearer ${tokens.accessToken}`;
}

function isExpired({ expiresAt }: StoredTokens): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}

function isExpiring({ expiresAt, obtainedAt }: StoredTokens): boolean {
  if (expiresAt === undefined) return false;
  return Date.now() > Math.max(expiresAt - MARGIN_MS, obtainedAt + PART * (expiresAt - obtainedAt));
}

/** The result, unless the signal comes first; what is under way goes on for others. */
function abortable<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
