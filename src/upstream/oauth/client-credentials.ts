import {
  ClientCredentialsProvider,
  fetchToken,
  PrivateKeyJwtProvider,
  type OAuthClientProvider,
} from '@modelcontextprotocol/client';
import { readPrivateKey } from './client-authentication.ts';
import { tokenFetch } from './answers.ts';
import { findClient } from './client.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import type { Authority } from './discovery.ts';
import type { StoredTokens } from './stored.ts';
import { toStoredTokens, type TokenRequest } from './token-response.ts';

/** A token for ourselves, without a user (RFC 6749 section 4.4; the extension OAuth Client Credentials of MCP). */
export async function requestByCredentials(
  request: TokenRequest,
  context: OAuthContext,
): Promise<StoredTokens> {
  const { authority, scope, resource } = request;
  const { clientId } = await findClient(authority, { redirectUri: undefined, scope }, context);
  const answer = await fetchToken(createProvider(clientId, authority, context), authority.url, {
    ...(authority.metadata !== undefined && { metadata: authority.metadata }),
    ...(resource !== undefined && { resource }),
    ...(scope !== undefined && { scope }),
    fetchFn: tokenFetch(context),
  });
  return toStoredTokens(answer, request, context);
}

function createProvider(clientId: string, authority: Authority, context: OAuthContext): OAuthClientProvider {
  const { privateKey, clientSecret } = context.settings;
  const common = { clientId, expectedIssuer: authority.issuer };
  if (privateKey !== undefined) {
    const { pem, algorithm } = readPrivateKey(privateKey, authority, context.server);
    return new PrivateKeyJwtProvider({ ...common, privateKey: pem, algorithm });
  }
  if (clientSecret !== undefined) return new ClientCredentialsProvider({ ...common, clientSecret });
  throw authorizationFailed(context, 'the client credentials grant needs a client secret or a private key');
}
