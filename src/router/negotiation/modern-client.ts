import type { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { ModernBackend } from '../modern-backend.ts';
import { lazyLink } from '../../link/lazy.ts';
import { reattachable } from '../../link/reattachable.ts';
import type { EraCache } from './era-cache.ts';
import { isModernBy, detectEra } from './detect-era.ts';

export interface ModernClientOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly known: EraCache;
  /** Rejects with a RunError. */
  readonly openChild: (principal: string) => Promise<Link>;
  /** @param first a process that runs already, opened for `principal` */
  readonly toModernServer: (first: Link | undefined, principal: string) => ModernBackend;
  /** @param first a process that runs already and was not initialized, opened for `principal` */
  readonly toLegacyServer: (first: Link | undefined, principal: string) => ModernBackend;
}

const ASK_AGAIN_MS = 10_000;

/** A server for clients of revision 2026-07-28; the first of them has it asked which era it is of. */
export function createModernClientRoute(options: ModernClientOptions): ModernBackend {
  const { known, openChild } = options;
  let face: ModernBackend | undefined;
  /** What it was taken for a server of, before it turned out to be modern; what is open there goes on. */
  let mistaken: ModernBackend | undefined;
  /** The process that is being asked. */
  let asked: Link | undefined;
  let deciding: Promise<ModernBackend> | undefined;
  let wasLegacy = false;
  let askedAt = 0;
  let closedWith: RunError | undefined;

  return {
    get pending() {
      return (face?.pending ?? 0) + (mistaken?.pending ?? 0);
    },
    open(client) {
      if (wasLegacy && mayBeModern()) forsake();
      if (face !== undefined) return face.open(client);
      return lazyLink('modern', async () => (await decide(client.principal)).open(client));
    },
    evictIdle: (principal) => mistaken?.evictIdle(principal) === true || face?.evictIdle(principal) === true,
    async close(reason) {
      closedWith ??= reason;
      await asked?.close(reason);
      await deciding?.catch(() => {});
      await Promise.all([mistaken?.close(reason), face?.close(reason)]);
    },
  };

  function decide(principal: string): Promise<ModernBackend> {
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

  async function find(principal: string): Promise<ModernBackend> {
    const child = known.modern === undefined ? await ask(principal) : undefined;
    wasLegacy = known.modern !== true;
    if (wasLegacy && mistaken !== undefined) {
      const before = mistaken;
      mistaken = undefined;
      await child?.close();
      return before;
    }
    return wasLegacy ? options.toLegacyServer(child, principal) : options.toModernServer(child, principal);
  }

  /** @returns the process that was asked, unless it has ended */
  async function ask(principal: string): Promise<Link | undefined> {
    asked = reattachable(await openChild(principal));
    const child = asked;
    const verdict = await detectEra(child, options).finally(() => (asked = undefined));
    known.modern = isModernBy(verdict);
    askedAt = Date.now();
    return verdict.era === 'gone' ? undefined : child;
  }

  /** A server that failed when it was asked is asked again from time to time. */
  function mayBeModern(): boolean {
    return known.modern ?? Date.now() - askedAt > ASK_AGAIN_MS;
  }

  /** One that was too slow to say what it is, or died of something else, has refused `initialize` since. */
  function forsake(): void {
    wasLegacy = false;
    mistaken = face;
    face = undefined;
    deciding = undefined;
  }
}
