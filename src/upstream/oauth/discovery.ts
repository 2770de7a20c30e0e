import {
  buildDiscoveryUrls,
  type AuthorizationServerMetadata,
  type FetchLike,
  type OAuthProtectedResourceMetadata,
} from '@modelcontextprotocol/client';
import { isRunError, type RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import { toAuthorizationFailed } from './describe-failure.ts';
import { validateIssuer, nameOf, readDocument, type Unread } from './documents.ts';
import { secretClientOf } from './issuer-binding.ts';
import { fitsTemplate, includesUrl, isSameIssuer, isTemplate } from './names.ts';
import { readResourceMetadata, type ResourceMetadata } from './resource-metadata.ts';

/** An authorization server. */
export interface Authority {
  /** What its metadata is found with. */
  readonly url: string;
  /** Everything that it issues is bound to this. */
  readonly issuer: string;
  /** Undefined: it has none, and its endpoints are where revision 2025-03-26 puts them. */
  readonly metadata: AuthorizationServerMetadata | undefined;
  /** The values of `iss` that an authorization response may have (RFC 9207), compared exactly. */
  readonly names: readonly string[];
}

/** How a server's authorization is obtained. */
export interface Discovered {
  readonly authority: Authority;
  /** RFC 8707; undefined: it is not sent. */
  readonly resource: string | undefined;
  readonly scopes: readonly string[] | undefined;
}

/** The parameters of a search for an authorization server. */
export interface Search {
  readonly server: string;
  readonly fetch: FetchLike;
  readonly log: Log;
  /** Of the settings, or of what is stored: the name that it must have, in place of the URL of its metadata. */
  readonly issuer?: string | undefined;
}

const ISSUER_HINT = 'To accept that issuer, set "oauth": {"issuer": "…"} in the entry, or --oauth-issuer';
const RESOURCE_HINT =
  'To request tokens for that resource, set "oauth": {"resource": "…"} in the entry, or --oauth-resource';

/**
 * Finds a server's authorization server (RFC 9728, RFC 8414, OpenID Connect Discovery; 2026-07-28,
 * basic/authorization/authorization-server-discovery), which without metadata is the server's own origin (2025-03-26).
 * @param resourceMetadata from the server's challenge
 * @throws RunError `AUTHORIZATION_FAILED`, also if a document is there and cannot be read
 */
export async function discover(
  context: OAuthContext,
  resourceMetadata: URL | undefined,
): Promise<Discovered> {
  const { settings } = context;
  const found = await readUnlessNamed(context, resourceMetadata);
  const resource = resourceOf(context, found);
  const listed = found?.metadata.authorization_servers ?? [];
  const authority = await findListedAuthority(listed, context);
  if (settings.audience !== undefined) {
    context.log.warn(
      { event: 'oauth.audience', audience: settings.audience },
      `Requesting tokens for the audience ${settings.audience} (oauth.audience)`,
    );
  }
  return { authority, resource, scopes: found?.metadata.scopes_supported };
}

/** The metadata of the resource. Where the settings name the authorization server, it need not be readable. */
async function readUnlessNamed(
  context: OAuthContext,
  resourceMetadata: URL | undefined,
): Promise<ResourceMetadata | undefined> {
  const { url, settings, log } = context;
  try {
    return await readResourceMetadata(url, resourceMetadata, context);
  } catch (error) {
    context.signal.throwIfAborted();
    if (settings.issuer === undefined || !isRunError(error, 'AUTHORIZATION_FAILED')) throw error;
    log.warn(
      { event: 'oauth.no-metadata', detail: error.message },
      `Signing in without the metadata of the resource, because oauth.issuer is ${settings.issuer}: ${error.message}`,
    );
    return undefined;
  }
}

/** The first of those that a resource names, or the one that the settings name. */
async function findListedAuthority(listed: readonly string[], context: OAuthContext): Promise<Authority> {
  const { issuer } = context.settings;
  const named =
    listed.length === 0
      ? [`${context.url.origin}/`]
      : await Promise.all(listed.map((each) => byHttps(each, context)));
  const [first = ''] = named;
  if (issuer === undefined) return await findAuthority((await boundOf(named, context)) ?? first, context);
  const same = named.find((each) => isSameIssuer(each, issuer));
  if (same !== undefined) return await findAuthority(same, { ...context, issuer });
  // The issuer's own metadata count first: metadata of any host can name this issuer, and the server points to them.
  const own = URL.canParse(issuer) && !isTemplate(issuer) ? [issuer] : [];
  const places = [...own, ...named];
  const failures: RunError[] = [];
  for (const place of places) {
    try {
      const authority = await findAuthority(place, { ...context, issuer });
      if (authority.metadata !== undefined) return authority;
    } catch (error) {
      context.signal.throwIfAborted();
      // The last one is about a place that the server names.
      failures.push(toAuthorizationFailed(error, context));
    }
  }
  throw (
    failures.at(-1) ?? authorizationFailed(context, `no metadata of ${issuer} is at ${places.join(', ')}`)
  );
}

/** The one that the user's client is bound to: the order in which a server lists them may change. */
async function boundOf(
  named: readonly string[],
  { settings, binding }: OAuthContext,
): Promise<string | undefined> {
  if (secretClientOf(settings) === undefined) return undefined;
  const bound = await binding.read();
  return bound === undefined ? undefined : named.find((each) => isSameIssuer(each, bound.issuer));
}

/**
 * A server behind a proxy that terminates TLS may name its own scheme. What is not to be requested by plain HTTP is
 * requested by https.
 */
async function byHttps(named: string, { checkUrl, log }: OAuthContext): Promise<string> {
  if (!/^http:\/\/[^/?#:@]+(?:[/?#]|$)/i.test(named) || !URL.canParse(named)) return named;
  const isRefused = await checkUrl(new URL(named)).then(
    () => false,
    () => true,
  );
  if (!isRefused) return named;
  const secured = named.replace(/^http:/i, 'https:');
  log.warn(
    { event: 'oauth.issuer-by-https', issuer: named },
    `Asking the authorization server at ${secured}: ${named}, which the metadata of the resource names, is not https`,
  );
  return secured;
}

/**
 * Its metadata, whose `issuer` is the one it was asked for, or the one that is accepted.
 * @throws RunError `AUTHORIZATION_FAILED`, also if it has metadata that cannot be read
 */
export async function findAuthority(url: string, search: Search): Promise<Authority> {
  const { issuer: accepted } = search;
  const metadata = await readIssuerMetadata(url, search);
  if (metadata === undefined) return { url, issuer: url, metadata, names: [] };
  const { issuer } = metadata;
  if (accepted === undefined ? !isSameIssuer(issuer, url) : !isAccepted(issuer, accepted)) {
    throw authorizationFailed(
      search,
      `the metadata of ${url} names another issuer, ${issuer}${accepted === undefined ? '' : `, and ${accepted} is accepted`}`,
      undefined,
      ISSUER_HINT,
    );
  }
  if (isSameIssuer(issuer, url) && (accepted === undefined || isSameIssuer(issuer, accepted))) {
    return { url, issuer, metadata, names: [issuer] };
  }
  search.log.warn(
    { event: 'oauth.issuer-accepted', url, issuer, accepted },
    `Accepted the issuer ${issuer} in the metadata of ${url}: oauth.issuer is ${accepted}`,
  );
  const known = accepted ?? issuer;
  return { url, issuer: known, metadata: { ...metadata, issuer: known }, names: [issuer, known] };
}

/** Either may be one of Entra ID's templates. */
function isAccepted(issuer: string, accepted: string): boolean {
  return isSameIssuer(issuer, accepted) || fitsTemplate(issuer, accepted) || fitsTemplate(accepted, issuer);
}

/** @returns undefined if it has none */
async function readIssuerMetadata(
  url: string,
  search: Search,
): Promise<AuthorizationServerMetadata | undefined> {
  const unread: Unread[] = [];
  for (const { url: place } of buildDiscoveryUrls(url)) {
    const reading = await readDocument(place, validateIssuer, search.fetch);
    if (reading.kind === 'found') return reading.value;
    unread.push(reading);
    // The other places are at the same host.
    if (reading.kind === 'unreached') break;
  }
  const reason = unread.find(
    ({ kind, status }) => kind !== 'missing' && (kind !== 'refused' || status === 401 || status === 403),
  );
  if (reason === undefined) return undefined;
  throw authorizationFailed(
    search,
    `the metadata of the authorization server at ${nameOf(reason.url)} cannot be read: ${reason.reason}`,
    reason.cause,
  );
}

/** The resource that tokens are for. */
function resourceOf(context: OAuthContext, found: ResourceMetadata | undefined): string | undefined {
  const { url, settings, log } = context;
  if (settings.resource === false) {
    log.warn({ event: 'oauth.no-resource' }, 'Requesting tokens without a resource (oauth.resource)');
    return undefined;
  }
  if (settings.resource !== undefined) return settings.resource;
  if (found === undefined) return canonical(url);
  const { resource }: OAuthProtectedResourceMetadata = found.metadata;
  if (includesUrl(resource, url)) return resource;
  throw authorizationFailed(
    context,
    `the metadata at ${nameOf(found.url)} is about another resource, ${resource}`,
    undefined,
    RESOURCE_HINT,
  );
}

/** 2026-07-28, basic/authorization, canonical server URI. */
function canonical(url: URL): string {
  const { origin, pathname } = url;
  // RFC 8707 advises against a query, and it may be a secret.
  return `${origin}${pathname === '/' ? '' : pathname}`;
}
