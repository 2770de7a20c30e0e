import { RunError } from '../errors.ts';

export interface ProcessLimits {
  readonly maxChildren: number;
  readonly childrenPerServer: number;
}

/** Ends the conversation that the principal left idle longest, of one server or of all; false if it has none to spare. */
export type EvictIdle = (principalId: string, server: string | undefined) => boolean;

/** The holder of a slot. */
export interface SlotOwner {
  readonly server: string;
  readonly principalId: string;
  /** It needs its slot no more; its process may still be ending. */
  readonly isLeaving: () => boolean;
}

/** The right to one process, until `release`. */
export interface ProcessSlot {
  /** Resolves when the process may start: a process that is ending to make room may take its time. */
  ready(): Promise<void>;
  /** The process has ended, or was never started. Idempotent. */
  release(): void;
}

/** `acquired`: its owner has not asked for the process yet. `running`: the process runs, or is about to. */
type SlotState = 'acquired' | 'waiting' | 'running' | 'released';

class OwnedSlot implements ProcessSlot {
  readonly owner: SlotOwner;
  readonly #slots: ProcessSlots;
  state: SlotState = 'acquired';
  #wake: () => void = () => {};

  constructor(owner: SlotOwner, slots: ProcessSlots) {
    this.owner = owner;
    this.#slots = slots;
  }

  async ready(): Promise<void> {
    if (this.state === 'acquired') await this.#slots.start(this);
  }

  release(): void {
    if (this.state !== 'released') this.#slots.release(this);
  }

  wait(): Promise<void> {
    this.state = 'waiting';
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Ends the wait. */
  enter(next: SlotState): void {
    this.state = next;
    this.#wake();
  }
}

const NO_LIMITS: ProcessLimits = { maxChildren: Infinity, childrenPerServer: Infinity };

/** A semaphore on processes: how many run at once, of one server and of all. */
export class ProcessSlots {
  readonly #limits: ProcessLimits;
  readonly #evictIdle: EvictIdle;
  /** In the order of arrival: the first ones of a server, up to the limit, have or may have a process. */
  readonly #slots = new Set<OwnedSlot>();

  constructor(limits: ProcessLimits, evictIdle: EvictIdle) {
    this.#limits = limits;
    this.#evictIdle = evictIdle;
  }

  /** @throws RunError `TOO_MANY_CHILDREN` */
  acquire(owner: SlotOwner): ProcessSlot {
    const { server, principalId } = owner;
    const { maxChildren, childrenPerServer } = this.#limits;
    this.#makeRoom(server, childrenPerServer, () => this.#evictIdle(principalId, server));
    this.#makeRoom(undefined, maxChildren, () => this.#evictIdle(principalId, undefined));
    return this.acquireAlways(owner);
  }

  /** Counts a process that is started in any case. */
  acquireAlways(owner: SlotOwner): ProcessSlot {
    const slot = new OwnedSlot(owner, this);
    this.#slots.add(slot);
    return slot;
  }

  /** Resolves when the process of this slot may start. */
  async start(slot: OwnedSlot): Promise<void> {
    if (this.#isFree(slot)) slot.enter('running');
    else await slot.wait();
  }

  release(slot: OwnedSlot): void {
    this.#slots.delete(slot);
    slot.enter('released');
    this.#startNext();
  }

  /** Ends the conversation that the principal left idle longest with a server; false if there is none to spare. */
  evictIdle(principalId: string, server: string): boolean {
    return this.#evictIdle(principalId, server);
  }

  /** The same for servers that run elsewhere: only the sessions of their clients are limited. */
  withoutLimit(): ProcessSlots {
    return new ProcessSlots(NO_LIMITS, this.#evictIdle);
  }

  #makeRoom(server: string | undefined, max: number, evict: () => boolean): void {
    if (max === Infinity) return;
    while (this.#claimed(server) >= max) {
      if (evict()) continue;
      const what = server === undefined ? 'all servers' : `server "${server}"`;
      throw new RunError('TOO_MANY_CHILDREN', { what, max });
    }
  }

  /** Slots whose owners still need them. */
  #claimed(server: string | undefined): number {
    let count = 0;
    for (const { owner } of this.#slots) {
      if ((server === undefined || owner.server === server) && !owner.isLeaving()) count += 1;
    }
    return count;
  }

  #isFree({ owner }: OwnedSlot): boolean {
    const { maxChildren, childrenPerServer } = this.#limits;
    if (maxChildren === Infinity && childrenPerServer === Infinity) return true;
    const running = [...this.#slots].filter(({ state }) => state === 'running');
    return (
      running.length < maxChildren &&
      running.filter((other) => other.owner.server === owner.server).length < childrenPerServer
    );
  }

  #startNext(): void {
    for (const slot of this.#slots) {
      if (slot.state === 'waiting' && this.#isFree(slot)) slot.enter('running');
    }
  }
}
