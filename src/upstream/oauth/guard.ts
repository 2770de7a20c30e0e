import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Clock } from '../../clock.ts';
import { createServerAddresses, toLookup, type ServerAddresses } from '../http/server-addresses.ts';
import { isFake, reachesOf, reachOf } from './addresses.ts';
import { hostOf, isLocalScope, isLoopbackName, normalizeHost } from './hosts.ts';
import { leastTrusted, type AddressScope } from './address-scope.ts';

/**
 * Decides which URLs that a server names are requested (2026-07-28, security best practices, SSRF): what it says must
 * not make us a way into networks that only we can reach.
 */
export interface Guard {
  /** @returns why the URL must not be requested; undefined if it may be */
  rejectionReason(url: URL, options?: RejectionOptions): Promise<string | undefined>;
  /** Resolves names to the addresses that may be connected to: the ones that are checked are the ones that are used. */
  readonly lookup: LookupFunction;
  /** The same for the server's own name, which must not lead to another kind of network than before. */
  readonly ownLookup: LookupFunction;
  /** Where the server is. */
  home(): Promise<AddressScope>;
}

export interface RejectionOptions {
  /**
   * The connection is made by another program, a proxy or a browser: the name is resolved here as well, and all its
   * addresses have to be allowed.
   */
  readonly isByOther?: boolean;
}

export interface GuardOptions {
  /** Where connections to the server have led. */
  readonly addresses?: ServerAddresses | undefined;
  /** Where they led before, in another process; counts until there is a connection. */
  readonly knownReach?: AddressScope | undefined;
  /** The issuer of the settings: its host is the user's choice, wherever it is. */
  readonly issuer?: string | undefined;
  /** How long a name that another program resolves may take here. */
  readonly resolveMs?: number;
  readonly clock: Clock;
}

/** Where a proxy resolves all names, there may be no name server that answers us. */
const RESOLVE_MS = 5_000;

/** What a server that is at such a place may name besides public addresses. */
const ALLOWED: Readonly<Record<AddressScope, readonly AddressScope[]>> = {
  public: [],
  private: ['private'],
  // A server on this machine has access to its private networks anyway.
  loopback: ['loopback', 'private'],
  'link-local': ['link-local'],
  reserved: ['reserved'],
};

class AddressGuard implements Guard {
  readonly #server: URL;
  readonly #host: string;
  readonly #addresses: ServerAddresses;
  readonly #knownReach: AddressScope | undefined;
  readonly #resolveMs: number;
  readonly #clock: Clock;
  readonly #issuer: URL | undefined;
  /** Names that no name server has answered in time. */
  readonly #unanswered = new Set<string>();
  readonly lookup = toLookup((hostname, options) => this.#resolveForeign(hostname, options));
  readonly ownLookup = toLookup((hostname, options) => this.#resolveOwn(hostname, options));

  constructor(serverUrl: URL, options: GuardOptions) {
    const { addresses, knownReach, issuer, resolveMs = RESOLVE_MS } = options;
    this.#server = serverUrl;
    this.#host = hostOf(serverUrl);
    this.#addresses = addresses ?? createServerAddresses();
    this.#knownReach = knownReach;
    this.#resolveMs = resolveMs;
    this.#clock = options.clock;
    this.#issuer = issuer !== undefined && URL.canParse(issuer) ? new URL(issuer) : undefined;
  }

  async rejectionReason(url: URL, { isByOther = false }: RejectionOptions = {}): Promise<string | undefined> {
    if (url.origin === this.#server.origin && url.origin !== 'null') return undefined;
    const home = await this.home();
    const host = hostOf(url);
    const isLoopback = isIP(host) === 0 ? isLoopbackName(host) : reachOf(host) === 'loopback';
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback && home === 'loopback')) {
      return `${url.origin === 'null' ? url.protocol : url.origin} is not https`;
    }
    if (url.origin === this.#issuer?.origin) return undefined;
    if (isLoopback && isIP(host) === 0)
      return home === 'loopback' ? undefined : describe(host, 'loopback', home);
    if (isIP(host) !== 0) return isAllowed(host, home) ? undefined : describe(host, reachOf(host), home);
    return isByOther ? await this.#rejectionOfName(host, home) : undefined;
  }

  async home(): Promise<AddressScope> {
    const known = this.#reachOfConnections();
    if (isIP(this.#host) !== 0) return homeOf(this.#host);
    // Hosts files may give it a link-local address as well.
    if (isLoopbackName(this.#host)) return known === 'public' ? 'public' : 'loopback';
    // A proxy makes the connection: what the name means here is up to the server's own name servers, unless it is a name
    // that those cannot have.
    return known ?? this.#knownReach ?? (await this.#reachOfLocalScope());
  }

  /** Undefined: there was no connection yet, or a proxy made them all. */
  #reachOfConnections(): AddressScope | undefined {
    const { seen, isOverfull } = this.#addresses;
    if (isOverfull) return 'public';
    return seen.length === 0 ? undefined : seen.map(homeOf).reduce(leastTrusted);
  }

  async #reachOfLocalScope(): Promise<AddressScope> {
    if (!isLocalScope(this.#host)) return 'public';
    const found = await this.#addresses.resolve(this.#host, {}).catch(() => []);
    return found.length === 0 ? 'private' : found.map(({ address }) => homeOf(address)).reduce(leastTrusted);
  }

  /** A name that cannot be resolved here is left to the other program, unless it can only be a local one. */
  async #rejectionOfName(host: string, home: AddressScope): Promise<string | undefined> {
    const answer = this.#unanswered.has(host) ? [] : await this.#resolveInTime(host);
    const found = answer.filter(({ address }) => !isFake(address));
    if (found.length === 0) {
      const isRefused = isLocalScope(host) && home !== 'private' && home !== 'loopback';
      return isRefused ? describe(host, 'private', home) : undefined;
    }
    const refused = found.find(({ address }) => !isAllowed(address, home));
    return refused === undefined ? undefined : describe(host, reachOf(refused.address), home);
  }

  async #resolveInTime(host: string): Promise<readonly LookupAddress[]> {
    const answer = await this.#inTime(this.#addresses.resolve(host, {}).catch(() => []));
    if (answer !== undefined) return answer;
    this.#unanswered.add(host);
    return [];
  }

  /** @returns undefined if the answer takes longer than `resolveMs` */
  #inTime(resolving: Promise<readonly LookupAddress[]>): Promise<readonly LookupAddress[] | undefined> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#resolveMs, () => resolve(undefined));
      void resolving.then((found) => {
        cancel();
        resolve(found);
      });
    });
  }

  async #resolveForeign(hostname: string, options: object): Promise<readonly LookupAddress[] | Error> {
    const found = await this.#addresses.resolve(hostname, options);
    const host = normalizeHost(hostname);
    if (this.#issuer !== undefined && host === hostOf(this.#issuer)) return found;
    const home = await this.home();
    const allowed = found.filter(({ address }) =>
      isLoopbackName(host)
        ? home === 'loopback' && reachOf(address) === 'loopback'
        : isAllowed(address, home),
    );
    if (allowed.length > 0) return allowed;
    const [refused] = found;
    return new Error(describe(hostname, refused === undefined ? 'reserved' : reachOf(refused.address), home));
  }

  async #resolveOwn(hostname: string, options: object): Promise<readonly LookupAddress[] | Error> {
    const found = await this.#addresses.resolve(hostname, options);
    const before = new Set<AddressScope>([
      ...this.#addresses.seen.map(homeOf),
      ...(this.#knownReach === undefined ? [] : [this.#knownReach]),
    ]);
    const isFirst = before.size === 0;
    const home = await this.home();
    const allowed = found.filter(
      ({ address }) => isFirst || before.has(homeOf(address)) || isAllowed(address, home),
    );
    const [refused] = found;
    if (allowed.length === 0 && refused !== undefined) {
      const reach = reachOf(refused.address);
      return new Error(`${hostname} is a ${reach} address now, and was a ${home} one before`);
    }
    this.#addresses.add(allowed);
    return allowed;
  }
}

export function createGuard(serverUrl: URL, options: GuardOptions): Guard {
  return new AddressGuard(serverUrl, options);
}

/** Of a server with this address; one that can be taken for two kinds is the less trusted of both. */
function homeOf(address: string): AddressScope {
  return reachesOf(address).reduce(leastTrusted);
}

function isAllowed(address: string, home: AddressScope): boolean {
  return reachesOf(address).every(
    (reach) =>
      reach === 'public' || (ALLOWED[home].includes(reach) && (reach !== 'reserved' || isFake(address))),
  );
}

function describe(host: string, reach: AddressScope, home: AddressScope): string {
  return `${host} is a ${reach} address, which a server at a ${home} address may not name`;
}
