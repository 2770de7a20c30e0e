import type { RunError } from '../../errors.ts';
import type { Link } from '../../protocol/link.ts';
import type { ModernFace } from '../modern-face.ts';
import { deferLink } from './deferred-link.ts';
import { createHandover } from './handover.ts';
import type { KnownEras } from './known-eras.ts';
import { probeEra } from './probe.ts';

export interface ModernRouteOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  readonly known: KnownEras;
  /** Rejects with a RunError. */
  readonly openChild: (principal: string) => Promise<Link>;
  /** @param first a process that runs already */
  readonly toModernServer: (first: Link | undefined) => ModernFace;
  /** @param first a process that runs already and was not initialized */
  readonly toLegacyServer: (first: Link | undefined) => ModernFace;
}

/** A server for clients of revision 2026-07-28; the first of them has it asked which era it is of. */
export function createModernRoute(options: ModernRouteOptions): ModernFace {
  const { known, openChild } = options;
  let face: ModernFace | undefined;
  let deciding: Promise<ModernFace> | undefined;
  let closedWith: RunError | undefined;

  return {
    get pending() {
      return face?.pending ?? 0;
    },
    open(client) {
      if (face !== undefined) return face.open(client);
      return deferLink('modern', async () => (await decide(client.principal)).open(client));
    },
    endIdlest: (principal) => face?.endIdlest(principal) ?? false,
    async close(reason) {
      closedWith ??= reason;
      await deciding?.catch(() => {});
      await face?.close(reason);
    },
  };

  function decide(principal: string): Promise<ModernFace> {
    deciding ??= find(principal).then(
      async (found) => {
        face = found;
        if (closedWith !== undefined) await found.close(closedWith);
        return found;
      },
      (error: unknown) => {
        deciding = undefined;
        throw error;
      },
    );
    return deciding;
  }

  async function find(principal: string): Promise<ModernFace> {
    if (known.modern === true) return options.toModernServer(undefined);
    if (known.modern === false) return options.toLegacyServer(undefined);
    const child = createHandover(await openChild(principal));
    const verdict = await probeEra(child, options);
    known.modern = verdict.era === 'modern';
    if (verdict.era === 'modern') return options.toModernServer(child);
    return options.toLegacyServer(verdict.era === 'gone' ? undefined : child);
  }
}
