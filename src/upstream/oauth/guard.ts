import { lookup as lookUp, type LookupAddress } from 'node:dns';
import { lookup as lookUpAll } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { reachOf, type Reach } from './addresses.ts';

/**
 * Decides which URLs that a server names are requested (2026-07-28, security best practices, SSRF): what it says must
 * not make us a way into networks that only we can reach.
 */
export interface Guard {
  /** @returns why not; undefined if it may be requested, as far as can be told without resolving its name */
  refusal(url: URL): Promise<string | undefined>;
  /** Resolves names to the addresses that may be connected to. */
  readonly lookup: LookupFunction;
}

/** What a server that is at such a place may name besides public addresses. */
const ALLOWED: Readonly<Record<Reach, readonly Reach[]>> = {
  public: [],
  private: ['private'],
  // Whoever runs a server on this machine is at home here.
  loopback: ['loopback', 'private'],
  'link-local': ['link-local'],
  reserved: ['reserved'],
};

export function createGuard(serverUrl: URL): Guard {
  let home: Promise<readonly Reach[]> | undefined;

  return {
    async refusal(url) {
      if (url.origin === serverUrl.origin) return undefined;
      const places = await reachesOfServer();
      const host = hostOf(url);
      const reach = isIP(host) === 0 ? (isLocalName(host) ? 'loopback' : undefined) : reachOf(host);
      const isAtHome = reach === 'loopback' && places.includes('loopback');
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isAtHome)) {
        return `${url.origin} is not https`;
      }
      if (reach !== undefined && !isAllowed(reach, places)) return describe(host, reach);
      return undefined;
    },
    lookup(hostname, options, callback) {
      lookUp(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) callback(error, []);
        else void answer(addresses);
      });

      async function answer(addresses: readonly LookupAddress[]): Promise<void> {
        const places = await reachesOfServer();
        const allowed = addresses.filter(({ address }) => isAllowed(reachOf(address), places));
        const [first] = allowed;
        const [refused] = addresses;
        if (first === undefined) {
          const reach = refused === undefined ? 'reserved' : reachOf(refused.address);
          callback(new Error(describe(hostname, reach)), []);
        } else if (options.all === true) callback(null, allowed);
        else callback(null, first.address, first.family);
      }
    },
  };

  function reachesOfServer(): Promise<readonly Reach[]> {
    home ??= resolveReaches(hostOf(serverUrl));
    return home;
  }
}

async function resolveReaches(host: string): Promise<readonly Reach[]> {
  if (isIP(host) !== 0) return [reachOf(host)];
  if (isLocalName(host)) return ['loopback'];
  try {
    return (await lookUpAll(host, { all: true })).map(({ address }) => reachOf(address));
  } catch {
    // A proxy resolves it for us.
    return ['public'];
  }
}

function isAllowed(reach: Reach, places: readonly Reach[]): boolean {
  return reach === 'public' || places.some((place) => ALLOWED[place].includes(reach));
}

function describe(host: string, reach: Reach): string {
  return `${host} is a ${reach} address, and the server's is not`;
}

function hostOf({ hostname }: URL): string {
  return hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost');
}
