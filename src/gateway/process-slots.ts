import { RunError } from '../errors.ts';

export interface ProcessLimits {
  readonly maxChildren: number;
  readonly childrenPerServer: number;
}

/** Whose process it is going to be. */
export interface SlotOwner {
  readonly server: string;
  readonly principal: string;
  /** It has given its place up; its process may still be ending. */
  readonly isLeaving: () => boolean;
}

/** The right to one process, until `leave`. */
export interface ProcessSlot {
  /** Resolves when the process may start: one that made room may take its time to end. */
  ready(): Promise<void>;
  /** The process is gone, or was never started. Idempotent. */
  release(): void;
}

/** How many processes run at once, and for whom. */
export interface ProcessSlots {
  /** @throws RunError `TOO_MANY_CHILDREN` */
  acquire(owner: SlotOwner): ProcessSlot;
  /** Ends the conversation that the principal left idle longest with a server; false if there is none to spare. */
  evictIdle(principal: string, server: string): boolean;
  /** Counts a process that is started in any case. */
  acquireAlways(owner: SlotOwner): ProcessSlot;
}

const NO_PLACE: ProcessSlot = { ready: () => Promise.resolve(), release: () => {} };

/** For servers that run elsewhere: only the sessions of their clients are limited. */
export function withoutLimit({ evictIdle: endIdlest }: ProcessSlots): ProcessSlots {
  return { acquire: () => NO_PLACE, evictIdle: endIdlest, acquireAlways: () => NO_PLACE };
}

/**
 * @param endIdlest ends the conversation that the principal left idle longest, of one server or of all; false if it has
 * none to spare.
 */
export function createProcessSlots(
  { maxChildren, childrenPerServer }: ProcessLimits,
  endIdlest: (principal: string, server: string | undefined) => boolean,
): ProcessSlots {
  /** In the order of arrival: the first ones of a server, up to the limit, have or may have a process. */
  const seats = new Set<Seat>();

  return {
    acquire(owner) {
      const { server, principal } = owner;
      makeRoom(server, childrenPerServer, () => endIdlest(principal, server));
      makeRoom(undefined, maxChildren, () => endIdlest(principal, undefined));
      return seat(owner);
    },
    evictIdle: endIdlest,
    acquireAlways: seat,
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
    for (const { owner } of seats) {
      if ((server === undefined || owner.server === server) && !owner.isLeaving()) count += 1;
    }
    return count;
  }

  function seat(owner: SlotOwner): ProcessSlot {
    const own: Seat = { owner, isUsed: false, wake: undefined };
    seats.add(own);
    return {
      async ready() {
        if (!isFree(own)) await new Promise<void>((resolve) => (own.wake = resolve));
        own.isUsed = true;
      },
      release() {
        if (!seats.delete(own)) return;
        own.wake?.();
        wakeNext();
      },
    };
  }

  function isFree({ owner }: Seat): boolean {
    const used = [...seats].filter(({ isUsed }) => isUsed);
    return (
      used.length < maxChildren &&
      used.filter((other) => other.owner.server === owner.server).length < childrenPerServer
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
  readonly owner: SlotOwner;
  /** A process is running, or about to. */
  isUsed: boolean;
  wake: (() => void) | undefined;
}
