import type { RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { ModernBackend } from './modern-backend.ts';

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

/**
 * A modern server with a process, or a conversation with a remote server, for each principal.
 * @param first a process that runs already, and the principal that it was opened for
 */
export function backendPerPrincipal(
  make: (principal: string, onUnused: () => void, first?: Link) => ModernBackend,
  first?: { readonly link: Link; readonly principal: string },
): ModernBackend {
  let unused = first;
  let closedWith: RunError | undefined;
  const faces = new PerPrincipal<ModernBackend>((principal, onUnused) => {
    const own = unused?.principal === principal ? unused.link : undefined;
    if (own !== undefined) unused = undefined;
    const face = make(principal, onUnused, own);
    if (closedWith !== undefined) void face.close(closedWith);
    return face;
  });
  // It is idle until its principal uses it.
  if (first !== undefined) faces.of(first.principal);

  return {
    get pending() {
      return faces.all().reduce((sum, { pending }) => sum + pending, 0);
    },
    open: (client) => faces.of(client.principal).open(client),
    evictIdle: (principal) => faces.find(principal)?.evictIdle(principal) === true,
    async close(reason) {
      closedWith ??= reason;
      await Promise.all(faces.all().map((face) => face.close(reason)));
    },
  };
}
