import { BlockList, isIP, isIPv6 } from 'node:net';
import type { AddressScope } from './address-scope.ts';

/**
 * Ranges that are not public (IANA special-purpose address registries). IPv6 addresses outside of the global unicast
 * range are reserved without being listed.
 */
const RANGES: readonly (readonly [reach: Exclude<AddressScope, 'public'>, subnets: readonly string[]])[] = [
  ['loopback', ['127.0.0.0/8', '::1/128']],
  // Cloud metadata services are here.
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fec0::/10']],
  [
    'reserved',
    [
      '0.0.0.0/8',
      '192.0.0.0/24',
      '192.0.2.0/24',
      '192.31.196.0/24',
      '192.52.193.0/24',
      '192.88.99.0/24',
      '192.175.48.0/24',
      '198.18.0.0/15',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '224.0.0.0/3',
      // IETF protocol assignments: Teredo, benchmarking, ORCHID and others.
      '2001::/23',
      '2001:db8::/32',
      '2620:4f:8000::/48',
      '3fff::/20',
    ],
  ],
];
const GLOBAL_UNICAST = listOf(['2000::/3']);
const FAKE = listOf(['198.18.0.0/15']);

const LISTS = RANGES.map(([reach, subnets]) => ({ reach, list: listOf(subnets) }));

/**
 * Where an address leads: the reach of its own range, and that of an IPv4 address that routers may find in it.
 * @param address an IP address, v6 without brackets
 */
export function reachesOf(address: string): readonly AddressScope[] {
  const [plain = ''] = address.split('%');
  if (isIP(plain) === 0) return ['reserved'];
  if (!isIPv6(plain)) return [rangeOf(plain, 'ipv4')];
  const groups = groupsOf(plain);
  const translated = translatedV4(groups);
  if (translated !== undefined) return [rangeOf(translated, 'ipv4')];
  const own = rangeOf(plain, 'ipv6');
  return isIsatap(groups) ? [own, rangeOf(toV4(groups.slice(6)), 'ipv4')] : [own];
}

/** @returns the first that is not public */
export function reachOf(address: string): AddressScope {
  return reachesOf(address).find((reach) => reach !== 'public') ?? 'public';
}

/** Whether the address is one that a proxy on this machine invents for every name (198.18.0.0/15). */
export function isFake(address: string): boolean {
  return isIP(address) === 4 && FAKE.check(address);
}

function rangeOf(address: string, family: 'ipv4' | 'ipv6'): AddressScope {
  const found = LISTS.find(({ list }) => list.check(address, family))?.reach;
  if (found !== undefined) return found;
  return family === 'ipv4' || GLOBAL_UNICAST.check(address, family) ? 'public' : 'reserved';
}

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', bits = ''] = subnet.split('/');
    list.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** Prefixes whose addresses stand for the IPv4 address in these of their eight groups. */
const TRANSLATED = [
  // Mapped, compatible, translated by SIIT, by NAT64, 6to4.
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 },
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 },
  { prefix: [0, 0, 0, 0, 0xffff, 0], at: 6 },
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 },
  { prefix: [0x2002], at: 1 },
] as const;

function translatedV4(groups: readonly number[]): string | undefined {
  const found = TRANSLATED.find(({ prefix }) => prefix.every((group, index) => groups[index] === group));
  if (found === undefined) return undefined;
  const [high = 0, low = 0] = groups.slice(found.at);
  // `::1` is an address of its own.
  if (groups.slice(0, found.at).every((group) => group === 0) && high === 0 && low === 1) return undefined;
  return toV4([high, low]);
}

/** An interface identifier of ISATAP (RFC 5214, section 6.1), under any prefix. */
function isIsatap(groups: readonly number[]): boolean {
  const [, , , , kind = 0, marker] = groups;
  return marker === 0x5efe && (kind & 0xfcff) === 0;
}

function toV4([high = 0, low = 0]: readonly number[]): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function groupsOf(address: string): number[] {
  // The parser of URLs writes every address in one way, also one that ends like an IPv4 address.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => parseInt(group, 16));
  const before = parse(head);
  if (tail === undefined) return before;
  const after = parse(tail);
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
