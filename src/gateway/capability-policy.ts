import { isLoopback } from '../manifest/schema/checks.ts';
import type { Capability } from '../config/types.ts';
import type { Manifest, ServerSpec } from '../manifest/settings.ts';

export const NOTHING: ReadonlySet<Capability> = new Set();

/** Withheld from every network client's server: some take the client's roots for directories to open to it. */
const ALWAYS: readonly Capability[] = ['roots'];
/** Withheld as well where clients are anonymous: no server should send requests to their users. */
const INTERACTIVE: readonly Capability[] = [...ALWAYS, 'sampling', 'elicitation'];

/**
 * Whether clients on other machines are accepted without authentication.
 * @param bound the addresses that clients connect to; none for requests that come another way
 */
export function isOpenToAnyone({ tokens }: Pick<Manifest, 'tokens'>, bound: readonly string[]): boolean {
  return tokens.length === 0 && !(bound.length > 0 && bound.every(isLoopback));
}

/**
 * The capabilities of network clients that a server does not get to see.
 * @param isOpen whether clients on other machines are accepted without authentication
 */
export function withheldFrom(
  spec: ServerSpec,
  { settings }: Pick<Manifest, 'settings'>,
  isOpen: boolean,
): ReadonlySet<Capability> {
  const risky = isOpen ? INTERACTIVE : ALWAYS;
  const allowed = new Set(settings.allowRoots ? ['roots', ...spec.allow] : spec.allow);
  return new Set(risky.filter((capability) => !allowed.has(capability)));
}
