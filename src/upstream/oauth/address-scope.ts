/** Where an address leads, seen from this machine. */
export const REACHES = ['public', 'private', 'loopback', 'link-local', 'reserved'] as const;
export type Reach = (typeof REACHES)[number];

/** The reach of a host that has addresses of both: what the less trusted of them may do. */
export function leastTrusted(a: Reach, b: Reach): Reach {
  if (a === b) return a;
  // Names of a local network have addresses of both its private and its link-local range.
  const isLocal = (reach: Reach): boolean => reach !== 'public' && reach !== 'reserved';
  return isLocal(a) && isLocal(b) ? 'private' : 'public';
}
