import type { OAuthTokens } from '@modelcontextprotocol/client';
import { authorizationFailed, type OAuthContext } from './context.ts';
import type { Authority } from './discovery.ts';
import type { StoredTokens } from './stored.ts';

export interface TokenRequest {
  readonly authority: Authority;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
}

/** Renewed tokens; a lifetime of 0 counts as unknown, since they would be renewed at every use. */
export function toRenewedTokens(tokens: StoredTokens): StoredTokens {
  const isBornExpired = tokens.expiresAt !== undefined && tokens.expiresAt <= tokens.obtainedAt;
  return isBornExpired ? { ...tokens, expiresAt: undefined } : tokens;
}

/** What an authorization server has answered to a request, to be kept. @throws RunError `AUTHORIZATION_FAILED` */
export function toStoredTokens(
  tokens: OAuthTokens,
  { authority, scope, resource }: TokenRequest,
  context: OAuthContext,
): StoredTokens {
  const { access_token: accessToken, refresh_token, token_type, expires_in } = tokens;
  if (token_type === '') {
    context.log.info(
      { event: 'oauth.no-token-type', issuer: authority.issuer },
      `${authority.issuer} sent a token without a type, which is used as a bearer token`,
    );
  } else if (token_type.toLowerCase() !== 'bearer') {
    throw authorizationFailed(
      context,
      `${authority.issuer} issues tokens of type ${token_type}, which is not supported`,
    );
  }
  // RFC 6750 section 2.1; anything else could not be sent in a header.
  if (!/^[\x21-\x7e]+$/.test(accessToken)) {
    throw authorizationFailed(
      context,
      `${authority.issuer} issues a token with characters that no token may have`,
    );
  }
  const obtainedAt = context.clock.date();
  return {
    issuer: authority.issuer,
    authorizationServer: authority.url,
    accessToken,
    refreshToken: refresh_token,
    expiresAt: expires_in === undefined ? undefined : obtainedAt + expires_in * 1000,
    obtainedAt,
    isRenewed: false,
    // RFC 6749 section 5.1: what is not said is as it was asked for.
    scope: tokens.scope ?? scope,
    requestedScope: scope,
    resource,
  };
}
