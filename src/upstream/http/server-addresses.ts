import { lookup as lookUp, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** Finds all addresses of a name. */
export type Resolve = (hostname: string, options: LookupOptions) => Promise<readonly LookupAddress[]>;

/** The addresses that connections to a server were made to, or tried to be. */
export interface ServerAddresses {
  /** Resolves names for connections to the server, and remembers the addresses. */
  readonly lookup: LookupFunction;
  readonly resolve: Resolve;
  readonly seen: readonly string[];
  /** There were more than are remembered. */
  readonly isOverfull: boolean;
  add(addresses: readonly LookupAddress[]): void;
}

/** More than that has only a name that is answered anew each time. */
const MAX = 256;

export function createServerAddresses(resolve: Resolve = resolveBySystem): ServerAddresses {
  const seen = new Set<string>();
  let isOverfull = false;
  const add = (addresses: readonly LookupAddress[]): void => {
    for (const { address } of addresses) {
      if (seen.size < MAX) seen.add(address);
      else if (!seen.has(address)) isOverfull = true;
    }
  };
  return {
    lookup: toLookup(async (hostname, options) => {
      const addresses = await resolve(hostname, options);
      add(addresses);
      return addresses;
    }),
    resolve,
    get seen() {
      return [...seen];
    },
    get isOverfull() {
      return isOverfull;
    },
    add,
  };
}

/**
 * The same for sockets.
 * @param resolve may refuse with an error
 */
export function toLookup(
  resolve: (...parameters: Parameters<Resolve>) => Promise<readonly LookupAddress[] | Error>,
): LookupFunction {
  return (hostname, options, callback) => {
    void answer();

    async function answer(): Promise<void> {
      const found = await resolve(hostname, options).catch(toError);
      if (found instanceof Error) callback(found, '');
      else if (options.all === true) callback(null, [...found]);
      else {
        const [first] = found;
        if (first === undefined) callback(new Error(`${hostname} has no address`), '');
        else callback(null, first.address, first.family);
      }
    }
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function resolveBySystem(hostname: string, options: LookupOptions): Promise<readonly LookupAddress[]> {
  return new Promise((settle, reject) => {
    lookUp(hostname, { ...options, all: true }, (error, addresses) => {
      if (error === null) settle(addresses);
      else reject(error);
    });
  });
}
