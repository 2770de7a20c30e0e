import { selectClientAuthMethod } from '@modelcontextprotocol/client';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../observe/log.ts';
import type { OAuthSettings, TlsSettings } from '../../config/types.ts';
import { authenticateByKey } from './client-authentication.ts';
import { informationOf } from './client.ts';
import { authorizationFailed } from './context.ts';
import { findAuthority, type Authority } from './discovery.ts';
import { GuardedFetch } from './guarded-fetch.ts';
import { isBoundTo, openBindingStore, secretClientOf } from './issuer-binding.ts';
import { isSameIssuer } from './names.ts';
import type { Stored, StoredClient } from './stored.ts';
import { withLock, type StoredServer } from './token-store.ts';

export interface LogoutOptions {
  readonly tls: TlsSettings;
  /** Our credentials that are not stored. */
  readonly credentials: Credentials | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

type Credentials = Pick<
  OAuthSettings,
  'clientId' | 'clientMetadataUrl' | 'clientSecret' | 'privateKey' | 'issuer' | 'storeDirectory'
>;

/**
 * Forgets everything about a server.
 * @returns whether its tokens are revoked, too
 */
export async function logOut(server: StoredServer, options: LogoutOptions): Promise<boolean> {
  const { log, signal, clock } = options;
  const onwait = (): void =>
    log.info({ event: 'oauth.waiting' }, 'Another process uses the tokens; waiting for it');
  return await withLock(server, { signal, clock, onwait }, async () => {
    const stored = await server.read();
    // Deleted in any case: that is what was asked for.
    const isRevoked = await revoke(stored, options).catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error);
      log.warn(
        { event: 'oauth.revocation-failed', detail },
        `The tokens are deleted, but not revoked: ${detail}`,
      );
      return false;
    });
    await server.remove();
    return isRevoked;
  });
}

/** RFC 7009. @returns false if the authorization server does not offer it */
async function revoke({ url, tokens, clients, reach }: Stored, options: LogoutOptions): Promise<boolean> {
  const client = clients.find(({ issuer }) => tokens !== undefined && isSameIssuer(issuer, tokens.issuer));
  if (tokens === undefined || client === undefined) return false;
  const server = new URL(url).host;
  const { tls, signal, credentials, log, clock } = options;
  const guarded = new GuardedFetch({
    server,
    url: new URL(url),
    tls,
    knownReach: reach,
    issuer: credentials?.issuer,
    clock,
  });
  try {
    const fetch = guarded.fetch(signal);
    const { authorizationServer: place, issuer } = tokens;
    const authority = await findAuthority(place, { server, fetch, log, issuer });
    const endpoint = memberOf(authority, 'revocation_endpoint');
    if (typeof endpoint !== 'string' || !isSameIssuer(authority.issuer, tokens.issuer)) return false;
    const { refreshToken, accessToken } = tokens;
    // With the one that renews it, the other goes as well.
    const params = new URLSearchParams(
      refreshToken === undefined
        ? { token: accessToken, token_type_hint: 'access_token' }
        : { token: refreshToken, token_type_hint: 'refresh_token' },
    );
    const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded' });
    const { secret, privateKey } = await ownCredentials(client, authority, url, options);
    const own = { ...client, clientSecret: client.clientSecret ?? secret };
    await authenticate(own, { params, headers, endpoint, authority, privateKey, server });
    const { status } = await fetch(endpoint, { method: 'POST', headers, body: params });
    if (status !== 200)
      throw authorizationFailed({ server }, `${authority.issuer} answers with HTTP status ${status}`);
    return true;
  } finally {
    await guarded.close();
  }
}

/** The secret and the key of the settings, if they are those of this client, and may be sent to its issuer. */
async function ownCredentials(
  { clientId }: StoredClient,
  authority: Authority,
  url: string,
  { credentials, clock }: LogoutOptions,
): Promise<{ secret?: string | undefined; privateKey?: string | undefined }> {
  if (credentials === undefined || clientId !== secretClientOf(credentials)) return {};
  const binding = openBindingStore({ server: new URL(url).host, url, clock }, credentials);
  if (!(await isBoundTo(authority, credentials.issuer, binding))) return {};
  return { secret: credentials.clientSecret, privateKey: credentials.privateKey };
}

interface Authentication {
  readonly params: URLSearchParams;
  readonly headers: Headers;
  readonly endpoint: string;
  readonly authority: Authority;
  readonly privateKey?: string | undefined;
  readonly server: string;
}

async function authenticate(
  client: StoredClient,
  { params, headers, endpoint, authority, privateKey, server }: Authentication,
): Promise<void> {
  const { metadata } = authority;
  const { addClientAuthentication } = authenticateByKey(client.clientId, privateKey, authority, server);
  if (addClientAuthentication !== undefined) {
    await addClientAuthentication(headers, params, endpoint, metadata);
    return;
  }
  const own = memberOf(authority, 'revocation_endpoint_auth_methods_supported');
  const supported = Array.isArray(own) ? own.map(String) : metadata?.token_endpoint_auth_methods_supported;
  const method = selectClientAuthMethod(informationOf(client), supported ?? []);
  const { clientId, clientSecret = '' } = client;
  if (method === 'client_secret_basic')
    headers.set('authorization', `Basic ${btoa(`${clientId}:${clientSecret}`)}`);
  else params.set('client_id', clientId);
  if (method === 'client_secret_post') params.set('client_secret', clientSecret);
}

/** Of the metadata, which may be OpenID Connect's: it does not know this one. */
function memberOf({ metadata }: Authority, name: string): unknown {
  return new Map<string, unknown>(Object.entries(metadata ?? {})).get(name);
}
