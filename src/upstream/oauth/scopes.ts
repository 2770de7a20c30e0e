/** Scopes are texts with spaces between them (RFC 6749 section 3.3); undefined and empty are the same. */
type Scopes = string | undefined;

export interface ScopeSources {
  /** In place of everything else. */
  readonly pinned: Scopes;
  /** Of the server's challenge. */
  readonly challenged: Scopes;
  /** What was asked for and granted before: it must not get lost. */
  readonly before: Scopes;
  /** Of the protected resource metadata. */
  readonly ofResource: readonly string[] | undefined;
  /** Of the authorization server's metadata. */
  readonly ofIssuer: readonly string[] | undefined;
  /** Whether there is a user who can give lasting consent. */
  readonly wantsRefresh: boolean;
}

/** What to ask for (2026-07-28, basic/authorization, scope selection strategy and refresh tokens). */
export function selectScope(sources: ScopeSources): Scopes {
  const { pinned, challenged, before, ofResource, ofIssuer, wantsRefresh } = sources;
  if (pinned !== undefined) return pinned;
  const scope =
    challenged === undefined ? (before ?? joinScopes(ofResource?.join(' '))) : joinScopes(before, challenged);
  const lasts = wantsRefresh && scope !== undefined && ofIssuer?.includes('offline_access') === true;
  return lasts ? joinScopes(scope, 'offline_access') : scope;
}

/** Each scope once, in the order of their appearance. */
export function joinScopes(...scopes: readonly Scopes[]): Scopes {
  const names = new Set(scopes.flatMap(namesOf));
  return names.size === 0 ? undefined : [...names].join(' ');
}

export function includesScopes(held: Scopes, wanted: Scopes): boolean {
  const names = new Set(namesOf(held));
  return namesOf(wanted).every((name) => names.has(name));
}

function namesOf(scopes: Scopes): string[] {
  return (scopes ?? '').split(/\s+/).filter((name) => name !== '');
}
