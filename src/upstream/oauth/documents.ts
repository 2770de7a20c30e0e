import {
  LATEST_PROTOCOL_VERSION,
  specTypeSchemas,
  type FetchLike,
  type OAuthMetadata,
  type OAuthProtectedResourceMetadata,
} from '@modelcontextprotocol/client';
import { isRunError } from '../../errors.ts';
import { parseObject, type JsonObject } from './answers.ts';
import { describeFailure } from './describe-failure.ts';

/** Documents of metadata (RFC 9728, RFC 8414, OpenID Connect Discovery): the one at a URL, or the reason why it cannot be read. */
export type Reading<T> = { readonly kind: 'found'; readonly url: URL; readonly value: T } | Unread;

export interface Unread {
  /**
   * - `missing`: there is none (HTTP status 404, 405 or 410)
   * - `refused`: another status that a server gives for a path that it does not know, or protects (401, 403, 400 …)
   * - `page`: HTML in place of JSON, as a web application answers for every path
   * - `redirect`: a redirect that is not followed
   * - `unreadable`: anything else, such as a status of 500 or a member that is not as it must be
   * - `unreached`: no answer, or the guard refuses the URL
   */
  readonly kind: 'missing' | 'refused' | 'page' | 'redirect' | 'unreadable' | 'unreached';
  readonly url: URL;
  readonly reason: string;
  readonly status?: number;
  readonly cause?: unknown;
}

type Validate<T> = (document: JsonObject) => Validation<T>;
type Validation<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] };

const PLACEHOLDER = 'https://placeholder.invalid/';
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MISSING = new Set([404, 405, 410]);
/** Statuses that say nothing about the document: too slow, too early, too often. */
const PASSING = new Set([408, 425, 429]);

export const validateResource: Validate<OAuthProtectedResourceMetadata> = (document) =>
  specTypeSchemas.OAuthProtectedResourceMetadata['~standard'].validate(document);

/**
 * Also for OpenID Connect, whose other required members are for verifying ID tokens. RFC 8414 requires the types of
 * responses; providers that omit them support the only one in use. An authorization endpoint is needed for users only:
 * it is empty where there is none.
 */
export const validateIssuer: Validate<OAuthMetadata> = (document) => {
  const result = specTypeSchemas.OAuthMetadata['~standard'].validate({
    response_types_supported: ['code'],
    authorization_endpoint: PLACEHOLDER,
    ...document,
  });
  if (result.issues !== undefined || 'authorization_endpoint' in document) return result;
  return { value: { ...result.value, authorization_endpoint: '' } };
};

/** Reads the document at a URL. Redirects within the origin are followed. */
export async function readDocument<T>(
  url: URL,
  validate: Validate<T>,
  fetch: FetchLike,
): Promise<Reading<T>> {
  try {
    let at = url;
    for (let hops = 0; ; hops += 1) {
      const headers = { accept: 'application/json', 'mcp-protocol-version': LATEST_PROTOCOL_VERSION };
      const response = await fetch(at, { headers });
      const target = redirectTarget(at, response);
      if (target === undefined) return await readAnswer(url, response, validate);
      if (hops === MAX_REDIRECTS || !isFollowed(at, target)) {
        const reason = `a redirect to ${nameOf(target)}, which is not followed`;
        return { kind: 'redirect', url, reason, status: response.status };
      }
      at = target;
    }
  } catch (error) {
    if (!isRunError(error, 'AUTHORIZATION_FAILED')) throw error;
    const reason = describeFailure(error);
    // One that is too large is an answer.
    return {
      kind: error.cause instanceof RangeError ? 'unreadable' : 'unreached',
      url,
      reason,
      cause: error,
    };
  }
}

/** A URL as it is shown: its query may hold a secret. */
export function nameOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

async function readAnswer<T>(url: URL, response: Response, validate: Validate<T>): Promise<Reading<T>> {
  const { status, ok, headers } = response;
  const unread = (kind: Unread['kind'], reason: string): Unread => ({ kind, url, reason, status });
  if (!ok) {
    const isRefused = status >= 400 && status < 500 && !PASSING.has(status);
    return unread(
      MISSING.has(status) ? 'missing' : isRefused ? 'refused' : 'unreadable',
      `HTTP status ${status}`,
    );
  }
  const text = await response.text();
  const json = parseObject(text);
  if (json === undefined) {
    const isPage =
      /\bx?html\b/i.test(headers.get('content-type') ?? '') || /^\s*<(!doctype )?html\b/i.test(text);
    return isPage ? unread('page', 'HTML in place of JSON') : unread('unreadable', 'not a JSON object');
  }
  const result = validate(json);
  if (result.issues === undefined) return { kind: 'found', url, value: result.value };
  return unread(
    'unreadable',
    describeFailure(Object.assign(new Error('invalid'), { issues: result.issues })),
  );
}

function redirectTarget(from: URL, { status, headers }: Response): URL | undefined {
  const location = REDIRECTS.has(status) ? headers.get('location') : null;
  return location !== null && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
}

/** Within the origin, or from plain HTTP to the same name by https. */
function isFollowed(from: URL, to: URL): boolean {
  if (to.username !== '' || to.password !== '') return false;
  if (from.origin === to.origin) return true;
  const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:';
  return isUpgrade && from.hostname === to.hostname && from.port === '' && to.port === '';
}
