/** Names of issuers and resources, which are compared as strings except for a slash at the end. */

/** An origin as it is written, with the slash that stands for its root. */
const ROOT = /^[a-z][a-z\d+.-]*:\/\/[^/?#]+\/$/i;

/** Whether two issuers are the same: equal, or equal but for the slash of the root. */
export function isSameIssuer(a: string, b: string): boolean {
  return canonicalIssuer(a) === canonicalIssuer(b);
}

/** Whether metadata at these URLs are of the same authorization server: the paths do not matter. */
export function isSamePlace(a: string, b: string): boolean {
  if (isSameIssuer(a, b)) return true;
  return URL.canParse(a) && URL.canParse(b) && new URL(a).origin === new URL(b).origin;
}

/**
 * Whether an issuer is one that a template stands for, whose every `{name}` is a segment of a path, or a part of it:
 * Entra ID publishes `https://login.microsoftonline.com/{tenantid}/v2.0` for all of its tenants.
 */
export function fitsTemplate(issuer: string, template: string): boolean {
  if (!isTemplate(template)) return false;
  // A placeholder in the host would let any host pass.
  const [origin = ''] = /^[^/]*\/\/[^/?#]*/.exec(template) ?? [];
  if (origin === '' || isTemplate(origin)) return false;
  const pattern = template
    .split(/\{\w+\}/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('[^/?#]+');
  return new RegExp(`^${pattern}$`).test(issuer);
}

export function isTemplate(issuer: string): boolean {
  return /\{\w+\}/.test(issuer);
}

/**
 * Whether a protected resource includes a URL: it is the same, with or without a slash at the end, or a parent.
 * @param resource the `resource` of its metadata
 */
export function includesUrl(resource: string, url: URL): boolean {
  const named = URL.canParse(resource) ? new URL(resource) : undefined;
  if (named === undefined || named.origin !== url.origin || resource.includes('#')) return false;
  if (named.username !== url.username || named.password !== url.password) return false;
  if (named.search !== '' && named.search !== url.search) return false;
  return `${withoutSlash(url.pathname)}/`.startsWith(`${withoutSlash(named.pathname)}/`);
}

/** One spelling of all that are the same. */
export function canonicalIssuer(issuer: string): string {
  return ROOT.test(issuer) ? issuer.slice(0, -1) : issuer;
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
