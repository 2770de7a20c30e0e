import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Authorization, Challenge } from '../authorization.ts';
import type { ServerAddresses } from '../http/server-addresses.ts';
import type { OAuthSettings, RemoteTarget, TlsSettings } from '../../config/types.ts';
import type { AddressScope } from './address-scope.ts';
import { PromptLimit } from './prompt-limit.ts';
import { readChallenge } from './challenge.ts';
import { openTokenRecord, type OAuthContext } from './context.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { openBindingStore, type BindingStore } from './issuer-binding.ts';
import type { Wanted } from './acquire-tokens.ts';
import type { StoredTokens } from './stored.ts';
import { openTokenStore, serverUrl, withLock, type TokenStore } from './token-store.ts';

export interface AuthorizationOptions {
  readonly server: string;
  readonly log: Log;
  /** Where connections to the server lead. */
  readonly addresses?: ServerAddresses;
  /** The user has requested it, and is prompted however often it has failed. */
  readonly interactive?: boolean;
  /** Of the server; by default one of its own. */
  readonly promptLimit?: PromptLimit;
  readonly clock: Clock;
}

/** A token is renewed so long before it expires, or at the end of this part of its life, if that is later. */
const MARGIN_MS = 30_000;
const PART = 0.75;

/** OAuth for one remote server (2026-07-28, basic/authorization). Reads and requests nothing before it is used. */
export class OAuthAuthorization implements Authorization {
  readonly #options: AuthorizationOptions;
  readonly #settings: OAuthSettings;
  readonly #tls: TlsSettings;
  readonly #url: URL;
  readonly #store: TokenStore;
  readonly #binding: BindingStore;
  readonly #promptLimit: PromptLimit;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  /** Attempts under way, by what they obtain. */
  readonly #attempts = new Map<string, Promise<boolean>>();
  /** Loaded when it is needed: most of the time there is a token, or no server requires one. */
  #guardedFetch: Promise<GuardedFetch> | undefined;
  #firstRead: Promise<unknown> | undefined;
  #tokens: StoredTokens | undefined;
  /** The token that could not be renewed ahead of time: the server decides whether it is still good. */
  #unrenewable: string | undefined;

  constructor(target: RemoteTarget & { readonly oauth: OAuthSettings }, options: AuthorizationOptions) {
    const { server, log, clock, promptLimit = new PromptLimit(clock) } = options;
    this.#options = options;
    this.#settings = target.oauth;
    this.#tls = target.tls;
    this.#url = serverUrl(target);
    this.#store = openTokenStore(this.#url.href, target.oauth, log);
    this.#binding = openBindingStore({ server, url: this.#url.href, clock }, target.oauth);
    this.#promptLimit = promptLimit;
    this.#clock = clock;
  }

  async header(caller: () => AbortSignal): Promise<string | undefined> {
    this.#firstRead ??= this.#readStore();
    await this.#firstRead;
    const tokens = this.#tokens;
    if (tokens !== undefined && this.#isExpiring(tokens) && tokens.accessToken !== this.#unrenewable) {
      const renewal = this.#share('renewal', () => this.#renewAhead());
      // One that is still good is used until then: the holder of the lock may be waiting for a user.
      if (this.#isExpired(tokens)) await abortable(renewal, caller());
      else renewal.catch(() => {});
    }
    return headerOf(this.#tokens);
  }

  async challenged(challenge: Challenge, caller: AbortSignal): Promise<boolean> {
    await this.#readStore();
    if (this.#isReplaced(challenge)) return true;
    const bearer = readChallenge(challenge.wwwAuthenticate);
    const isStepUp = challenge.status === 403;
    const { interactive = false } = this.#options;
    const wanted = { challenge: bearer, isStepUp, interactive };
    const attempt = this.#share(`${isStepUp} ${bearer.scope}`, () => this.#acquire(challenge, wanted));
    return await abortable(attempt, caller);
  }

  async close(): Promise<void> {
    this.#closing.abort(new RunError('UPSTREAM_CLOSED', { server: this.#options.server }));
    await Promise.allSettled(this.#attempts.values());
    await (await this.#guardedFetch)?.close();
  }

  /** Requests that need the same while an attempt is under way share its result. */
  #share(purpose: string, attempt: () => Promise<boolean>): Promise<boolean> {
    const shared = this.#attempts.get(purpose) ?? attempt().finally(() => this.#attempts.delete(purpose));
    this.#attempts.set(purpose, shared);
    return shared;
  }

  async #acquire(challenge: Challenge, wanted: Wanted): Promise<boolean> {
    return await this.#underLock(async (context) => {
      // Another process may have obtained tokens meanwhile.
      if (this.#isReplaced(challenge)) return true;
      const { acquireTokens } = await import('./acquire-tokens.ts');
      return await acquireTokens(wanted, this.#promptLimit, context);
    });
  }

  async #renewAhead(): Promise<boolean> {
    return await this.#underLock(async (context) => {
      const tokens = this.#tokens;
      if (tokens === undefined || !this.#isExpiring(tokens)) return true;
      this.#unrenewable = tokens.accessToken;
      try {
        const { renew } = await import('./acquire-tokens.ts');
        return await renew(tokens, context);
      } catch (error) {
        context.signal.throwIfAborted();
        const detail = error instanceof Error ? error.message : String(error);
        const text = `The token could not be renewed: ${detail}`;
        this.#options.log.warn({ event: 'oauth.renewal-failed', detail }, text);
        return false;
      }
    });
  }

  async #underLock(work: (context: OAuthContext) => Promise<boolean>): Promise<boolean> {
    const { server, log, clock } = this.#options;
    const { signal } = this.#closing;
    const onwait = (): void =>
      log.info({ event: 'oauth.waiting' }, 'Another process is obtaining the authorization; waiting for it');
    return await withLock(this.#store, { signal, clock, onwait }, async () => {
      const tokenStore = await openTokenRecord(this.#store);
      this.#tokens = tokenStore.stored.tokens;
      const guarded = await this.#guard(tokenStore.stored.reach);
      try {
        return await work({
          server,
          url: this.#url,
          settings: this.#settings,
          log,
          fetch: guarded.fetch(signal),
          checkUrl: (url) => guarded.check(url),
          home: () => guarded.home(),
          tokenStore,
          binding: this.#binding,
          clock,
          signal,
        });
      } finally {
        this.#tokens = tokenStore.stored.tokens;
      }
    });
  }

  #guard(knownReach: AddressScope | undefined): Promise<GuardedFetch> {
    const { server, addresses, clock } = this.#options;
    const options = { server, url: this.#url, tls: this.#tls, addresses, knownReach, clock };
    this.#guardedFetch ??= import('./guarded-fetch.ts').then(
      ({ GuardedFetch: Loaded }) => new Loaded({ ...options, issuer: this.#settings.issuer }),
    );
    return this.#guardedFetch;
  }

  async #readStore(): Promise<void> {
    this.#tokens = (await this.#store.read()).tokens;
  }

  /** Whether there is a token by now that the rejected request did not have. */
  #isReplaced({ sent }: Challenge): boolean {
    const tokens = this.#tokens;
    return tokens !== undefined && headerOf(tokens) !== sent && !this.#isExpired(tokens);
  }

  #isExpired({ expiresAt }: StoredTokens): boolean {
    return expiresAt !== undefined && expiresAt <= this.#clock.date();
  }

  #isExpiring({ expiresAt, obtainedAt }: StoredTokens): boolean {
    if (expiresAt === undefined) return false;
    return this.#clock.date() > Math.max(expiresAt - MARGIN_MS, obtainedAt + PART * (expiresAt - obtainedAt));
  }
}

function headerOf(tokens: StoredTokens | undefined): string | undefined {
  return tokens === undefined ? undefined : `Bearer ${tokens.accessToken}`;
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
