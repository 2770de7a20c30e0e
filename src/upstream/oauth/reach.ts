/** Where an address leads, seen from this machine. */
export const REACHES = ['public', 'private', 'loopback', 'link-local', 'reserved'] as const;
export type Reach = (typeof REACHES)[number];

/** The reach of a host that has addresses of both: what the less trusted of them may do. */
export function leastTrusted(a: Reach, b: Reach): Reach {
  if (a === b) return a;
  const isLocal = (reach: Reach): boolean => reach === 'loopback' || reach === 'private';
  return isLocal(a) && isLocal(b) ? 'private' : 'public';
}
