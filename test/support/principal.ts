import type { Principal } from '../../src/link/principal.ts';

export function principalOf(id: string, claims: Principal['claims'] = {}): Principal {
  return { id, claims };
}
