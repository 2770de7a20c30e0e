import { randomBytes } from 'node:crypto';
import {
  exchangeAuthorization,
  startAuthorization,
  validateAuthorizationResponseIssuer,
  type AuthorizationServerMetadata,
} from '@modelcontextprotocol/client';
import { timeoutSignal } from '../../clock.ts';
import { isRunError } from '../../errors.ts';
import { openBrowser } from '../../process/open-browser.ts';
import { openCallbackServer, type Callback, type CallbackServer } from './callback-server.ts';
import { authenticateByKey } from './client-authentication.ts';
import { tokenFetch } from './answers.ts';
import { findClient, informationOf, keyOf } from './client.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import { isUnknownClient, shorten, toAuthorizationFailed } from './describe-failure.ts';
import type { Authority } from './discovery.ts';
import { fitsTemplate, isSameIssuer } from './names.ts';
import { nextFailure } from './prompt-cooldown.ts';
import type { StoredClient, StoredTokens } from './stored.ts';
import { toStoredTokens, type TokenRequest } from './token-response.ts';

const PKCE_HINT =
  'If it supports PKCE without mentioning it, as Entra ID does, set "oauth": {"assumePkce": true} in the entry, or --oauth-assume-pkce';

/**
 * Has the user authorize us (OAuth 2.1, authorization code with PKCE): the browser comes back to a port of ours.
 * A failure of theirs is stored, so that they are not asked again at once.
 * @throws RunError `AUTHORIZATION_FAILED`
 */
export async function authorizeByCode(request: TokenRequest, context: OAuthContext): Promise<StoredTokens> {
  const { authority, scope } = request;
  if (authority.metadata?.authorization_endpoint === '')
    throw authorizationFailed(context, `the metadata of ${authority.issuer} names no authorization endpoint`);
  refuseWithoutPkce(authority, context);
  const callbacks = await openCallbackServer({
    server: context.server,
    host: context.settings.callbackHost,
    port: wantedPort(authority, context),
    clock: context.clock,
  });
  try {
    const { redirectUri } = callbacks;
    const client = await findClient(authority, { redirectUri, scope }, context);
    return await ask(client, callbacks, request, context);
  } finally {
    await callbacks.close();
  }
}

async function ask(
  client: StoredClient,
  callbacks: CallbackServer,
  request: TokenRequest,
  context: OAuthContext,
): Promise<StoredTokens> {
  const { authority, scope, resource } = request;
  const state = randomBytes(24).toString('base64url');
  const { audience } = context.settings;
  const { authorizationUrl, codeVerifier } = await startAuthorization(authority.url, {
    ...(authority.metadata !== undefined && { metadata: withPkce(authority.metadata) }),
    clientInformation: informationOf(client),
    redirectUrl: callbacks.redirectUri,
    state,
    ...(scope !== undefined && { scope }),
    ...(resource !== undefined && { resource }),
  });
  if (audience !== undefined) authorizationUrl.searchParams.set('audience', audience);
  await context.checkUrl(authorizationUrl);
  try {
    const callback = await askUser(authorizationUrl, state, callbacks, context);
    return await redeem(
      callback,
      { client, codeVerifier, redirectUri: callbacks.redirectUri },
      request,
      context,
    );
  } catch (error) {
    context.signal.throwIfAborted();
    const failed = toAuthorizationFailed(error, context);
    const { tokenStore } = context;
    const detail = String(failed.fields['detail']);
    await tokenStore.save({ failure: nextFailure(tokenStore.stored.failure, detail, context.clock.date()) });
    if (client.redirectUri !== undefined && mayBeForgotten(error)) {
      await tokenStore.forgetClient(authority.issuer);
    }
    throw failed;
  }
}

async function askUser(
  url: URL,
  state: string,
  callbacks: CallbackServer,
  context: OAuthContext,
): Promise<Callback> {
  const { settings, log, signal, clock } = context;
  const patience = timeoutSignal(clock, settings.timeoutMs, signal);
  log.warn(
    { event: 'oauth.authorize', url: url.href },
    `To authorize mcp-run, open this URL in a browser: ${url.href}`,
  );
  try {
    const [callback] = await Promise.all([callbacks.wait(state, patience.signal), open()]);
    return callback;
  } catch (error) {
    signal.throwIfAborted();
    if (!patience.signal.aborted) throw error;
    throw authorizationFailed(
      context,
      `nobody has come back from the browser within ${settings.timeoutMs / 1000} s`,
      patience.signal.reason,
    );
  } finally {
    patience.cancel();
  }

  async function open(): Promise<void> {
    if (!settings.browser || (await openBrowser(url))) return;
    log.info({ event: 'oauth.no-browser' }, 'No browser could be opened');
  }
}

interface Asked {
  readonly client: StoredClient;
  readonly codeVerifier: string;
  readonly redirectUri: string;
}

async function redeem(
  { params, show }: Callback,
  { client, codeVerifier, redirectUri }: Asked,
  request: TokenRequest,
  context: OAuthContext,
): Promise<StoredTokens> {
  const { authority, resource } = request;
  const { metadata } = authority;
  try {
    const iss = issuerIn(params, authority);
    // Before anything else of the answer is believed, or shown (RFC 9207).
    validateAuthorizationResponseIssuer({
      iss,
      expectedIssuer: metadata?.issuer,
      issParameterSupported: metadata?.authorization_response_iss_parameter_supported === true,
    });
    const answer = await exchangeAuthorization(authority.url, {
      ...(metadata !== undefined && { metadata }),
      clientInformation: informationOf(client),
      authorizationCode: codeOf(params, context),
      ...(iss !== undefined && { iss }),
      codeVerifier,
      redirectUri,
      ...(resource !== undefined && { resource }),
      ...authenticateByKey(client.clientId, keyOf(client, context), authority, context.server),
      fetchFn: tokenFetch(context),
    });
    const tokens = toStoredTokens(answer, request, context);
    show(200, 'Authorized', 'mcp-run may now use this server for you. You can close this page.');
    return tokens;
  } catch (error) {
    show(400, 'Not authorized', toAuthorizationFailed(error, context).message);
    throw error;
  }
}

/** The expected issuer, if it is named by its own name, or by one that its template stands for. */
function issuerIn(params: URLSearchParams, { names, metadata }: Authority): string | undefined {
  const iss = params.get('iss') ?? undefined;
  if (iss === undefined) return undefined;
  return names.some((name) => iss === name || fitsTemplate(iss, name)) ? metadata?.issuer : iss;
}

function codeOf(params: URLSearchParams, context: OAuthContext): string {
  const error = params.get('error');
  if (error !== null) {
    const description = params.get('error_description');
    throw authorizationFailed(context, shorten(description === null ? error : `${error} (${description})`));
  }
  const code = params.get('code');
  if (code === null || code === '')
    throw authorizationFailed(context, 'the browser came back without a code');
  return code;
}

/** An authorization server that has forgotten our client shows that to the user, and the browser does not come back. */
function mayBeForgotten(error: unknown): boolean {
  return isUnknownClient(error) || (isRunError(error) && error.cause instanceof DOMException);
}

/** 2026-07-28, basic/authorization/security-considerations, authorization code protection. */
function refuseWithoutPkce({ issuer, metadata }: Authority, context: OAuthContext): void {
  const methods = metadata?.code_challenge_methods_supported ?? [];
  if (metadata === undefined || methods.includes('S256')) return;
  if (methods.length === 0 && context.settings.assumePkce === true) {
    context.log.warn(
      { event: 'oauth.pkce-assumed', issuer },
      `The metadata of ${issuer} does not mention PKCE with S256, which is assumed (oauth.assumePkce)`,
    );
    return;
  }
  throw authorizationFailed(
    context,
    `${issuer} does not say that it supports PKCE with S256, without which a code is not safe`,
    undefined,
    methods.length === 0 ? PKCE_HINT : undefined,
  );
}

/** An empty list says as little as none. */
function withPkce(metadata: AuthorizationServerMetadata): AuthorizationServerMetadata {
  const { code_challenge_methods_supported: methods, ...others } = metadata;
  return methods?.length === 0 ? others : metadata;
}

/** The one that was registered, for authorization servers that compare it. */
function wantedPort({ issuer }: Authority, { settings, tokenStore }: OAuthContext): number {
  if (settings.callbackPort !== undefined) return settings.callbackPort;
  const registered = tokenStore.stored.clients.find((client) =>
    isSameIssuer(client.issuer, issuer),
  )?.redirectUri;
  return registered === undefined ? 0 : Number(new URL(registered).port);
}
