import {
  registerClient,
  type AuthorizationServerMetadata,
  type OAuthClientInformationMixed,
} from '@modelcontextprotocol/client';
import { registrationFetch } from './answers.ts';
import type { OAuthSettings } from '../../config/types.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import type { Authority } from './discovery.ts';
import { bindToIssuer, secretClientOf } from './issuer-binding.ts';
import { isSameIssuer, isSamePlace } from './names.ts';
import type { StoredClient } from './stored.ts';

const NAME = 'mcp-run';

/**
 * Our client at an authorization server: registered by the user, or by a metadata document of the user's, or before, or
 * now (2026-07-28, basic/authorization/client-registration).
 * @param redirectUri undefined: there is no user
 */
export async function findClient(
  authority: Authority,
  { redirectUri, scope }: { readonly redirectUri: string | undefined; readonly scope: string | undefined },
  context: OAuthContext,
): Promise<StoredClient> {
  const { settings, tokenStore } = context;
  const known =
    settings.clientId !== undefined ? registeredByUser(authority, context) : documented(authority, context);
  const client = known ?? registeredBefore(authority, redirectUri, context);
  if (client !== undefined) {
    if (client === known) await bindToIssuer(authority, context);
    if (!tokenStore.stored.clients.some((each) => isSame(each, client)))
      await tokenStore.saveClient(withoutOwnSecret(client, context));
    return client;
  }
  if (redirectUri === undefined || !canRegister(authority)) {
    throw authorizationFailed(
      context,
      `${authority.issuer} takes registered clients only: register mcp-run there, and name it with --oauth-client-id`,
    );
  }
  const registered = await register(authority, redirectUri, scope, context);
  await tokenStore.saveClient(registered);
  return registered;
}

/** The client that tokens of this issuer were given to. */
export function clientOf(
  authority: Authority,
  { settings, tokenStore }: OAuthContext,
): StoredClient | undefined {
  const stored = tokenStore.stored.clients.find((client) => isOf(client, authority));
  return stored?.clientId === settings.clientId && stored !== undefined
    ? { ...stored, clientSecret: settings.clientSecret }
    : stored;
}

/** The id of the user's client, if there is one that this authorization server can know. */
export function ownClientOf(
  { metadata }: Authority,
  { clientId, clientMetadataUrl }: Pick<OAuthSettings, 'clientId' | 'clientMetadataUrl'>,
): string | undefined {
  if (clientId !== undefined) return clientId;
  return metadata?.client_id_metadata_document_supported === true ? clientMetadataUrl : undefined;
}

/** The private key of the settings, if it is this client's. */
export function keyOf({ clientId }: StoredClient, { settings }: Pick<OAuthContext, 'settings'>) {
  return clientId === secretClientOf(settings) ? settings.privateKey : undefined;
}

export function informationOf(client: StoredClient): OAuthClientInformationMixed {
  const { clientId, clientSecret, authMethod, redirectUri } = client;
  return {
    client_id: clientId,
    issuer: client.issuer,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
    ...(authMethod !== undefined && { token_endpoint_auth_method: authMethod }),
    redirect_uris: redirectUri === undefined ? [] : [redirectUri],
  };
}

/**
 * A client of the user's belongs to the issuer that it was first used with: without a secret until it is forgotten by
 * `logout`, else as `bindToIssuer` says.
 */
function registeredByUser(authority: Authority, context: OAuthContext): StoredClient {
  const { settings, tokenStore } = context;
  const { issuer } = authority;
  const clientId = settings.clientId ?? '';
  const bound =
    secretClientOf(settings) === undefined
      ? tokenStore.stored.clients.find((client) => client.clientId === clientId)
      : undefined;
  if (bound !== undefined && !isSameIssuer(bound.issuer, issuer)) {
    throw authorizationFailed(
      context,
      `the client ${clientId} belongs to ${bound.issuer}, and the server now names ${issuer}`,
    );
  }
  return plainClient(authority, clientId, settings.clientSecret);
}

function documented(authority: Authority, { settings }: OAuthContext): StoredClient | undefined {
  const clientId = ownClientOf(authority, settings);
  return clientId === undefined ? undefined : plainClient(authority, clientId, undefined);
}

function registeredBefore(
  authority: Authority,
  redirectUri: string | undefined,
  { tokenStore, clock }: OAuthContext,
): StoredClient | undefined {
  return tokenStore.stored.clients.find(
    (client) =>
      isOf(client, authority) &&
      client.redirectUri !== undefined &&
      client.redirectUri === redirectUri &&
      (client.secretExpiresAt ?? Infinity) > clock.date() / 1000,
  );
}

function canRegister({ metadata }: Authority): boolean {
  return metadata === undefined || metadata.registration_endpoint !== undefined;
}

async function register(
  { url, issuer, metadata }: Authority,
  redirectUri: string,
  scope: string | undefined,
  context: OAuthContext,
): Promise<StoredClient> {
  const { client_id, client_secret, client_secret_expires_at, token_endpoint_auth_method } =
    await registerClient(url, {
      ...(metadata !== undefined && { metadata }),
      clientMetadata: {
        client_name: NAME,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: preferredMethod(metadata),
        application_type: 'native',
      },
      ...(scope !== undefined && { scope }),
      fetchFn: registrationFetch(context, redirectUri),
    });
  return {
    issuer,
    authorizationServer: url,
    clientId: client_id,
    clientSecret: client_secret,
    authMethod: token_endpoint_auth_method,
    redirectUri,
    // 0 is RFC 7591's word for never.
    secretExpiresAt: client_secret_expires_at === 0 ? undefined : client_secret_expires_at,
  };
}

/** A program on a user's machine keeps no secrets from that user, so it needs none. */
function preferredMethod(metadata: AuthorizationServerMetadata | undefined): string {
  const supported = metadata?.token_endpoint_auth_methods_supported ?? ['none'];
  return (
    ['none', 'client_secret_basic', 'client_secret_post'].find((method) => supported.includes(method)) ??
    'none'
  );
}

function plainClient(
  { issuer, url }: Authority,
  clientId: string,
  clientSecret: string | undefined,
): StoredClient {
  return {
    issuer,
    authorizationServer: url,
    clientId,
    clientSecret,
    authMethod: undefined,
    redirectUri: undefined,
    secretExpiresAt: undefined,
  };
}

/** The user keeps it, and may change it. */
function withoutOwnSecret(client: StoredClient, { settings }: OAuthContext): StoredClient {
  return client.clientId === settings.clientId ? { ...client, clientSecret: undefined } : client;
}

/** Metadata of any host can name an issuer: a client also belongs to the endpoint where it was registered. */
function isOf({ issuer, authorizationServer = issuer }: StoredClient, authority: Authority): boolean {
  return isSameIssuer(issuer, authority.issuer) && isSamePlace(authorizationServer, authority.url);
}

function isSame(a: StoredClient, b: StoredClient): boolean {
  const place = ({ issuer, authorizationServer = issuer }: StoredClient): string => authorizationServer;
  return isSameIssuer(a.issuer, b.issuer) && a.clientId === b.clientId && isSamePlace(place(a), place(b));
}
