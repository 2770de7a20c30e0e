import type { RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { ModernBackend, ModernClient } from './modern-backend.ts';

/** What each principal has of one server: made when it first comes, and forgotten when nothing of it is left. */
export class PerPrincipal<S> {
  readonly #made = new Map<string, S>();
  readonly #make: (principalId: string, onUnused: () => void) => S;

  constructor(make: (principalId: string, onUnused: () => void) => S) {
    this.#make = make;
  }

  of(principalId: string): S {
    const known = this.#made.get(principalId);
    if (known !== undefined) return known;
    const made = this.#make(principalId, () => {
      if (this.#made.get(principalId) === made) this.#made.delete(principalId);
    });
    this.#made.set(principalId, made);
    return made;
  }

  find(principalId: string): S | undefined {
    return this.#made.get(principalId);
  }

  all(): S[] {
    return [...this.#made.values()];
  }
}

type MakeBackend = (principalId: string, onUnused: () => void, first?: Link) => ModernBackend;

/** A link that is open already, and the principal that it was opened for. */
export interface FirstLink {
  readonly link: Link;
  readonly principalId: string;
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
    this.#backends = new PerPrincipal((principalId, onUnused) => this.#create(principalId, onUnused));
  }

  /** @param first a process that runs already: it is idle until its principal uses it */
  static create(make: MakeBackend, first?: FirstLink): BackendPerPrincipal {
    const backend = new BackendPerPrincipal(make, first);
    if (first !== undefined) backend.#backends.of(first.principalId);
    return backend;
  }

  get pending(): number {
    return this.#backends.all().reduce((sum, { pending }) => sum + pending, 0);
  }

  open(client: ModernClient): Link {
    return this.#backends.of(client.principalId).open(client);
  }

  evictIdle(principalId: string): boolean {
    return this.#backends.find(principalId)?.evictIdle(principalId) === true;
  }

  async close(reason: RunError): Promise<void> {
    this.#closedWith ??= reason;
    await Promise.all(this.#backends.all().map((backend) => backend.close(reason)));
  }

  #create(principalId: string, onUnused: () => void): ModernBackend {
    const backend = this.#make(principalId, onUnused, this.#takeFirst(principalId));
    if (this.#closedWith !== undefined) void backend.close(this.#closedWith);
    return backend;
  }

  #takeFirst(principalId: string): Link | undefined {
    const first = this.#first;
    if (first?.principalId !== principalId) return undefined;
    this.#first = undefined;
    return first.link;
  }
}
