/** What a `WWW-Authenticate` header says about bearer tokens (RFC 6750 section 3, RFC 9728 section 5.1). */
export interface BearerChallenge {
  readonly resourceMetadata: URL | undefined;
  readonly scope: string | undefined;
  readonly error: string | undefined;
}

const NOTHING: BearerChallenge = { resourceMetadata: undefined, scope: undefined, error: undefined };
const MAX_HEADER = 4_096;
/** A scheme, or a parameter, whose value may be quoted. */
const PART = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(?=\s|,|$))/g;

/** Reads the first `Bearer` challenge; the header may hold others. */
export function readChallenge(header: string | undefined): BearerChallenge {
  const parameters = new Map<string, string>();
  let isBearer = false;
  for (const [, name = '', quoted, plain] of (header ?? '').slice(0, MAX_HEADER).matchAll(PART)) {
    if (quoted === undefined && plain === undefined) {
      if (isBearer) break;
      isBearer = name.toLowerCase() === 'bearer';
    } else if (isBearer) {
      parameters.set(name.toLowerCase(), plain ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1'));
    }
  }
  if (!isBearer) return NOTHING;
  const url = parameters.get('resource_metadata');
  return {
    resourceMetadata: url !== undefined && URL.canParse(url) ? new URL(url) : undefined,
    scope: parameters.get('scope') || undefined,
    error: parameters.get('error'),
  };
}
