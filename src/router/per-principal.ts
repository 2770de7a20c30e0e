import type { RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { ModernBackend, ModernClient } from './modern-backend.ts';

/** What each principal has of one server: made when it first comes, and forgotten when nothing of it is left. */
export class PerPrincipal<S> {
  readonly #made = new Map<string, S>();
  readonly #make: (principal: string, onUnused: () => void) => S;

  constructor(make: (principal: string, onUnused: () => void) => S) {
    this.#make = make;
  }

  of(principal: string): S {
    const known = this.#made.get(principal);
    if (known !== undefined) return known;
    const made = this.#make(principal, () => {
      if (this.#made.get(principal) === made) this.#made.delete(principal);
    });
    this.#made.set(principal, made);
    return made;
  }

  find(principal: string): S | undefined {
    return this.#made.get(principal);
  }

  all(): S[] {
    return [...this.#made.values()];
  }
}

type MakeBackend = (principal: string, onUnused: () => void, first?: Link) => ModernBackend;

/** A link that is open already, and the principal that it was opened for. */
export interface FirstLink {
  readonly link: Link;
  readonly principal: string;
}

/** A modern server with a process, or a conversation with a remote server, for each principal. */
export class BackendPerPrincipal implements ModernBackend {
  readonly #backends: PerPrincipal<ModernBackend>;
  readonly #make: MakeBackend;
  #first: FirstLink | undefined;
  #closedWith: RunError | undefined;

  constructor(make: MakeBackend, first?: FirstLink) {
    this.#make = make;
    this.#first = first;
    this.#backends = new PerPrincipal((principal, onUnused) => this.#create(principal, onUnused));
  }

  /** @param first a process that runs already: it is idle until its principal uses it */
  static create(make: MakeBackend, first?: FirstLink): BackendPerPrincipal {
    const backend = new BackendPerPrincipal(make, first);
    if (first !== undefined) backend.#backends.of(first.principal);
    return backend;
  }

  get pending(): number {
    return this.#backends.all().reduce((sum, { pending }) => sum + pending, 0);
  }

  open(client: ModernClient): Link {
    return this.#backends.of(client.principal).open(client);
  }

  evictIdle(principal: string): boolean {
    return this.#backends.find(principal)?.evictIdle(principal) === true;
  }

  async close(reason: RunError): Promise<void> {
    this.#closedWith ??= reason;
    await Promise.all(this.#backends.all().map((backend) => backend.close(reason)));
  }

  #create(principal: string, onUnused: () => void): ModernBackend {
    const backend = this.#make(principal, onUnused, this.#takeFirst(principal));
    if (this.#closedWith !== undefined) void backend.close(this.#closedWith);
    return backend;
  }

  #takeFirst(principal: string): Link | undefined {
    const first = this.#first;
    if (first?.principal !== principal) return undefined;
    this.#first = undefined;
    return first.link;
  }
}
