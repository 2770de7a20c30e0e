import { BlockList, isIPv6 } from 'node:net';

/** Where an address leads, seen from this machine. */
export type Reach = 'public' | 'private' | 'loopback' | 'link-local' | 'reserved';

/** Ranges that are not for everybody (IANA special-purpose address registries). */
const RANGES: readonly (readonly [reach: Exclude<Reach, 'public'>, subnets: readonly string[]])[] = [
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
      '198.18.0.0/15',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '224.0.0.0/3',
      '::/128',
      '100::/64',
      '2001:db8::/32',
      'ff00::/8',
    ],
  ],
];

const LISTS = RANGES.map(([reach, subnets]) => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', bits = ''] = subnet.split('/');
    list.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return { reach, list };
});

/** @param address an IP address, v6 without brackets */
export function reachOf(address: string): Reach {
  const inner = embeddedV4(address);
  if (inner !== undefined) return reachOf(inner);
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  return LISTS.find(({ list }) => list.check(address, family))?.reach ?? 'public';
}

/** Prefixes whose addresses stand for the IPv4 address in these of their eight groups. */
const EMBEDDING = [
  { prefix: [0, 0, 0, 0, 0, 0xffff], at: 6 },
  { prefix: [0, 0, 0, 0, 0, 0], at: 6 },
  { prefix: [0x64, 0xff9b, 0, 0, 0, 0], at: 6 },
  { prefix: [0x2002], at: 1 },
] as const;

/** The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 or 6to4. */
function embeddedV4(address: string): string | undefined {
  if (!isIPv6(address)) return undefined;
  const groups = groupsOf(address);
  const found = EMBEDDING.find(({ prefix }) => prefix.every((group, index) => groups[index] === group));
  if (found === undefined) return undefined;
  const [high = 0, low = 0] = groups.slice(found.at);
  // `::` and `::1` are addresses of their own.
  if (high === 0 && low <= 1) return undefined;
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function groupsOf(address: string): number[] {
  const [withoutZone = ''] = address.split('%');
  // The parser of URLs writes every address in one way, also one that ends like an IPv4 address.
  const plain = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => parseInt(group, 16));
  const before = parse(head);
  if (tail === undefined) return before;
  const after = parse(tail);
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
