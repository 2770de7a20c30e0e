import { RunError } from '../../errors.ts';
import type { PromptLimit } from './prompt-limit.ts';
import { authorizeByCode } from './authorization-code.ts';
import type { BearerChallenge } from './challenge.ts';
import { ownClientOf } from './client.ts';
import { requestByCredentials } from './client-credentials.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import { toAuthorizationFailed } from './describe-failure.ts';
import { discover, findAuthority, type Discovered } from './discovery.ts';
import { bindToIssuer } from './issuer-binding.ts';
import { isSameIssuer } from './names.ts';
import { isCoolingDown } from './prompt-cooldown.ts';
import { refresh } from './refresh.ts';
import { includesScopes, joinScopes, selectScope } from './scopes.ts';
import { isIssuedBy, type StoredTokens } from './stored.ts';
import { toRenewedTokens } from './token-response.ts';

/** How long a token that was just renewed must have been good for the next one to be worth a try. */
const FRESH_MS = 10_000;

const ADVICE = 'Sign in with `mcp-run login`, and try again';

export interface Wanted {
  readonly challenge: BearerChallenge;
  /** The token is good, but not for this. */
  readonly isStepUp: boolean;
  /** The user is waiting to be asked. */
  readonly interactive: boolean;
}

/**
 * Obtains tokens in answer to a challenge, and stores them.
 * @returns whether there are any that may be good for what the challenge is about
 * @throws RunError `AUTHORIZATION_FAILED`
 */
export async function acquireTokens(
  wanted: Wanted,
  promptLimit: PromptLimit,
  context: OAuthContext,
): Promise<boolean> {
  try {
    const discovered = await discover(context, wanted.challenge.resourceMetadata);
    const tokens = await tokensFor(wanted, discovered, promptLimit, context);
    if (tokens === undefined) return false;
    await context.tokenStore.save({ tokens, failure: undefined, reach: await context.home() });
    return true;
  } catch (error) {
    context.signal.throwIfAborted();
    throw withAdvice(toAuthorizationFailed(error, context), wanted, context);
  }
}

/** A client shows its user what has gone wrong; the way out is not in the client. */
function withAdvice(error: RunError, { interactive }: Wanted, { settings }: OAuthContext): RunError {
  if (interactive || settings.grant !== 'authorization-code' || error.code !== 'AUTHORIZATION_FAILED')
    return error;
  return new RunError(error.code, { hint: ADVICE, ...error.fields }, { cause: error });
}

/**
 * Renews tokens that are about to expire, without a user.
 * @throws RunError `AUTHORIZATION_FAILED`
 */
export async function renew(tokens: StoredTokens, context: OAuthContext): Promise<boolean> {
  try {
    const { settings, tokenStore } = context;
    const { issuer } = tokens;
    const { authorizationServer: place } = tokens;
    const authority = await findAuthority(place, { ...context, issuer });
    if (!isSameIssuer(authority.issuer, issuer)) return false;
    const { requestedScope: scope, resource } = tokens;
    const renewed =
      settings.grant === 'client-credentials'
        ? toRenewedTokens(await requestByCredentials({ authority, scope, resource }, context))
        : await refresh(tokens, authority, context);
    if (renewed === undefined) return false;
    await tokenStore.save({ tokens: renewed });
    return true;
  } catch (error) {
    context.signal.throwIfAborted();
    throw toAuthorizationFailed(error, context);
  }
}

async function tokensFor(
  wanted: Wanted,
  discovered: Discovered,
  promptLimit: PromptLimit,
  context: OAuthContext,
): Promise<StoredTokens | undefined> {
  const { settings, tokenStore } = context;
  const { authority, resource, scopes } = discovered;
  if (ownClientOf(authority, settings) !== undefined) await bindToIssuer(authority, context);
  // What another authorization server has issued is as good as nothing.
  const { tokens } = tokenStore.stored;
  const held = tokens !== undefined && isIssuedBy(tokens, authority) ? tokens : undefined;
  const challenged = wanted.challenge.scope ?? (wanted.isStepUp ? joinScopes(scopes?.join(' ')) : undefined);
  if (wanted.isStepUp && !canStepUp(held, challenged, context)) return undefined;
  const scope = selectScope({
    pinned: settings.scope,
    challenged,
    before: joinScopes(held?.requestedScope, held?.scope),
    ofResource: scopes,
    ofIssuer: authority.metadata?.scopes_supported,
    wantsRefresh: settings.grant === 'authorization-code',
  });
  const request = { authority, scope, resource };
  if (settings.grant === 'client-credentials') return await requestByCredentials(request, context);
  if (held !== undefined && !wanted.isStepUp && isWorthRenewing(held, challenged, context.clock.date())) {
    const renewed = await refresh(held, authority, context);
    if (renewed !== undefined) return renewed;
  }
  refuseToAskAgain(wanted, `${authority.issuer} ${scope}`, promptLimit, context);
  return await authorizeByCode(request, context);
}

function isWorthRenewing(held: StoredTokens, challenged: string | undefined, now: number): boolean {
  // A server that refuses what it has just been given refuses the next one, too.
  if (held.isRenewed && now - held.obtainedAt < FRESH_MS) return false;
  // It never allows more than before (RFC 6749 section 6).
  return includesScopes(joinScopes(held.requestedScope, held.scope), challenged);
}

function canStepUp(
  held: StoredTokens | undefined,
  challenged: string | undefined,
  context: OAuthContext,
): boolean {
  const { log, settings } = context;
  if (includesScopes(held?.scope, challenged)) {
    log.warn({ event: 'oauth.scope-refused' }, 'The server wants a scope that its token has already');
    return false;
  }
  if (settings.scope === undefined) return true;
  log.warn(
    { event: 'oauth.scope-pinned', scope: challenged },
    `The server wants the scope ${challenged}, which is not among those that are set`,
  );
  return false;
}

function refuseToAskAgain(
  wanted: Wanted,
  purpose: string,
  promptLimit: PromptLimit,
  context: OAuthContext,
): void {
  if (wanted.interactive) return;
  const { failure } = context.tokenStore.stored;
  if (failure !== undefined && isCoolingDown(failure, context.clock.date())) {
    throw authorizationFailed(context, failure.detail);
  }
  // A user may have been careless with the first question, but not with the one for more.
  if (!promptLimit.acquire(purpose, wanted.isStepUp ? 1 : 2)) {
    throw authorizationFailed(
      context,
      'the server is not content with what it has been given, again and again',
    );
  }
}
