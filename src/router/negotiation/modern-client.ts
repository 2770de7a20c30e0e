import type { Clock } from '../../clock.ts';
import type { RunError } from '../../errors.ts';
import { lazyLink } from '../../link/lazy.ts';
import type { Link } from '../../link/link.ts';
import { reattachable } from '../../link/reattachable.ts';
import type { ModernClient, ModernBackend } from '../modern-backend.ts';
import { detectEra, isModernBy } from './detect-era.ts';
import type { EraCache } from './era-cache.ts';

export interface ModernClientOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly clock: Clock;
  readonly known: EraCache;
  /** Rejects with a RunError. */
  readonly openChild: (principalId: string) => Promise<Link>;
  /** @param first a process that runs already, opened for `principalId` */
  readonly toModernServer: (first: Link | undefined, principalId: string) => Promise<ModernBackend>;
  /** @param first a process that runs already and was not initialized, opened for `principalId` */
  readonly toLegacyServer: (first: Link | undefined, principalId: string) => Promise<ModernBackend>;
}

const PROBE_AGAIN_MS = 10_000;

/** A server for clients of revision 2026-07-28; the first of them has the era of the server detected. */
export class ModernClientRoute implements ModernBackend {
  readonly #options: ModernClientOptions;
  readonly #known: EraCache;
  readonly #clock: Clock;
  #backend: ModernBackend | undefined;
  /** What `#backend` was taken for, or the one that is being created; `undecided`: there is none. */
  #serverEra: 'undecided' | 'legacy' | 'modern' = 'undecided';
  /** The backend for a legacy server, before the server turned out to be modern; what is open there goes on. */
  #mistaken: ModernBackend | undefined;
  /** The process that is being probed. */
  #probed: Link | undefined;
  #deciding: Promise<ModernBackend> | undefined;
  #probedAt = 0;
  #closedWith: RunError | undefined;

  constructor(options: ModernClientOptions) {
    this.#options = options;
    this.#known = options.known;
    this.#clock = options.clock;
  }

  get pending(): number {
    return (this.#backend?.pending ?? 0) + (this.#mistaken?.pending ?? 0);
  }

  open(client: ModernClient): Link {
    // A backend that is being created is not reconsidered: it would replace the next one, which nothing would close then.
    if (this.#backend !== undefined && this.#serverEra === 'legacy' && this.#mayBeModern())
      this.#reconsider();
    if (this.#backend !== undefined) return this.#backend.open(client);
    return lazyLink('modern', async () => (await this.#decide(client.principalId)).open(client));
  }

  evictIdle(principalId: string): boolean {
    return this.#mistaken?.evictIdle(principalId) === true || this.#backend?.evictIdle(principalId) === true;
  }

  async close(reason: RunError): Promise<void> {
    this.#closedWith ??= reason;
    await this.#probed?.close(reason);
    await this.#deciding?.catch(() => {});
    await Promise.all([this.#mistaken?.close(reason), this.#backend?.close(reason)]);
  }

  #decide(principalId: string): Promise<ModernBackend> {
    this.#deciding ??= this.#createBackend(principalId);
    return this.#deciding;
  }

  async #createBackend(principalId: string): Promise<ModernBackend> {
    try {
      const backend = await this.#find(principalId);
      this.#backend = backend;
      if (this.#closedWith !== undefined) await backend.close(this.#closedWith);
      return backend;
    } catch (error) {
      this.#deciding = undefined;
      throw error;
    }
  }

  async #find(principalId: string): Promise<ModernBackend> {
    const child = this.#known.modern === undefined ? await this.#probe(principalId) : undefined;
    this.#serverEra = this.#known.modern === true ? 'modern' : 'legacy';
    if (this.#serverEra === 'modern') return await this.#options.toModernServer(child, principalId);
    if (this.#mistaken === undefined) return await this.#options.toLegacyServer(child, principalId);
    const before = this.#mistaken;
    this.#mistaken = undefined;
    await child?.close();
    return before;
  }

  /** @returns the process that was probed, unless it has ended */
  async #probe(principalId: string): Promise<Link | undefined> {
    const child = reattachable(await this.#options.openChild(principalId));
    this.#probed = child;
    const verdict = await detectEra(child, this.#options).finally(() => (this.#probed = undefined));
    this.#known.modern = isModernBy(verdict);
    this.#probedAt = this.#clock.now();
    return verdict.era === 'gone' ? undefined : child;
  }

  /** A server that failed when it was probed is probed again from time to time. */
  #mayBeModern(): boolean {
    return this.#known.modern ?? this.#clock.now() - this.#probedAt > PROBE_AGAIN_MS;
  }

  /** A server that was too slow to answer the probe, or died of something else, has refused `initialize` since. */
  #reconsider(): void {
    this.#serverEra = 'undecided';
    this.#mistaken = this.#backend;
    this.#backend = undefined;
    this.#deciding = undefined;
  }
}
