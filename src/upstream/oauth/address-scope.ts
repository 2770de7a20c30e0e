/** Where an address leads, seen from this machine. */
export const ADDRESS_SCOPES = ['public', 'private', 'loopback', 'link-local', 'reserved'] as const;
export type AddressScope = (typeof ADDRESS_SCOPES)[number];

/** The reach of a host that has addresses of both: what the less trusted of them may do. */
export function leastTrusted(a: AddressScope, b: AddressScope): AddressScope {
  if (a === b) return a;
  // Names of a local network have addresses of both its private and its link-local range.
  const isLocal = (reach: AddressScope): boolean => reach !== 'public' && reach !== 'reserved';
  return isLocal(a) && isLocal(b) ? 'private' : 'public';
}
