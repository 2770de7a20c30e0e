/** Names that have a meaning before they are resolved. */

const LOOPBACK = new Set([
  'localhost',
  'localhost4',
  'localhost6',
  'localhost.localdomain',
  'localhost4.localdomain4',
  'localhost6.localdomain6',
  'ip6-localhost',
  'ip6-loopback',
]);

/** Domains that the public DNS does not have (RFC 6761, 6762 with its appendix G, 8375, and ICANN's `internal`). */
const LOCAL_DOMAINS = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
];

/** Without the brackets of an IPv6 address and the dot of the root. */
export function hostOf({ hostname }: URL): string {
  return normalizeHost(hostname.replace(/^\[(.*)\]$/, '$1'));
}

export function normalizeHost(hostname: string): string {
  return hostname.replace(/\.+$/, '').toLowerCase();
}

/** Whether a name means this machine (RFC 6761, section 6.3, and the names that hosts files give it). */
export function isLoopbackName(host: string): boolean {
  return LOOPBACK.has(host) || host.endsWith('.localhost');
}

/** Whether only a local network can know a name: it is a single label, or in a domain that the public DNS does not have. */
export function isLocalScope(host: string): boolean {
  return (
    !host.includes('.') || LOCAL_DOMAINS.some((domain) => host === domain || host.endsWith(`.${domain}`))
  );
}
