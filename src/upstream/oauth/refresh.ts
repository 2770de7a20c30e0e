import { refreshAuthorization } from '@modelcontextprotocol/client';
import { authenticateByKey } from './client-authentication.ts';
import { tokenFetch } from './answers.ts';
import { clientOf, informationOf, keyOf } from './client.ts';
import type { OAuthContext } from './context.ts';
import { isRefusal, isUnknownClient } from './describe-failure.ts';
import type { Authority } from './discovery.ts';
import { bindToIssuer, secretClientOf } from './issuer-binding.ts';
import { isIssuedBy, type StoredTokens } from './stored.ts';
import { toRenewedTokens, toStoredTokens } from './token-response.ts';

/**
 * New tokens for old (RFC 6749 section 6).
 * @returns undefined if the user is needed
 * @throws what says that the authorization server is out of order
 */
export async function refresh(
  tokens: StoredTokens,
  authority: Authority,
  context: OAuthContext,
): Promise<StoredTokens | undefined> {
  const { refreshToken, resource, requestedScope } = tokens;
  const client = clientOf(authority, context);
  if (refreshToken === undefined || client === undefined || !isIssuedBy(tokens, authority)) return undefined;
  if (client.clientId === secretClientOf(context.settings)) await bindToIssuer(authority, context);
  try {
    const answer = await refreshAuthorization(authority.url, {
      ...(authority.metadata !== undefined && { metadata: authority.metadata }),
      clientInformation: informationOf(client),
      refreshToken,
      ...(resource !== undefined && { resource }),
      ...authenticateByKey(client.clientId, keyOf(client, context), authority, context.server),
      fetchFn: tokenFetch(context),
    });
    const renewed = toStoredTokens(answer, { authority, scope: requestedScope, resource }, context);
    // Not said: as before.
    return toRenewedTokens({ ...renewed, isRenewed: true, scope: answer.scope ?? tokens.scope });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    context.log.info(
      { event: 'oauth.refresh-refused', code: error.code },
      `${authority.issuer} does not renew the token any more (${error.code})`,
    );
    if (isUnknownClient(error)) await context.tokenStore.forgetClient(authority.issuer);
    return undefined;
  }
}
