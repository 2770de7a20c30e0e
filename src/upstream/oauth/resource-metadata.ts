import type { FetchLike, OAuthProtectedResourceMetadata } from '@modelcontextprotocol/client';
import type { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { authorizationFailed } from './context.ts';
import { nameOf, readDocument, validateResource, type Unread } from './documents.ts';

/** The metadata of a protected resource, and where it was found. */
export interface ResourceMetadata {
  readonly url: URL;
  readonly metadata: OAuthProtectedResourceMetadata;
}

interface Reader {
  readonly server: string;
  readonly fetch: FetchLike;
  readonly log: Log;
}

const WITHOUT_METADATA_HINT =
  'To sign in without that document, name the authorization server: set "oauth": {"issuer": "…"} in the entry, or --oauth-issuer';
const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/**
 * Reads a server's protected resource metadata (RFC 9728): where its challenge points, and else at the well-known places.
 *
 * Only a status of 404, 405 or 410 at all places says that there is none.
 * @param named from the challenge
 * @returns undefined if it has none
 * @throws RunError `AUTHORIZATION_FAILED` if it has one that cannot be read
 */
export async function readResourceMetadata(
  url: URL,
  named: URL | undefined,
  reader: Reader,
): Promise<ResourceMetadata | undefined> {
  if (named === undefined) return await guess(wellKnownPlaces(url), undefined, reader);
  const reading = await readDocument(named, validateResource, reader.fetch);
  if (reading.kind === 'found') return { url: named, metadata: reading.value };
  const places = [atOrigin(url, named.pathname), ...wellKnownPlaces(url)].filter(
    ({ href }) => href !== named.href,
  );
  if (reading.kind === 'missing') return await guess(places, undefined, reader);
  if (reading.kind !== 'unreached' && !isDowngrade(named, url)) throw unreadable([reading], reader);
  // A proxy in front of the server has changed its scheme or its host, and the server does not know.
  const found = await guess(places, reading, reader);
  if (found === undefined) throw unreadable([reading], reader, places);
  reader.log.warn(
    {
      event: 'oauth.metadata-elsewhere',
      url: nameOf(named),
      detail: reading.reason,
      used: nameOf(found.url),
    },
    `Using the metadata at ${nameOf(found.url)}: the one at ${nameOf(named)}, which the challenge names, cannot be read (${reading.reason})`,
  );
  return found;
}

/** @param before the failure to read the document that the challenge names */
async function guess(
  places: readonly URL[],
  before: Unread | undefined,
  reader: Reader,
): Promise<ResourceMetadata | undefined> {
  const unread: Unread[] = before === undefined ? [] : [before];
  for (const href of new Set(places.map(({ href }) => href))) {
    const reading = await readDocument(new URL(href), validateResource, reader.fetch);
    if (reading.kind === 'found') return { url: reading.url, metadata: reading.value };
    if (reading.kind === 'unreadable' || reading.kind === 'unreached')
      throw unreadable([...unread, reading], reader);
    // Some servers protect one place, or answer with a page there, and have the document at the other.
    if (reading.kind !== 'missing') unread.push(reading);
  }
  if (unread.length > (before === undefined ? 0 : 1)) throw unreadable(unread, reader);
  return undefined;
}

function unreadable(unread: readonly Unread[], reader: Reader, tried: readonly URL[] = []): RunError {
  const details = unread.map(({ url, reason }) => `${nameOf(url)} (${reason})`).join(', nor at ');
  const others = new Set(tried.map(nameOf));
  const elsewhere = others.size === 0 ? '' : `; there is none at ${[...others].join(', ')}`;
  const detail = `the protected resource metadata cannot be read at ${details}${elsewhere}`;
  return authorizationFailed(reader, detail, unread.at(-1)?.cause, WITHOUT_METADATA_HINT);
}

/** For the URL, and for its origin. */
function wellKnownPlaces(url: URL): URL[] {
  const place = atOrigin(url, `${WELL_KNOWN}${url.pathname.replace(/\/$/, '')}`);
  place.search = url.search;
  return [place, atOrigin(url, WELL_KNOWN)];
}

function atOrigin(url: URL, path: string): URL {
  const place = new URL(url.origin);
  place.pathname = path;
  return place;
}

/** Whether a document is named at a plain http URL by a server that is reached by https. */
function isDowngrade(named: URL, url: URL): boolean {
  return named.protocol === 'http:' && url.protocol === 'https:';
}
