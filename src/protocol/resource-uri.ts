/** The URI of a resource in a form that can be compared with others. */
export interface ResourceUri {
  /** As it was written. */
  readonly text: string;
  /** Scheme, credentials, host and port; undefined for an opaque URI, and for text that is not a URI. */
  readonly site: string | undefined;
  /** Without dot segments, and with needless percent-encodings decoded. */
  readonly path: string;
  /** Query and fragment. */
  readonly rest: string;
  /** Whether no decoder can find another separator or a dot segment in the path. */
  readonly isPlain: boolean;
}

/** Encodings within encodings that are looked into. */
const MAX_DECODINGS = 4;
const ASCII_ENCODING = /%([0-7][0-9a-f])/gi;
const ENCODING = /%[0-9a-f]{2}/gi;
const UNRESERVED = /^[\w.~-]$/;

export function readResourceUri(text: string): ResourceUri {
  const url = parseUrl(text);
  if (url === undefined || (url.pathname !== '' && !url.pathname.startsWith('/')))
    return { text, site: undefined, path: '', rest: '', isPlain: false };
  const { href, protocol, username, password, host, pathname, search, hash } = url;
  const authority = href.startsWith('//', protocol.length) ? `//${username}:${password}@${host}` : '';
  return {
    text,
    site: `${protocol}${authority}`,
    path: pathname.replaceAll(ENCODING, decodeUnreserved),
    rest: `${search}${hash}`,
    isPlain: pathname.split('/').every((segment) => isPlainSegment(segment)),
  };
}

/** Whether both are written alike, but for spellings of the same URI. */
export function isSameResource(a: ResourceUri, b: ResourceUri): boolean {
  if (a.text === b.text) return true;
  return a.site !== undefined && a.site === b.site && a.path === b.path && a.rest === b.rest;
}

/** Whether `uri` is the resource `whole`, or a part of it: the path of `whole` is a prefix of its own, segment by segment. */
export function isWithin(uri: ResourceUri, whole: ResourceUri): boolean {
  if (isSameResource(uri, whole)) return true;
  if (uri.site === undefined || uri.site !== whole.site) return false;
  if (whole.rest !== '' || !uri.isPlain || !whole.isPlain) return false;
  const folder = whole.path.endsWith('/') ? whole.path : `${whole.path}/`;
  return uri.path === folder ? uri.rest === '' : uri.path.startsWith(folder);
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function decodeUnreserved(encoding: string): string {
  const character = String.fromCharCode(Number.parseInt(encoding.slice(1), 16));
  return UNRESERVED.test(character) ? character : encoding.toUpperCase();
}

/** The parser has resolved plain dot segments; a server may decode the segment once more than the parser did. */
function isPlainSegment(segment: string): boolean {
  let text = segment;
  for (let decodings = 0; decodings < MAX_DECODINGS; decodings += 1) {
    if (text === '.' || text === '..' || /[/\\]/.test(text)) return false;
    const decoded = text.replaceAll(ASCII_ENCODING, (_encoding, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
}
