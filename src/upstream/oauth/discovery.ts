import {
  checkResourceAllowed,
  discoverAuthorizationServerMetadata,
  discoverOAuthProtectedResourceMetadata,
  type AuthorizationServerMetadata,
  type FetchLike,
  type OAuthProtectedResourceMetadata,
} from '@modelcontextprotocol/client';
import { isRunError } from '../../errors.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';

/** An authorization server. */
export interface Authority {
  /** What its metadata is found with. */
  readonly url: string;
  /** Everything that it issues is bound to this. */
  readonly issuer: string;
  /** Undefined: it has none, and its endpoints are where revision 2025-03-26 puts them. */
  readonly metadata: AuthorizationServerMetadata | undefined;
}

/** How a server's authorization is obtained. */
export interface Discovered {
  readonly authority: Authority;
  /** RFC 8707. */
  readonly resource: string;
  readonly scopes: readonly string[] | undefined;
}

/**
 * Finds a server's authorization server (RFC 9728, RFC 8414, OpenID Connect Discovery; 2026-07-28,
 * basic/authorization/authorization-server-discovery), which without metadata is the server's own origin (2025-03-26).
 * @param resourceMetadata from the server's challenge
 */
export async function discover(
  context: OAuthContext,
  resourceMetadata: URL | undefined,
): Promise<Discovered> {
  const { url, settings, fetch } = context;
  const metadata = await readResourceMetadata(url, resourceMetadata, fetch);
  const resource = settings.resource ?? resourceOf(context, metadata);
  const authority = await findAuthority(metadata?.authorization_servers?.[0] ?? `${url.origin}/`, fetch);
  return { authority, resource, scopes: metadata?.scopes_supported };
}

/** Its metadata, whose `issuer` is the one it was asked for. */
export async function findAuthority(url: string, fetch: FetchLike): Promise<Authority> {
  const metadata = await discoverAuthorizationServerMetadata(url, { fetchFn: fetch });
  return { url, issuer: metadata?.issuer ?? url, metadata };
}

/** @returns undefined if it has none */
export async function readResourceMetadata(
  url: URL,
  hinted: URL | undefined,
  fetch: FetchLike,
): Promise<OAuthProtectedResourceMetadata | undefined> {
  for (const resourceMetadataUrl of [hinted, undefined]) {
    try {
      return await discoverOAuthProtectedResourceMetadata(
        url,
        resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl },
        fetch,
      );
    } catch (error) {
      // It was not to be asked, or did not answer; anything else means that it has none.
      if (isRunError(error)) throw error;
    }
  }
  return undefined;
}

function resourceOf(context: OAuthContext, metadata: OAuthProtectedResourceMetadata | undefined): string {
  const { url } = context;
  if (metadata === undefined) return canonical(url);
  const { resource } = metadata;
  if (
    URL.canParse(resource) &&
    checkResourceAllowed({ requestedResource: url, configuredResource: resource })
  ) {
    return resource;
  }
  throw authorizationFailed(context, `its metadata is about another resource, ${resource}`);
}

/** 2026-07-28, basic/authorization, canonical server URI. */
function canonical(url: URL): string {
  const { origin, pathname } = url;
  // RFC 8707 advises against a query, and it may be a secret.
  return `${origin}${pathname === '/' ? '' : pathname}`;
}
