import { RunError } from '../errors.ts';

export interface PlaceLimits {
  readonly maxChildren: number;
  readonly childrenPerServer: number;
}

/** Whose process it is going to be. */
export interface Tenant {
  readonly server: string;
  readonly principal: string;
  /** It has given its place up; its process may still be ending. */
  readonly isLeaving: () => boolean;
}

/** The right to one process, until `leave`. */
export interface Place {
  /** Resolves when the process may start: one that made room may take its time to end. */
  ready(): Promise<void>;
  /** The process is gone, or was never started. Idempotent. */
  leave(): void;
}

/** How many processes run at once, and for whom. */
export interface Places {
  /** @throws RunError `TOO_MANY_CHILDREN` */
  take(tenant: Tenant): Place;
  /** Ends the conversation that the principal left idle longest with a server; false if there is none to spare. */
  endIdlest(principal: string, server: string): boolean;
  /** Counts a process that is started in any case. */
  seat(tenant: Tenant): Place;
}

const NO_PLACE: Place = { ready: () => Promise.resolve(), leave: () => {} };

/** For servers that run elsewhere: only the sessions of their clients are limited. */
export function withoutLimit({ endIdlest }: Places): Places {
  return { take: () => NO_PLACE, endIdlest, seat: () => NO_PLACE };
}

/**
 * @param endIdlest ends the conversation that the principal left idle longest, of one server or of all; false if it has
 * none to spare.
 */
export function createPlaces(
  { maxChildren, childrenPerServer }: PlaceLimits,
  endIdlest: (principal: string, server: string | undefined) => boolean,
): Places {
  /** In the order of arrival: the first ones of a server, up to the limit, have or may have a process. */
  const seats = new Set<Seat>();

  return {
    take(tenant) {
      const { server, principal } = tenant;
      makeRoom(server, childrenPerServer, () => endIdlest(principal, server));
      makeRoom(undefined, maxChildren, () => endIdlest(principal, undefined));
      return seat(tenant);
    },
    endIdlest,
    seat,
  };

  function makeRoom(server: string | undefined, max: number, end: () => boolean): void {
    while (claimed(server) >= max) {
      if (end()) continue;
      const what = server === undefined ? 'all servers' : `server "${server}"`;
      throw new RunError('TOO_MANY_CHILDREN', { what, max });
    }
  }

  /** Places that somebody still wants to use. */
  function claimed(server: string | undefined): number {
    let count = 0;
    for (const { tenant } of seats) {
      if ((server === undefined || tenant.server === server) && !tenant.isLeaving()) count += 1;
    }
    return count;
  }

  function seat(tenant: Tenant): Place {
    const own: Seat = { tenant, isUsed: false, wake: undefined };
    seats.add(own);
    return {
      async ready() {
        if (!isFree(own)) await new Promise<void>((resolve) => (own.wake = resolve));
        own.isUsed = true;
      },
      leave() {
        if (!seats.delete(own)) return;
        own.wake?.();
        wakeNext();
      },
    };
  }

  function isFree({ tenant }: Seat): boolean {
    const used = [...seats].filter(({ isUsed }) => isUsed);
    return (
      used.length < maxChildren &&
      used.filter((other) => other.tenant.server === tenant.server).length < childrenPerServer
    );
  }

  function wakeNext(): void {
    for (const waiting of seats) {
      if (waiting.wake === undefined || !isFree(waiting)) continue;
      waiting.isUsed = true;
      waiting.wake();
      waiting.wake = undefined;
    }
  }
}

interface Seat {
  readonly tenant: Tenant;
  /** A process is running, or about to. */
  isUsed: boolean;
  wake: (() => void) | undefined;
}
